"""Limits of loading and sizes of splitting."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class OcrSettings(BaseModel):
    """Text in pictures: scanned pages, photographs, screenshots."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Literal["auto", "off"] = Field(
        default="auto", description="auto: pictures are read where the extra `ocr` is installed; off: never"
    )
    folders: bool = Field(
        default=False,
        description="whether a folder's run takes up picture files too; those that are named or uploaded always are",
    )
    embedded: bool = Field(default=True, description="whether pictures inside documents are read")
    min_pixels: int = Field(
        default=40_000, ge=0, description="width times height from which a picture inside a document is no logo or icon"
    )
    max_pixels: int = Field(
        default=100_000_000, ge=10_000, description="width times height of the largest picture that is decoded"
    )
    max_pictures: int = Field(default=1000, ge=0, description="pictures inside one document that are read")
    dpi: int = Field(default=150, ge=72, le=600, description="dots an inch at which a PDF's scanned pages are drawn")
    min_confidence: float = Field(default=0.5, ge=0, le=1, description="lines read with less are left out")
    max_seconds_per_page: float = Field(default=60.0, gt=0, description="seconds for one page or picture")
    threads: int = Field(default=0, ge=0, le=64, description="threads for one picture; 0: one a core, at most 4")


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
    ocr: OcrSettings = OcrSettings()

    workers: int = Field(
        default=0,
        ge=0,
        description="processes that parse at once; 0: one a core but one, at most 8 and what half of the memory allows",
    )

    def seconds_for(self, n_bytes: int) -> float:
        """Return the most seconds that a file of this size may take."""
        return self.max_seconds + self.max_seconds_per_mb * n_bytes / (1024 * 1024)


class SplitSettings(BaseModel):
    """Sizes of chunks; the defaults come from the development sets (docs/ingestion.md)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_chars: int = Field(default=500, ge=20, description="most characters in a chunk; a hard limit")
    min_chars: int = Field(default=80, ge=0, description="a shorter chunk is joined to a neighbour where one fits")


class JobSettings(BaseModel):
    """The queue of uploaded files."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    attempts: int = Field(
        default=8, ge=1, le=100, description="how often a job is begun that fails for no reason that is known"
    )
    outage_hours: float = Field(
        default=24.0,
        ge=0,
        le=8760,
        description="hours for which a job is tried again while a store, the embedder or the disk fails",
    )
    at_once: int = Field(
        default=0, ge=0, le=16, description="groups of jobs at work at the same time; 0: 2 to 4, as memory allows"
    )
    days: float = Field(default=7.0, gt=0, description="days for which completed and cancelled jobs are kept")
    max_ended: int = Field(default=10_000, ge=0, description="most completed and cancelled jobs that are kept")


class IngestSettings(BaseModel):
    """Everything ingestion can be told."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_upload_mb: int = Field(default=200, ge=1, description="most MB of one file")
    load: LoadSettings = LoadSettings()
    split: SplitSettings = SplitSettings()
    jobs: JobSettings = JobSettings()
    parse_apart: Literal["auto", "always", "never"] = Field(
        default="auto",
        description="parse in a process of its own; auto: all but plain text, and that too once a run turns out long",
    )
