"""Question -> chunks: search both indexes, drop what is not live, fuse, rerank, cut.

The only file that knows the order: what is decided in it is a pure function elsewhere (`tokens.query_weights`,
`fusion.fuse`, `rerankers.coverage`, `rerankers.duplicates`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from retrieval.catalog.vectors import SQL_BATCH
from retrieval.errors import EmbedderMismatchError, Message, QuestionError, VectorStoreError
from retrieval.fusion import fuse
from retrieval.keyword.tokens import query_weights
from retrieval.models import Chunk, Collection, Evidence, Hit, Retrieval, ScoredChunk
from retrieval.protocols import KeywordIndex, Vectors, VectorStore
from retrieval.rerankers.coverage import Coverage, idf_weights
from retrieval.rerankers.duplicates import distinct
from retrieval.settings import RankingSettings

_log = logging.getLogger(__name__)

MAX_QUESTION_CHARS = 4_000
_MAX_QUERY_TOKENS = 256  # the rarest of a long question; more cost time and change nothing
_MAX_FETCH_K = 5_000
_AGREEMENT_K = 10
_TRIES = 4  # searches that documents may be replaced under, before one holds replacements up
_EVIDENCE_K = 3  # chunks whose coverage tells whether the question is answered; more tell nothing more


class SearchesCatalog(Protocol):
    """What retrieval needs of the catalog."""

    def get_collection(self, name_or_id: str) -> Collection:
        """Return a collection by name or id."""

    def live_chunks(self, collection_id: str, chunk_ids: Sequence[str]) -> dict[str, Chunk]:
        """Return those of the chunks that a search may show, by id."""

    def match_documents(self, collection_id: str, filters: Mapping[str, str]) -> list[str]:
        """Return the ids of the documents that a filter leaves."""

    def n_changes(self, collection_id: str) -> int:
        """Return `Collection.n_changes` as it is now."""

    def unchanging(self) -> AbstractContextManager[None]:
        """Let nothing become visible or invisible while a block runs."""


class EmbedsQuestions(Protocol):
    """What retrieval needs of an embedder."""

    @property
    def name(self) -> str:
        """The spec that a collection remembers."""

    def embed_question(self, text: str) -> Vectors:
        """Embed one question; returns (dim,) float32, unit length."""


@dataclass(frozen=True, slots=True)
class _Query:
    """A question as the indexes take it; `idf` are its own tokens, `weights` and `mass` its context's too."""

    weights: Mapping[str, float]
    mass: float
    idf: Mapping[str, float]
    n_chunks: int
    vector: Vectors | None


@dataclass(slots=True)
class _LookedUp:
    """What one search has asked the catalog for: chunks that are live, ids of others, and how often it asked."""

    live: dict[str, Chunk] = field(default_factory=dict)
    dead: set[str] = field(default_factory=set)
    n_times: int = 0

    @property
    def is_one_state(self) -> bool:
        """Whether no document can be seen in two states, or in none.

        A document that was replaced since the indexes were read shows by its old chunks, which are dead.
        """
        return not self.dead and self.n_times <= 1


@dataclass(frozen=True, slots=True)
class _Found:
    """Both lists without what is not live, fused, and the chunks of the first of them."""

    keyword: Sequence[Hit]
    vectors: Sequence[Hit]
    fused: Sequence[Hit]
    chunks: Mapping[str, Chunk]


