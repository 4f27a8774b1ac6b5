"""Retrieved chunks -> the sources of an answer (pure).

the chunks worth most -> neighbours joined -> by document and position -> numbered
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from assistant.sources.merge import merge
from assistant.sources.numbering import assign
from assistant.sources.source import Source
from assistant.sources.tables import NO_TABLE, TablePart
from assistant.sources.value import valued
from retrieval.models import ScoredChunk


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
    joined = merge([*(scored for scored, _ in chosen), *rest.values()], numbers)
    runs = [run for run in joined if any(scored.chunk.chunk_id in worth for scored in run)]
    documents = list(dict.fromkeys(hit.chunk.document_id for hit in hits))
    runs.sort(key=lambda run: documents.index(run[0].chunk.document_id))
    return tuple(
        Source(
            number,
            run,
            value=sum(worth.get(scored.chunk.chunk_id, 0.0) for scored in run),
            table_header=tables.get(run[0].chunk.chunk_id, NO_TABLE).header,
        )
        for number, run in zip(assign(runs, numbers), runs, strict=True)
    )
