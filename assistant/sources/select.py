"""Retrieved chunks -> the sources of an answer (pure)."""

from __future__ import annotations

from collections.abc import Sequence

from assistant.sources.source import Source, number_chunks
from retrieval.models import ScoredChunk


def select(hits: Sequence[ScoredChunk], *, max_sources: int) -> tuple[Source, ...]:
    """Return the sources of an answer, best first.

    Args:
        hits: Retrieved chunks, best first.
        max_sources: Most sources to return.
    """
    return number_chunks(hits[:max_sources])
