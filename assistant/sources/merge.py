"""Chunks that follow one another in a document -> one text (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from retrieval.models import Chunk, ScoredChunk


def merge(chunks: Iterable[ScoredChunk], numbers: Mapping[str, int] = {}) -> list[tuple[ScoredChunk, ...]]:
    """Join chunks of one version that overlap, touch, or have only white space between them.

    Args:
        chunks: Different chunks, in any order.
        numbers: By chunk id, those that chunks had in this conversation: two that stood for different numbers stay
            apart, or one of the numbers would come to stand for nothing.

    Returns:
        Each chunk once, in reading order inside a document.
    """
    runs: list[list[ScoredChunk]] = []
    for scored in sorted(chunks, key=lambda scored: _place(scored.chunk)):
        if runs and _follows(runs[-1], scored.chunk) and not _told_apart(runs[-1], scored, numbers):
            runs[-1].append(scored)
        else:
            runs.append([scored])
    return [tuple(run) for run in runs]


def _place(chunk: Chunk) -> tuple[str, int, int, str]:
    return chunk.version_id, chunk.start, chunk.end, chunk.chunk_id


def _follows(run: list[ScoredChunk], chunk: Chunk) -> bool:
    """Whether there is no gap: the splitter leaves out nothing but white space between two ordinals."""
    last = run[-1].chunk
    if chunk.version_id != last.version_id:
        return False
    return chunk.start <= max(scored.chunk.end for scored in run) or chunk.ordinal == last.ordinal + 1


def _told_apart(run: list[ScoredChunk], scored: ScoredChunk, numbers: Mapping[str, int]) -> bool:
    number = numbers.get(scored.chunk.chunk_id)
    known = {numbers[one.chunk.chunk_id] for one in run if one.chunk.chunk_id in numbers}
    return number is not None and bool(known) and number not in known
