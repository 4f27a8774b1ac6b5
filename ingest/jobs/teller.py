"""Tells each job of a batch how far its document is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ingest.jobs.progress import LiveCounts
from ingest.ready import Ready


class JobTeller:
    """The jobs behind a batch's documents; documents without one are passed over.

    Args:
        live: Told how far each job is; None: nobody asks.
    """

    def __init__(self, live: LiveCounts | None) -> None:
        self._live = live

    def is_cancelled(self, item: Ready) -> bool:
        """Whether a document's job is to end."""
        return self._live is not None and item.job_id is not None and self._live.is_cancelled(item.job_id)

    def stage(self, items: Sequence[Ready], stage: str) -> None:
        """Tell what happens to documents now."""
        if self._live is not None:
            for item in items:
                if item.job_id is not None:
                    self._live.tell(item.job_id, stage)

    def embedded(self, items: Sequence[Ready], n_embedded: Mapping[str | None, int]) -> None:
        """Tell how many chunks of each document's job are embedded."""
        if self._live is not None:
            for job_id in {item.job_id for item in items} - {None}:
                assert job_id is not None
                self._live.tell(job_id, "embed", embedded=n_embedded[job_id])

    def indexed(self, batch: Sequence[Ready], n_indexed: int) -> None:
        """Tell each job how many of its chunks are among a batch's first ones."""
        for item in batch:
            n_chunks = len(item.version.spans)
            if self._live is not None and item.job_id is not None:
                self._live.tell(item.job_id, "index", indexed=max(0, min(n_indexed, n_chunks)))
            n_indexed -= n_chunks
