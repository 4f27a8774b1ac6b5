"""Plan -> what was found: the edge between an answer and retrieval."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from assistant.checking.citations import PageOf, page_of_chunk
from assistant.conversation.plan import Plan
from retrieval.errors import NotFoundError
from retrieval.models import Chunk, Collection, Retrieval, ScoredChunk


class Searches(Protocol):
    """What the assistant needs of `retrieval.retriever.Retriever`."""

    def retrieve(
        self,
        question: str,
        *,
        collection: str = "default",
        top_k: int | None = None,
        context: Sequence[str] = (),
        filters: Mapping[str, str] = ...,
    ) -> Retrieval:
        """Find the chunks for a question."""


class KnowsDocuments(Protocol):
    """What the assistant needs of `retrieval.catalog.Catalog`."""

    def get_collection(self, name_or_id: str, *, counted: bool = False) -> Collection:
        """Return a collection by name or id; its counts only when `counted`."""

    def page_starts(self, version_ids: Sequence[str]) -> Mapping[str, Sequence[int]]:
        """Return the offset at which each page starts, of those versions that are live."""

    def chunk_range(self, version_id: str, first: int, last: int) -> list[Chunk]:
        """Return the chunks of a live version from one ordinal to another, in order."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was found for a question.

    Args:
        plan: What was searched for.
        retrieval: Chunks and evidence; of a question over several facts, those of all its parts.
        embedder: The collection's.
    """

    plan: Plan
    retrieval: Retrieval
    embedder: str = "none"


class Finder:
    """Finds chunks, and the pages they are on.

    Args:
        retriever: Finds the chunks of one question.
        catalog: For pages of quotes and sizes of collections; without it a quote's page is its chunk's first.
        top_k: Chunks to find.
    """

    def __init__(self, retriever: Searches, catalog: KnowsDocuments | None, *, top_k: int) -> None:
        self._retriever = retriever
        self._catalog = catalog
        self._top_k = top_k

    def find(self, plan: Plan, collection: str, filters: Mapping[str, str]) -> Found:
        """Return what was found for a plan; blocks, so call it from a thread."""
        search = plan.searches[0]
        retrieval = self._retriever.retrieve(
            search.question,
            collection=collection,
            top_k=self._top_k,
            context=search.context,
            filters=filters,
        )
        known = self.collection(retrieval.collection)
        return Found(plan, retrieval, known.embedder if known is not None else "none")

    def collection(self, name: str, *, counted: bool = False) -> Collection | None:
        """Return a collection, or None where nobody knows it."""
        try:
            return self._catalog.get_collection(name, counted=counted) if self._catalog is not None else None
        except NotFoundError:
            return None

    def page_finder(self, chunks: Sequence[ScoredChunk]) -> PageOf:
        """Return how to find a quote's page; a version that is gone since the search leaves its chunk's page."""
        paged = {scored.chunk.version_id for scored in chunks if scored.chunk.page is not None}
        if self._catalog is None or not paged:
            return page_of_chunk
        starts = self._catalog.page_starts(sorted(paged))

        def page_of(chunk: Chunk, offset: int) -> int | None:
            found = starts.get(chunk.version_id)
            return bisect_right(found, offset) if found else chunk.page

        return page_of
