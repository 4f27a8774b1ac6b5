"""Retrieved chunks -> the sources of an answer (pure).

the chunks worth most -> neighbours joined -> by document and position -> numbered
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from assistant.sources.merge import merge
from assistant.sources.numbering import assign
from assistant.sources.source import Source
from assistant.sources.tables import NO_TABLE, TablePart
from assistant.sources.value import valued
from retrieval.models import ScoredChunk

Run = tuple[ScoredChunk, ...]


def select(
    hits: Sequence[ScoredChunk],
    *,
    max_sources: int,
    numbers: Mapping[str, int] = {},
    tables: Mapping[str, TablePart] = {},
) -> tuple[Source, ...]:
    """Return the sources of an answer: documents in the order of their best chunks, inside by position.

    Args:
        hits: Retrieved chunks, best first.
        max_sources: Most retrieved chunks to use; there are fewer sources where neighbours are joined.
        numbers: By chunk id, the numbers of this conversation so far; they keep their meaning.
        tables: By chunk id, what belongs to the tables that hits cut: see `TableReader`.
    """
    chosen = valued(hits, top_k=max_sources)
    worth = {scored.chunk.chunk_id: value for scored, value in chosen}
    rest = {
        chunk.chunk_id: ScoredChunk(chunk, score=scored.score - 1.0)
        for scored, _ in reversed(chosen)
        for chunk in tables.get(scored.chunk.chunk_id, NO_TABLE).rest
        if chunk.chunk_id not in worth
    }
    runs = _in_order(merge([*(scored for scored, _ in chosen), *rest.values()], numbers))
    return tuple(
        Source(
            number,
            run,
            value=sum(worth.get(scored.chunk.chunk_id, 0.0) for scored in run),
            table_header=tables.get(run[0].chunk.chunk_id, NO_TABLE).header,
        )
        for number, run in zip(assign(runs, numbers), runs, strict=True)
    )


def _in_order(runs: Iterable[Run]) -> list[Run]:
    """Order by document, the one of the best chunk first; inside as they are."""
    listed = list(runs)
    best: dict[str, float] = {}
    for run in listed:
        document = run[0].chunk.document_id
        best[document] = max(best.get(document, float("-inf")), *(scored.score for scored in run))
    return sorted(listed, key=lambda run: (-best[run[0].chunk.document_id], run[0].chunk.document_id))
