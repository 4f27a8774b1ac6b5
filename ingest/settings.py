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
    max_pages: int = Field(default=10_000, ge=1, description="pages of one file that are still read")
    max_seconds: float = Field(default=120.0, gt=0, description="seconds for parsing one file, beside those per MB")
    max_seconds_per_mb: float = Field(default=4.0, ge=0, description="seconds more for each MB of the file")
    max_memory_mb: int = Field(default=2048, ge=64, description="most memory for parsing, in MB (enforced on Linux)")

    def seconds_for(self, n_bytes: int) -> float:
        """Return the most seconds that a file of this size may take."""
        return self.max_seconds + self.max_seconds_per_mb * n_bytes / (1024 * 1024)


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
        default="auto",
        description="parse in a process of its own; auto: all but plain text, and that too once a run turns out long",
    )
