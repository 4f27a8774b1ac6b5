"""What a run counts, and tells as it goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ingest.errors import IngestError
from ingest.report import IngestFailure, IngestProgress, IngestReport, Stage
from retrieval.catalog import BuiltVersion

Progress = Callable[[IngestProgress], None]


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that a run could not take in."""

    source_id: str
    source: str
    content_hash: str
    size: int
    error: IngestError


class RunCounts:
    """Files and chunks of one run, counted by one thread; embedded chunks by another.

    Args:
        progress: Told as the run goes on; by one thread at a time, but not always the same.

    Attributes:
        report: What became of the files so far.
        failures: The files that failed, with what another attempt needs.
        files_total: How many there are, once that is known.
        n_embedded: Chunks whose vectors are there.
    """

    def __init__(self, progress: Progress | None) -> None:
        self.report = IngestReport()
        self.failures: list[Failure] = []
        self.files_total = 0
        self.n_embedded = 0
        self._files_done = self._n_parsed = self._n_split = 0
        self._progress = progress
        self._telling = threading.Lock()
        self._started = time.monotonic()

    def skip(self, source: str) -> None:
        """Count an unchanged file."""
        self.report.skipped += 1
        self._files_done += 1
        self.tell("scan", source)

    def moved(self, source: str) -> None:
        """Count a file that has another name and nothing else."""
        self.report.moved += 1
        self._files_done += 1
        self.tell("scan", source)

    def fail(self, source: str, error: IngestError, source_id: str = "", content_hash: str = "", size: int = 0) -> None:
        """Count a file that cannot be ingested.

        Args:
            source: What people are shown.
            error: Why.
            source_id: Its identity within the collection; empty: `source`.
            content_hash: sha256 hex of its bytes, where they could be read.
            size: Bytes.
        """
        self.report.failed.append(IngestFailure.of(source, error))
        self.failures.append(Failure(source_id or source, source, content_hash, size, error))
        self._files_done += 1
        self.tell("parse", source)

    def parsed(self, source: str, n_chunks: int) -> None:
        """Count a document that is parsed and split."""
        self._n_parsed += 1
        self._n_split += n_chunks
        self.tell("split", source)

    def written(self, sources: Sequence[str], published: Sequence[BuiltVersion]) -> None:
        """Count a batch that is written, and what is visible of it."""
        n_updated = sum(version.is_update for version in published)
        self._files_done += len(sources)
        self.report.updated += n_updated
        self.report.added += len(published) - n_updated
        self.report.chunks += sum(len(version.chunks) for version in published)
        if sources:
            self.tell("index", sources[-1])

    def finish(self) -> IngestReport:
        """Return the report of a run that has ended."""
        self.report.seconds = time.monotonic() - self._started
        self.tell("done")
        return self.report

    def tell(self, stage: Stage, source: str = "") -> None:
        """Report progress."""
        if self._progress is None:
            return
        with self._telling:
            self._progress(
                IngestProgress(
                    stage,
                    files_done=self._files_done,
                    files_total=self.files_total,
                    chunks=self.report.chunks,
                    source=source,
                    parsed=self._n_parsed,
                    split=self._n_split,
                    embedded=self.n_embedded,
                )
            )
