"""Plan -> what was found: the edge between an answer and retrieval."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any, Protocol

from assistant.checking.citations import PageOf, page_of_chunk
from assistant.conversation.plan import Plan
from assistant.conversation.search import Search
from retrieval.errors import NotFoundError
from retrieval.models import Chunk, Collection, Retrieval, ScoredChunk
from retrieval.rerankers.duplicates import distinct

_SAME_TEXT = 0.9  # as retrieval itself drops near-copies


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
        retrieval: The question's evidence and chunks; of a question over several facts, the chunks of all its parts.
        embedder: The collection's.
        parts: What was found for each part of a question over several facts, in their order; else empty.
        rewritten: What was found for the question as a model rewrote it; its chunks are among the retrieval's.
        calibration: What was learnt from the collection's questions; None: nothing.
    """

    plan: Plan
    retrieval: Retrieval
    embedder: str = "none"
    parts: tuple[Retrieval, ...] = ()
    rewritten: Retrieval | None = None
    calibration: Mapping[str, Any] | None = None


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
        whole, *parts = [self._search(search, collection, filters) for search in plan.searches]
        rewritten = self._search(Search(plan.rewritten), collection, filters) if plan.rewritten else None
        hits = whole.hits if rewritten is None else add_scores(whole, rewritten, top_k=self._top_k)
        if parts:
            hits = interleave([*parts, replace(whole, hits=hits)], top_k=self._top_k)
        merged = replace(whole, hits=hits)
        known = self.collection(whole.collection)
        if known is None:
            return Found(plan, merged, parts=tuple(parts), rewritten=rewritten)
        return Found(plan, merged, known.embedder, tuple(parts), rewritten, known.calibration)

    def _search(self, search: Search, collection: str, filters: Mapping[str, str]) -> Retrieval:
        return self._retriever.retrieve(
            search.question, collection=collection, top_k=self._top_k, context=search.context, filters=filters
        )

    def collection(self, name: str, *, counted: bool = False) -> Collection | None:
        """Return a collection, or None where nobody knows it."""
        try:
            return self._catalog.get_collection(name, counted=counted) if self._catalog is not None else None
        except NotFoundError:
            return None

    async def pages(self, chunks: Sequence[ScoredChunk]) -> PageOf:
        """As `page_finder`, without blocking; in a thread only where the catalog is read."""
        if not any(scored.chunk.page is not None for scored in chunks):
            return page_of_chunk
        return await asyncio.to_thread(self.page_finder, chunks)

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


def add_scores(one: Retrieval, other: Retrieval, *, top_k: int) -> tuple[ScoredChunk, ...]:
    """Return the chunks of two searches for the same thing, best first: what both find comes first.

    A chunk that one of them alone finds keeps half of its score; each keeps the other values of where it stood higher.
    """
    scores: dict[str, float] = {}
    firsts: dict[str, ScoredChunk] = {}
    for hit in sorted((*one.hits, *other.hits), key=lambda hit: -hit.score):
        scores[hit.chunk.chunk_id] = scores.get(hit.chunk.chunk_id, 0.0) + hit.score / 2
        firsts.setdefault(hit.chunk.chunk_id, hit)
    ranked = [replace(hit, score=scores[chunk_id]) for chunk_id, hit in firsts.items()]
    ranked.sort(key=lambda hit: (-hit.score, hit.chunk.chunk_id))
    return tuple(distinct(ranked, lambda hit: hit.chunk.text, threshold=_SAME_TEXT, top_k=top_k))


def interleave(found: Sequence[Retrieval], *, top_k: int) -> tuple[ScoredChunk, ...]:
    """Return the best chunks of each, then the second best of each, and so on; none twice.

    Scores of different questions do not compare, so each one's are moved to let its best be worth as much as the first
    one's best: a chunk is worth what it is for the part that it serves.

    Args:
        found: What was found for each part of a question.
        top_k: Most chunks.
    """
    best = max((retrieval.hits[0].score for retrieval in found if retrieval.hits), default=0.0)
    moved = [
        [replace(hit, score=hit.score - retrieval.hits[0].score + best) for hit in retrieval.hits]
        for retrieval in found
    ]
    by_rank = [hit for hits in zip_longest(*moved) for hit in hits if hit is not None]
    firsts = {hit.chunk.chunk_id: hit for hit in reversed(by_rank)}
    ranked = [hit for hit in by_rank if firsts[hit.chunk.chunk_id] is hit]
    return tuple(distinct(ranked, lambda hit: hit.chunk.text, threshold=_SAME_TEXT, top_k=top_k))
