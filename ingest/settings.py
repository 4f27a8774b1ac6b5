"""Limits of loading and sizes of splitting."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class LoadSettings(BaseModel):
    """What one hostile file may cost."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_unpacked_mb: int = Field(default=500, ge=1, description="declared unpacked size of a zip-based file, in MB")
    max_text_chars: int = Field(default=50_000_000, ge=1, description="parsed text of one file, in characters")
    max_nesting: int = Field(default=3, ge=0, description="files within files (mails in mails) that are still read")
    max_depth: int = Field(default=200, ge=10, description="nesting of elements or tables that is still read")


class SplitSettings(BaseModel):
    """Sizes of chunks; the defaults come from the development sets (docs/ingestion.md)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_chars: int = Field(default=500, ge=20, description="most characters in a chunk; a hard limit")
    min_chars: int = Field(default=80, ge=0, description="a shorter chunk is joined to a neighbour where one fits")


class IngestSettings(BaseModel):
    """Everything ingestion can be told."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_upload_mb: int = Field(default=200, ge=1, description="most MB of one file")
    load: LoadSettings = LoadSettings()
    split: SplitSettings = SplitSettings()
    parse_apart: Literal["auto", "always", "never"] = Field(
        default="auto", description="parse in a process of its own; auto: once a run turns out long"
    )
