"""`Assistant`: plan, retrieve, decide, pack, generate or extract, cite: the only file that knows the order."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, aclosing
from dataclasses import replace
from types import TracebackType
from typing import Any, Protocol

from assistant.citations import CitationStream, PageOf, cite, page_of_chunk
from assistant.context import ContextWindow, pack
from assistant.events import (
    Answer,
    AnswerEvent,
    AnswerMode,
    Citation,
    DoneEvent,
    ErrorEvent,
    SourcesEvent,
    TextEvent,
    Turn,
    Usage,
    UsageEvent,
)
from assistant.extract import extract, leading
from assistant.generate import FinishReason, Generator, Sampling
from assistant.query import Search, language_of, plan_search
from assistant.refusal import is_answerable, is_model_refusal, refusal_text
from assistant.settings import AnswerSettings, LlmSettings
from retrieval.errors import HuoziError, Language, NotFoundError
from retrieval.models import Chunk, Collection, Retrieval, ScoredChunk
from retrieval.retriever import check_question

EXTRACTIVE_MODEL = "extractive"
"""`Answer.model` where no model wrote the answer."""


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


class Assistant:
    """Answers questions with sources; holds no state of a conversation and is safe to share.

    Args:
        retriever: Finds chunks; None opens the data folder that `HUOZI_DATA_DIR` names, until `close`, and reads
            `HUOZI_LLM__*` where `llm` is None too.
        llm: The model server; None, or one without `base_url`, gives extractive answers.
        settings: What an answer may use.
        language: Of fixed sentences, where the question's own is unclear.
        catalog: For pages of quotes and sizes of collections; without it a quote's page is its chunk's first.
    """

    def __init__(
        self,
        retriever: Searches | None = None,
        *,
        llm: LlmSettings | None = None,
        settings: AnswerSettings | None = None,
        language: Language = "zh",
        catalog: KnowsDocuments | None = None,
    ) -> None:
        self._owned = ExitStack()
        if retriever is None:
            retriever, catalog = self._open_data_folder()
            llm = llm or LlmSettings.from_environment()
        self._retriever = retriever
        self._catalog = catalog
        self._llm = llm if llm is not None and llm.base_url else None
        self._generator = Generator(self._llm) if self._llm is not None else None
        self._server_window: int | None = None
        self._settings = settings or AnswerSettings()
        self._language = language

    @property
    def model(self) -> str:
        """The model that writes answers, or `extractive`."""
        return self._llm.model if self._llm is not None else EXTRACTIVE_MODEL

    async def astream(
        self,
        question: str,
        history: Sequence[Turn] = (),
        collection: str = "default",
        *,
        system: str | None = None,
        filters: Mapping[str, str] = {},
        max_tokens: int | None = None,
        temperature: float | None = None,
        stop: Sequence[str] | None = None,
    ) -> AsyncGenerator[AnswerEvent, None]:
        """Answer a question as events; what fails, even before the first event, arrives as an `ErrorEvent`.

        Args:
            question: As the user wrote it.
            history: Earlier turns, oldest first.
            collection: Name or id.
            system: A caller's own instructions; they follow ours.
            filters: Metadata that a document must have.
            max_tokens: Longest generated answer; None leaves the setting.
            temperature: As above.
            stop: Texts at which a generated answer ends.
        """
        sampling = Sampling(max_tokens, temperature, tuple(stop) if stop else None)
        try:
            search = plan_search(check_question(question, self._settings.max_question_chars), history)
            retrieval, embedder = await asyncio.to_thread(self._retrieve, search, collection, filters)
            if not is_answerable(retrieval, embedder):
                events = self._refuse(retrieval)
            elif self._generator is None:
                events = self._extract(retrieval)
            else:
                await self._learn_window()
                window = self._pack(retrieval, history, system, sampling)
                events = self._generate(self._generator, retrieval, window, sampling)
            async with aclosing(events):
                async for event in events:
                    yield event
        except HuoziError as error:
            yield ErrorEvent(error)

    async def aask(
        self, question: str, history: Sequence[Turn] = (), collection: str = "default", **options: Any
    ) -> Answer:
        """Answer a question; takes what `astream` takes.

        Raises:
            HuoziError: Whatever `astream` would end with.
        """
        async with aclosing(self.astream(question, history, collection, **options)) as events:
            async for event in events:
                if isinstance(event, ErrorEvent):
                    raise event.error
                if isinstance(event, DoneEvent):
                    return event.answer
        raise AssertionError("the stream ended without done or error")

    def ask(self, question: str, history: Sequence[Turn] = (), collection: str = "default", **options: Any) -> Answer:
        """Answer a question, from synchronous code or from inside a running event loop; takes what `astream` takes.

        Raises:
            HuoziError: Whatever `astream` would end with.
        """
        return _run(self._ask_once(question, history, collection, options))

    async def aclose(self) -> None:
        """Close the model server's connections of the running loop."""
        if self._generator is not None:
            await self._generator.aclose()

    def close(self) -> None:
        """Close the data folder, if this assistant opened it."""
        self._owned.close()

    def __enter__(self) -> Assistant:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open_data_folder(self) -> tuple[Searches, KnowsDocuments]:
        from retrieval.data_folder import DataFolder
        from retrieval.settings import RetrievalSettings

        folder = self._owned.enter_context(DataFolder.open(RetrievalSettings.from_environment()))
        return folder.retriever, folder.catalog

    async def _ask_once(
        self, question: str, history: Sequence[Turn], collection: str, options: Mapping[str, Any]
    ) -> Answer:
        try:
            return await self.aask(question, history, collection, **options)
        finally:
            await self.aclose()

    def _retrieve(self, search: Search, collection: str, filters: Mapping[str, str]) -> tuple[Retrieval, str]:
        """Return what was found, and the collection's embedder."""
        retrieval = self._retriever.retrieve(
            search.question,
            collection=collection,
            top_k=self._settings.top_k,
            context=search.context,
            filters=filters,
        )
        found = self._collection(retrieval.collection)
        return retrieval, found.embedder if found is not None else "none"

    async def _learn_window(self) -> None:
        """Ask the server once for its window: the smaller one counts, or the server would refuse a full prompt."""
        if self._server_window is None and self._llm is not None:
            from assistant.serving.probe import aserver_window

            self._server_window = await aserver_window(self._llm) or self._llm.window_tokens

    def _pack(
        self, retrieval: Retrieval, history: Sequence[Turn], system: str | None, sampling: Sampling
    ) -> ContextWindow:
        assert self._llm is not None
        n_turns = self._settings.history_turns
        return pack(
            retrieval.question,
            history[-n_turns:] if n_turns else (),
            retrieval.hits[: self._settings.max_sources],
            window_tokens=min(self._llm.window_tokens, self._server_window or self._llm.window_tokens),
            answer_tokens=sampling.max_tokens or self._llm.max_tokens,
            system=system,
        )

    async def _refuse(self, retrieval: Retrieval) -> AsyncGenerator[AnswerEvent, None]:
        collection = await asyncio.to_thread(self._collection, retrieval.collection, counted=True)
        language = language_of(retrieval.question, self._language)
        text = refusal_text(retrieval, collection, language)
        yield SourcesEvent((), "refused")
        yield TextEvent(text)
        yield DoneEvent(self._answer(retrieval, text, "refused"))

    async def _extract(self, retrieval: Retrieval) -> AsyncGenerator[AnswerEvent, None]:
        sources = retrieval.hits[: self._settings.max_sources]
        page_of = await asyncio.to_thread(self.page_finder, sources)
        yield SourcesEvent(sources, "extractive")
        pieces: list[str] = []
        citations: list[Citation] = []
        n_sentences = self._settings.max_sentences
        chosen = extract(retrieval.question, sources, max_sentences=n_sentences)
        # A question in another language than the text shares no word with any sentence.
        for found in chosen or leading(sources, max_sentences=n_sentences):
            citation = cite(found.number, sources[found.number - 1], found.start, found.end, page_of)
            citations.append(citation)
            pieces.append(("\n" if pieces else "") + f"{citation.quote}[{citation.index}]")
            yield TextEvent(pieces[-1])
        yield DoneEvent(self._answer(retrieval, "".join(pieces), "extractive", tuple(citations)))

    async def _generate(
        self, generator: Generator, retrieval: Retrieval, window: ContextWindow, sampling: Sampling
    ) -> AsyncGenerator[AnswerEvent, None]:
        page_of = await asyncio.to_thread(self.page_finder, window.sources)
        yield SourcesEvent(window.sources, "generated")
        cited = CitationStream(window.sources, page_of)
        usage: Usage | None = None
        finish_reason: FinishReason | None = None
        pieces = generator.stream(window.messages, sampling)
        async with aclosing(pieces):
            async for piece in pieces:
                usage, finish_reason = piece.usage or usage, piece.finish_reason or finish_reason
                if shown := cited.feed(piece.text):
                    yield TextEvent(shown)
        if shown := cited.finish():
            yield TextEvent(shown)
        if usage is not None:
            yield UsageEvent(usage)
        citations = cited.citations()
        mode: AnswerMode = "refused" if is_model_refusal(cited.text, len(citations)) else "generated"
        answer = self._answer(retrieval, cited.text, mode, citations)
        yield DoneEvent(
            replace(answer, model=self.model, usage=usage or Usage(), finish_reason=finish_reason or "stop")
        )

    @staticmethod
    def _answer(retrieval: Retrieval, text: str, mode: AnswerMode, citations: tuple[Citation, ...] = ()) -> Answer:
        return Answer(
            question=retrieval.question,
            collection=retrieval.collection,
            text=text,
            mode=mode,
            citations=citations,
            model=EXTRACTIVE_MODEL,
            retrieval=retrieval,
        )

    def _collection(self, name: str, *, counted: bool = False) -> Collection | None:
        try:
            return self._catalog.get_collection(name, counted=counted) if self._catalog is not None else None
        except NotFoundError:
            return None

    def page_finder(self, sources: Sequence[ScoredChunk]) -> PageOf:
        """Return how to find a quote's page; a version that is gone since the search leaves its chunk's page."""
        paged = {source.chunk.version_id for source in sources if source.chunk.page is not None}
        if self._catalog is None or not paged:
            return page_of_chunk
        starts = self._catalog.page_starts(sorted(paged))

        def page_of(chunk: Chunk, offset: int) -> int | None:
            found = starts.get(chunk.version_id)
            return bisect_right(found, offset) if found else chunk.page

        return page_of


def _run(answer: Coroutine[Any, Any, Answer]) -> Answer:
    """Run to the end: in this thread, or in another where this one runs an event loop already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(answer)
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, answer).result()
