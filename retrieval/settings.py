"""Where the documents lie and how they are searched."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class RankingSettings(BaseModel):
    """How a question's chunks are found; the defaults come from the development sets (docs/retrieval.md)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    top_k: int = Field(default=8, ge=1, le=100, description="chunks returned for an answer")
    fetch_k: int = Field(default=50, ge=1, le=1000, description="candidates taken from each list")
    rerank_k: int = Field(default=12, ge=1, le=1000, description="fused candidates that are reranked by coverage")
    vector_weight: float = Field(default=10.0, ge=0, description="weight of the cosine beside BM25")
    coverage_weight: float = Field(default=1.0, ge=0, description="weight of the best sentence's coverage")
    context_weight: float = Field(default=0.7, ge=0, le=1, description="weight of an earlier question's tokens")
    duplicate_threshold: float = Field(
        default=0.9, gt=0, le=1, description="share of the text from which two chunks count as the same"
    )


class _Environment(BaseSettings):
    """The variables of `RetrievalSettings`, each None where it is not set."""

    model_config = SettingsConfigDict(env_prefix="HUOZI_", env_file=".env", extra="ignore", env_nested_delimiter="__")

    data_dir: Path | None = None
    embedder: str | None = None
    embedder_base_url: str | None = Field(default=None, validation_alias="HUOZI_EMBEDDER__BASE_URL")
    embedder_api_key: SecretStr | None = Field(default=None, validation_alias="HUOZI_EMBEDDER__API_KEY")
    reranker: str | None = None
    chroma_url: str | None = None
    chroma_texts: bool | None = None
    ranking: RankingSettings | None = None


class RetrievalSettings(BaseModel):
    """The data folder and the parts that work on it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data_dir: Path = Field(default=Path("data"), description="catalog, indexes, original files")
    embedder: str = Field(default="e5", description="e5, none, sentence-transformers:NAME_OR_PATH")
    embedder_base_url: str | None = Field(default=None, description="server of an openai: embedder")
    embedder_api_key: SecretStr | None = Field(default=None, description="its key")
    reranker: str = Field(default="none", description="none")
    chroma_url: str | None = Field(default=None, description="Chroma server; unset: embedded in the data folder")
    chroma_texts: bool = Field(default=True, description="whether Chroma keeps chunks' texts, for other readers of it")
    ranking: RankingSettings = RankingSettings()

    @classmethod
    def from_environment(cls) -> RetrievalSettings:
        """Read what concerns retrieval from `HUOZI_*` and `.env`, for Python users who start here, not at a service."""
        read = _Environment()
        return cls(**{name: value for name, value in read.model_dump().items() if value is not None})
