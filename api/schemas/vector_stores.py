"""The body of `POST /v1/vector_stores/{id}/search`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from api.errors import RequestError
from api.schemas.files import attribute_text
from retrieval.errors import Message


class RankingOptions(BaseModel):
    """How results are cut."""

    model_config = ConfigDict(extra="ignore")

    score_threshold: float | None = None


class SearchRequest(BaseModel):
    """A search in one collection, in OpenAI's form."""

    model_config = ConfigDict(extra="ignore")

    query: str | Annotated[list[str], Field(min_length=1)]
    max_num_results: int = Field(default=10, ge=1, le=50)
    filters: dict[str, Any] | None = None
    ranking_options: RankingOptions | None = None

    @property
    def question(self) -> str:
        """The query as one text."""
        return self.query if isinstance(self.query, str) else " ".join(self.query)


def flatten(filters: dict[str, Any] | None) -> dict[str, str]:
    """Return the filters as key -> value.

    Raises:
        RequestError: If they are no conjunction of equalities.
    """
    result: dict[str, str] = {}
    if not filters:
        return result
    kind = filters.get("type")
    if kind == "and" and isinstance(filters.get("filters"), list):
        for inner in filters["filters"]:
            result |= flatten(inner if isinstance(inner, dict) else {"type": None})
        return result
    key, value = filters.get("key"), filters.get("value")
    if kind == "eq" and isinstance(key, str) and isinstance(value, str | int | float):
        return {key: attribute_text(value)}
    raise RequestError(
        Message(
            en=f"The filter type {kind!r} cannot be used; filters are 'eq', or 'and' over 'eq'.",
            zh=f"不支持过滤条件类型 {kind!r}；可用 'eq'，或由 'eq' 组成的 'and'。",
        ),
        param="filters",
    )
