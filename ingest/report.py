"""What a run of ingestion did, and how far it has come."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from ingest.errors import IngestError
from retrieval.errors import Language, Message

Stage = Literal["scan", "parse", "split", "embed", "index", "done"]
"""What is done to a file: it is looked at, parsed, cut into chunks, embedded, indexed. Jobs have the same words."""


@dataclass(frozen=True, slots=True)
class IngestFailure:
    """A file that was not ingested; what was stored of it before is unchanged."""

    source: str
    code: str
    message: Message

    @classmethod
    def of(cls, source: str, error: IngestError) -> IngestFailure:
        """Keep an error as a line of the report."""
        return cls(source, error.code, Message(en=error.render("en"), zh=error.render("zh")))

    def as_dict(self, language: Language) -> dict[str, Any]:
        """Return it as `--json` shows it."""
        return {"source": self.source, "code": self.code, "message": self.message.render(language)}


@dataclass(frozen=True, slots=True)
class IngestProgress:
    """How far a run is; counts are true counts of what is finished.

    Args:
        stage: What was done last; the stages of different files go on side by side.
        files_done: Files whose fate is settled.
        files_total: Files found.
        chunks: Chunks that are indexed: searchable now.
        source: The file at hand.
        parsed: Files that were parsed, or taken over from equal content.
        split: Chunks that they were cut into.
        embedded: Chunks whose vectors are there; 0 without an embedder.
    """

    stage: Stage
    files_done: int
    files_total: int
    chunks: int
    source: str = ""
    parsed: int = 0
    split: int = 0
    embedded: int = 0


@dataclass(slots=True)
class IngestReport:
    """Counts of documents by what became of them.

    Attributes:
        moved: Files with another name and the content that they had.
        chunks: Chunks written by this run.
        queued: Uploaded files whose jobs were queued again.
        seconds: Wall time.
        warnings: Things to know about files that were ingested, as (source, sentence).
    """

    added: int = 0
    updated: int = 0
    skipped: int = 0
    moved: int = 0
    deleted: int = 0
    failed: list[IngestFailure] = field(default_factory=list)
    chunks: int = 0
    queued: int = 0
    seconds: float = 0.0
    warnings: list[tuple[str, Message]] = field(default_factory=list)

    def as_dict(self, language: Language = "zh") -> dict[str, Any]:
        """Return the contract's object for `--json`."""
        return {
            "added": self.added,
            "updated": self.updated,
            "skipped": self.skipped,
            "moved": self.moved,
            "deleted": self.deleted,
            "failed": [one.as_dict(language) for one in self.failed],
            "chunks": self.chunks,
            **({"queued": self.queued} if self.queued else {}),
            "seconds": round(self.seconds, 3),
        }