class Retriever:
    """Finds the chunks of a collection that answer a question. Holds nothing of a question; safe to share.

    Args:
        catalog: The truth: what is not live there is not shown.
        keyword: The keyword index.
        vectors: The vector store; None without an embedder.
        embedder: The configured embedder; None for `none`.
        settings: How many, and with which weights.
    """

    def __init__(
        self,
        catalog: SearchesCatalog,
        keyword: KeywordIndex,
        vectors: VectorStore | None,
        embedder: EmbedsQuestions | None,
        settings: RankingSettings,
    ) -> None:
        self._catalog = catalog
        self._keyword = keyword
        self._vectors = vectors
        self._embedder = embedder
        self._settings = settings

    def retrieve(
        self,
        question: str,
        *,
        collection: str = "default",
        top_k: int | None = None,
        context: Sequence[str] = (),
        filters: Mapping[str, str] | None = None,
    ) -> Retrieval:
        """Find the chunks for a question.

        Args:
            question: 1 to 4,000 characters.
            collection: Name or id.
            top_k: Most chunks to return; None: as the settings say.
            context: Earlier questions of the conversation that a follow-up leans on, newest first.
            filters: Title, source or metadata values that a document must have.

        Raises:
            QuestionError: If the question is empty or too long.
            CollectionNotFoundError: If there is no such collection.
            EmbedderMismatchError: If the collection was built with another embedder than the configured one.
        """
        question = check_question(question)
        found_collection = self._collection(collection)
        top_k = top_k or self._settings.top_k
        query = self._prepare(found_collection.collection_id, question, context)
        wanted = first = max(top_k, self._settings.rerank_k)
        while True:
            found = self._search_one_state(found_collection, query, filters, wanted)
            hits = self._distinct(query, found, first, top_k)
            # Many copies of one text would otherwise leave no room for others.
            if len(hits) == top_k or len(found.fused) < wanted or wanted >= _MAX_FETCH_K:
                break
            wanted = min(wanted * 4, _MAX_FETCH_K)
        return Retrieval(question, found_collection.name, tuple(hits), _evidence(query, found, hits))

    def _distinct(self, query: _Query, found: _Found, first: int, top_k: int) -> list[ScoredChunk]:
        """Return what differs of the chunks found: the first ones reranked, then those behind them."""
        ranked = self._rank(query, replace(found, fused=found.fused[:first]))
        ranked += self._rank(query, replace(found, fused=found.fused[first:]))
        return distinct(ranked, lambda hit: hit.chunk.text, threshold=self._settings.duplicate_threshold, top_k=top_k)

    def _collection(self, name_or_id: str) -> Collection:
        found = self._catalog.get_collection(name_or_id)
        check_embedder(found, "none" if self._embedder is None else self._embedder.name)
        return found

    def _prepare(self, collection_id: str, question: str, context: Sequence[str]) -> _Query:
        own = query_weights(question)
        weights = add_context(own, context, self._settings.context_weight)
        n_chunks, frequencies = self._keyword.frequencies(collection_id, list(weights))
        idf = idf_weights(weights, n_chunks, frequencies)
        known = [token for token in weights if frequencies[token]]
        if len(known) > _MAX_QUERY_TOKENS:
            known = sorted(known, key=lambda token: (-idf[token], token))[:_MAX_QUERY_TOKENS]
        vector = None
        if self._embedder is not None and self._vectors is not None:
            vector = self._embed(question, context)
        return _Query(
            weights={token: weights[token] for token in known},
            mass=sum(idf.values()),
            idf={token: idf[token] for token in own},
            n_chunks=n_chunks,
            vector=vector,
        )

    def _embed(self, question: str, context: Sequence[str]) -> Vectors:
        assert self._embedder is not None  # asked for only with one
        vector = self._embedder.embed_question(question)
        if not context:
            return vector
        # What was asked before, then the question: the model reads them as one.
        both = self._embedder.embed_question(" ".join((*reversed(context), question)))
        mixed = vector + both
        return (mixed / np.linalg.norm(mixed)).astype(np.float32)

    def _search_one_state(
        self, collection: Collection, query: _Query, filters: Mapping[str, str] | None, wanted: int
    ) -> _Found:
        """Search until no document can have been replaced or deleted between a look into an index and the catalog."""
        collection_id = collection.collection_id
        for n_try in range(_TRIES):
            with self._catalog.unchanging() if n_try == _TRIES - 1 else nullcontext():
                documents = self._catalog.match_documents(collection_id, filters) if filters else None
                looked_up = _LookedUp(n_times=1 if filters else 0)
                found = self._search(collection_id, query, documents, wanted, looked_up)
                if looked_up.is_one_state or self._catalog.n_changes(collection_id) == collection.n_changes:
                    break
            collection = self._collection(collection_id)
        return found

    def _search(
        self,
        collection_id: str,
        query: _Query,
        documents: Sequence[str] | None,
        wanted: int,
        looked_up: _LookedUp,
    ) -> _Found:
        """Search both indexes; deeper while so much is dropped that too little is left."""
        fetch_k = max(self._settings.fetch_k, wanted)
        while True:
            with self._nearest(collection_id, query.vector, fetch_k, documents) as nearest:
                keyword = self._keyword.search(collection_id, query.weights, top_k=fetch_k, document_ids=documents)
                vectors = nearest()
            is_cut = fetch_k in (len(keyword), len(vectors))
            found = self._drop_dead(collection_id, query, keyword, vectors, wanted, looked_up)
            if len(found.fused) >= wanted or not is_cut or not looked_up.dead or fetch_k >= _MAX_FETCH_K:
                return found
            fetch_k = min(fetch_k * 4, _MAX_FETCH_K)

    @contextmanager
    def _nearest(
        self, collection_id: str, vector: Vectors | None, top_k: int, documents: Sequence[str] | None
    ) -> Iterator[Callable[[], list[Hit]]]:
        """Search the vectors beside a block, which gets none while the store does not answer: keywords find most."""
        if vector is None or self._vectors is None:
            yield list
            return
        with self._vectors.searching(collection_id, vector, top_k=top_k, document_ids=documents) as search:

            def found() -> list[Hit]:
                try:
                    return search()
                except VectorStoreError as error:
                    _log.warning("Searching by keyword alone: %s", error)
                    return []

            yield found

    def _drop_dead(
        self,
        collection_id: str,
        query: _Query,
        keyword: Sequence[Hit],
        vectors: Sequence[Hit],
        wanted: int,
        looked_up: _LookedUp,
    ) -> _Found:
        """Fuse the lists and look the first up, until all that is used is known to be live; fills `looked_up`."""
        chunks, dead = looked_up.live, looked_up.dead
        while True:
            keyword = [hit for hit in keyword if hit.chunk_id not in dead]
            vectors = [hit for hit in vectors if hit.chunk_id not in dead]
            fused = fuse(keyword, vectors, keyword_mass=query.mass, vector_weight=self._settings.vector_weight)[:wanted]
            used = (*fused, *keyword[:_AGREEMENT_K], *vectors[:_AGREEMENT_K])
            unknown = list(dict.fromkeys(hit.chunk_id for hit in used if hit.chunk_id not in chunks))
            if not unknown:
                return _Found(keyword, vectors, fused, chunks)
            live = self._catalog.live_chunks(collection_id, unknown)
            looked_up.n_times += 1 + len(unknown) // SQL_BATCH
            chunks.update(live)
            dead.update(chunk_id for chunk_id in unknown if chunk_id not in live)

    def _rank(self, query: _Query, found: _Found) -> list[ScoredChunk]:
        bm25 = {hit.chunk_id: hit.score for hit in found.keyword}
        cosine = {hit.chunk_id: hit.score for hit in found.vectors}
        coverage = Coverage(query.idf)
        ranked = []
        for hit in found.fused:
            chunk = found.chunks[hit.chunk_id]
            covered = coverage.best(chunk.text, chunk.context_line)
            ranked.append(
                ScoredChunk(
                    chunk,
                    score=hit.score + self._settings.coverage_weight * covered,
                    keyword=bm25.get(hit.chunk_id),
                    similarity=cosine.get(hit.chunk_id),
                    coverage=covered,
                    fused=hit.score,
                )
            )
        ranked.sort(key=lambda hit: (-hit.score, hit.chunk.chunk_id))
        return ranked


