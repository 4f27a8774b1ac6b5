"""Retrieved chunks -> sources, with what the catalog knows of their tables: the edge around `select`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from assistant.sources.numbering import Conversation
from assistant.sources.select import select
from assistant.sources.source import Source
from assistant.sources.table_reader import KnowsChunks, TableReader, may_cut
from retrieval.models import ScoredChunk


class Selector:
    """Chooses the sources of answers.

    Args:
        catalog: For tables that chunks cut; without it they stay as they were found.
        max_sources: Most retrieved chunks of an answer.
    """

    def __init__(self, catalog: KnowsChunks | None, *, max_sources: int) -> None:
        self._tables = TableReader(catalog)
        self._max_sources = max_sources

    async def select(self, hits: Sequence[ScoredChunk], conversation: Conversation) -> tuple[Source, ...]:
        """Return the sources of an answer, by document and position.

        Args:
            hits: Best first.
            conversation: Whose numbers stay what they are.
        """
        cut = [hit for hit in hits if may_cut(hit.chunk)]
        tables = await asyncio.to_thread(self._tables.read, cut) if cut else {}
        return select(hits, max_sources=self._max_sources, numbers=conversation.numbers, tables=tables)
