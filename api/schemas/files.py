"""The bodies that attach files, and what attributes become."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

MAX_ATTRIBUTES = 16
MAX_ATTRIBUTE_CHARS = 512

Purpose = Literal["assistants", "user_data", "batch", "fine-tune", "vision", "evals"]
AttributeName = Annotated[str, StringConstraints(min_length=1, max_length=64)]
AttributeText = Annotated[str, StringConstraints(max_length=MAX_ATTRIBUTE_CHARS)]
Attributes = Annotated[dict[AttributeName, AttributeText | bool | int | float | None], Field(max_length=MAX_ATTRIBUTES)]
"""At most 16 facts that filters may use, as OpenAI's."""


class AttachRequest(BaseModel):
    """The body of `POST /v1/vector_stores/{id}/files`, where it is JSON."""

    model_config = ConfigDict(extra="ignore")

    file_id: str = Field(min_length=1, max_length=200)
    attributes: Attributes | None = None


class CreateStoreRequest(BaseModel):
    """The body of `POST /v1/vector_stores`."""

    model_config = ConfigDict(extra="ignore")

    name: str | None = None
    file_ids: list[str] = Field(default_factory=list, max_length=500)


def attribute_texts(attributes: dict[str, Any] | None) -> dict[str, str]:
    """Return attributes as they are kept and compared; those without a value are left out."""
    return {key: attribute_text(value) for key, value in (attributes or {}).items() if value is not None}


def attribute_text(value: str | bool | float) -> str:
    """Return one value as it is kept and compared: 2026 and 2026.0 are the same, true is `true`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