def check_embedder(collection: Collection, configured: str) -> None:
    """Check that a collection was built with the configured embedder; another's vectors would mean nothing.

    Raises:
        EmbedderMismatchError: If it was not.
    """
    if collection.embedder == configured:
        return
    raise EmbedderMismatchError(
        Message(
            en=f"Collection {collection.name!r} was built with embedder {collection.embedder!r} "
            f"({collection.dim} dims), got {configured!r}.",
            zh=f"集合 {collection.name!r} 由向量模型 {collection.embedder!r}（{collection.dim} 维）建成，"
            f"当前设置为 {configured!r}。",
        ),
        hint=Message(
            en=f"Set HUOZI_EMBEDDER={collection.embedder}, or delete the collection and ingest it again.",
            zh=f"请设置 HUOZI_EMBEDDER={collection.embedder}，或删除该集合后重新导入。",
        ),
    )


def check_question(question: str, max_chars: int = MAX_QUESTION_CHARS) -> str:
    """Return a question without white space around it.

    Raises:
        QuestionError: If nothing is left, or it has more than max_chars characters.
    """
    trimmed = question.strip()
    if not trimmed:
        raise QuestionError(
            Message(en="The question is empty.", zh="问题是空的。"),
            hint=Message(en="Ask something in a few words.", zh="请用几个字写出要问的内容。"),
        )
    if len(trimmed) > max_chars:
        raise QuestionError(
            Message(
                en=f"The question has {len(trimmed)} characters; at most {max_chars} can be asked.",
                zh=f"问题有 {len(trimmed)} 个字符，最多 {max_chars} 个。",
            ),
            hint=Message(
                en="Shorten it, or ingest the long text as a document and ask about it.",
                zh="请缩短问题，或把长文本作为文档导入后再提问。",
            ),
        )
    return trimmed


def add_context(own: Mapping[str, float], context: Sequence[str], weight: float) -> dict[str, float]:
    """Return a question's tokens with those of earlier questions, which weigh less the longer ago they were asked.

    Args:
        own: The question's tokens.
        context: Earlier questions, newest first.
        weight: Of the newest one's tokens beside 1 for the question's; each older one's is multiplied again.
    """
    weights = dict(own)
    factor = weight
    for earlier in context:
        for token, one in query_weights(earlier).items():
            weights.setdefault(token, factor * one)
        factor *= weight
    return weights


def _evidence(query: _Query, found: _Found, hits: Sequence[ScoredChunk]) -> Evidence:
    strict = Coverage(query.idf, with_pairs=True)
    first = {hit.chunk_id for hit in found.keyword[:_AGREEMENT_K]}
    nearest = {hit.chunk_id for hit in found.vectors[:_AGREEMENT_K]}
    return Evidence(
        coverage=max((strict.best(hit.chunk.text, hit.chunk.context_line) for hit in hits[:_EVIDENCE_K]), default=0.0),
        keyword=found.keyword[0].score if found.keyword else 0.0,
        keyword_mass=query.mass,
        similarity=found.vectors[0].score if found.vectors else None,
        agreement=len(first & nearest) / max(1, len(first)) if query.vector is not None else None,
        n_chunks=query.n_chunks,
    )
