"""The parts of cut tables that retrieval did not return: the edge between sources and the catalog."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol

from assistant.sources.tables import MAX_WHOLE_CHARS, TablePart, begins_with_row, ends_with_row, only_rows, table_part
from retrieval.models import Chunk, ScoredChunk

_STEP = 32
_MAX_CHUNKS = 2_048
"""Chunks of a table that are looked at for its header: a million characters; of a longer table none is shown."""


class KnowsChunks(Protocol):
    """What is needed of `retrieval.catalog.Catalog`."""

    def chunk_range(self, version_id: str, first: int, last: int) -> list[Chunk]:
        """Return the live chunks of a version from one ordinal to another, in order."""


class TableReader:
    """Looks up what belongs to a cut table.

    Args:
        catalog: None, where there is none: nothing is found then.
    """

    def __init__(self, catalog: KnowsChunks | None) -> None:
        self._catalog = catalog

    def read(self, hits: Sequence[ScoredChunk]) -> dict[str, TablePart]:
        """Return what belongs to the chunks that cut a table, by chunk id; blocks, so call it from a thread."""
        if self._catalog is None:
            return {}
        found = ((hit.chunk, self._part(self._catalog, hit.chunk)) for hit in hits if may_cut(hit.chunk))
        return {chunk.chunk_id: part for chunk, part in found if part != TablePart()}

    def _part(self, catalog: KnowsChunks, chunk: Chunk) -> TablePart:
        before = _before(catalog, chunk) if begins_with_row(chunk.text) else []
        return table_part(before, chunk, _after(catalog, chunk) if ends_with_row(chunk.text) else [])


def may_cut(chunk: Chunk) -> bool:
    """Whether a chunk begins or ends inside a table, as far as its own text tells."""
    return begins_with_row(chunk.text) or ends_with_row(chunk.text)


def _before(catalog: KnowsChunks, chunk: Chunk) -> list[Chunk]:
    """Return the chunks back to where the table began; none if that is too far."""
    found: list[Chunk] = []
    step, first = 2, chunk.ordinal
    while first > 0 and len(found) < _MAX_CHUNKS:
        last, first = first - 1, max(0, first - step)
        found = [*catalog.chunk_range(chunk.version_id, first, last), *found]
        if not _is_whole([*found, chunk], first):
            return []
        if not all(only_rows(one.text) for one in found[: last - first + 1]):
            return found
        step = _STEP
    return found if first == 0 else []


def _after(catalog: KnowsChunks, chunk: Chunk) -> list[Chunk]:
    """Return the chunks behind, as many as could be shown."""
    last = chunk.ordinal + 1 + MAX_WHOLE_CHARS // 100
    found = catalog.chunk_range(chunk.version_id, chunk.ordinal + 1, last)
    return found if _is_whole([chunk, *found], chunk.ordinal) else []


def _is_whole(chunks: Sequence[Chunk], first: int) -> bool:
    """Whether no chunk is missing: a version that was replaced since the search is gone."""
    ordinals = [one.ordinal for one in chunks]
    return ordinals[0] == first and all(b == a + 1 for a, b in pairwise(ordinals))
