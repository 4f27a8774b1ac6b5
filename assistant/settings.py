"""How answers are made: by which model server, and from how many sources."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel, ConfigDict, Field, FilePath, SecretStr, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from assistant.errors import ProfileError
from assistant.serving.profile import Profile, load_profile

# A server without keys ignores it; without any value the SDK would look for OPENAI_API_KEY, and send that.
UNSET_KEY = SecretStr("unset")


class LlmSettings(BaseModel):
    """An OpenAI-compatible model server, or none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="an OpenAI-compatible server, e.g. http://127.0.0.1:8000/v1; unset: extractive answers, no model",
    )
    model: str = Field(default="huozi", min_length=1, description="the served model's name")
    api_key: SecretStr | None = Field(default=None, description="the server's key, if it wants one")
    profiles_dir: Path | None = Field(default=None, description="folder of your own model profiles, `NAME.toml`")
    profile: str = Field(
        default="huozi3.5",
        min_length=1,
        description="the model's stop tokens and window: a name of `huozi model list`, or the path of a .toml file",
    )
    send_stop_ids: bool = Field(
        default=True,
        description="false for a server that refuses `stop_token_ids` (`transformers serve`) and stops by itself",
    )
    window_tokens: int = Field(
        default_factory=lambda values: _window_of(values), ge=512, description="prompt and answer together, in tokens"
    )
    tokenizer: FilePath | None = Field(
        default=None,
        description="the model's tokenizer.json: counts tokens where the server cannot, and faster than one that can",
    )
    max_tokens: int = Field(default=1024, ge=1, description="longest answer, in tokens")
    temperature: float = Field(default=0.0, ge=0, le=2, description="0: the likeliest words")
    timeout_s: float = Field(default=120.0, gt=0, description="longest silence of the server, in seconds")
    connect_timeout_s: float = Field(default=5.0, gt=0, description="longest wait for a connection, in seconds")
    max_retries: int = Field(
        default=1, ge=0, le=10, description="how often a request that failed before its first word is sent again"
    )

    @field_validator("profile")
    @classmethod
    def _check_profile(cls, name: str, info: ValidationInfo) -> str:
        folder: Path | None = info.data.get("profiles_dir")
        try:
            load_profile(name, folder)
        except ProfileError as error:
            # `told` is for api/settings.py, which tells it in the user's language.
            raise PydanticCustomError("profile", "{text}", {"text": str(error), "told": error}) from error
        # From here on one's own profile is named by its file, which is enough for whoever has no folder to look into.
        own = folder / f"{name}.toml" if folder is not None else None
        return str(own) if own is not None and own.is_file() else name

    @property
    def model_profile(self) -> Profile:
        """What is known of the model."""
        return load_profile(self.profile)

    @classmethod
    def from_environment(cls) -> LlmSettings:
        """Read `HUOZI_LLM__*` and `.env`, for Python users who start here, not at a service."""
        return _Environment().llm

    @property
    def timeouts(self) -> tuple[float, float, float, float]:
        """Connect, read, write and pool, as httpx takes them; a tuple, for LangChain shares clients by its hash."""
        return (self.connect_timeout_s, self.timeout_s, self.timeout_s, self.timeout_s)

    @property
    def shown_url(self) -> str:
        """The base URL without user, password and query, for messages and logs."""
        parts = urlsplit(self.base_url or "")
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _window_of(values: dict[str, Any]) -> int:
    """Return the profile's window; any, where the profile is refused and says so itself."""
    return load_profile(values["profile"]).window_tokens if "profile" in values else 512


class _Environment(BaseSettings):
    """The variables of `LlmSettings`."""

    model_config = SettingsConfigDict(env_prefix="HUOZI_", env_file=".env", extra="ignore", env_nested_delimiter="__")

    llm: LlmSettings = LlmSettings()


class AnswerSettings(BaseModel):
    """What an answer may use."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    top_k: int = Field(default=10, ge=1, le=100, description="chunks retrieved for an answer")
    max_sources: int = Field(default=6, ge=1, le=50, description="chunks shown to the model or quoted from")
    max_sentences: int = Field(default=3, ge=1, le=10, description="sentences of an extractive answer")
    max_question_chars: int = Field(default=4_000, ge=1, le=4_000, description="longest question, in characters")
    history_turns: int = Field(
        default=20,
        ge=0,
        description="most messages of the conversation sent to the model; beyond it the older half goes at once",
    )
    mode: Literal["strict", "helpful"] = Field(
        default="strict",
        description="what becomes of a model's sentence that no source supports: strict drops it, helpful labels it",
    )
    rewrite: Literal["auto", "off"] = Field(
        default="auto",
        description="auto: the model rewrites a follow-up to stand alone (one short call), and both are searched; "
        "off: as it is",
    )
    verdict: Literal["rules", "model"] = Field(
        default="rules",
        description="who decides in doubt whether a source supports a sentence or holds the answer: rules, or the "
        "model (one short call more each)",
    )


class TraceSettings(BaseModel):
    """What is kept of how an answer came about, and for how long."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    days: int = Field(default=30, ge=0, le=3650, description="how long a trace of an answer is kept; 0: none is")
    max_answers: int = Field(default=10_000, ge=1, description="most traces kept, the newest")
    question: bool = Field(default=True, description="whether a trace holds the question, and what it was turned into")
    text: bool = Field(
        default=False, description="whether a trace holds text of documents, prompt and answer beside ids and offsets"
    )
