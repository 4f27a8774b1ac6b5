"""`Assistant`: condense, retrieve, decide, pack, generate, check: the only file that knows the order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, aclosing
from types import TracebackType
from typing import Any

from assistant.checking.citations import PageOf
from assistant.conversation.plan import Planner
from assistant.conversation.rewrite import Rewriter
from assistant.events import Answer, AnswerEvent, DoneEvent, ErrorEvent, Turn
from assistant.finder import Finder, Found, KnowsDocuments, Searches
from assistant.generate import Generator, Sampling
from assistant.precedence import Precedence
from assistant.refusal.gate import gate_for
from assistant.settings import AnswerSettings, LlmSettings
from assistant.sources.numbering import Numbering
from assistant.sources.selector import Selector
from assistant.trace import KeepsTraces, Trace, effective, new_answer_id
from assistant.window.packer import Packer
from assistant.writers.generated import generate
from assistant.writers.own_knowledge import recall, without_sources
from assistant.writers.quoted import EXTRACTIVE_MODEL, quote
from assistant.writers.refused import refuse
from assistant.writers.spoken import speak
from retrieval.errors import HuoziError, Language
from retrieval.models import ScoredChunk
from retrieval.retriever import check_question


class Assistant:
    """Answers questions with sources. Safe to share: of conversations it only remembers the numbers of their sources.

    Args:
        retriever: Finds chunks; None opens the data folder that `HUOZI_DATA_DIR` names, until `close`, and reads
            `HUOZI_LLM__*` where `llm` is None too.
        llm: The model server; None, or one without `base_url`, gives extractive answers.
        settings: What an answer may use.
        language: Of fixed sentences, where the question's own is unclear.
        catalog: For pages of quotes and sizes of collections; without it a quote's page is its chunk's first.
        traces: Keeps how each answer came about; without it only `Answer.trace` tells.
    """

    def __init__(
        self,
        retriever: Searches | None = None,
        *,
        llm: LlmSettings | None = None,
        settings: AnswerSettings | None = None,
        language: Language = "zh",
        catalog: KnowsDocuments | None = None,
        traces: KeepsTraces | None = None,
    ) -> None:
        self._owned = ExitStack()
        if retriever is None:
            retriever, catalog = self._open_data_folder()
            llm = llm or LlmSettings.from_environment()
        self._settings = settings or AnswerSettings()
        self._language = language
        self.traces = traces
        self._llm = llm if llm is not None and llm.base_url else None
        self._generator = Generator(self._llm) if self._llm is not None else None
        rewriter = Rewriter(self._generator) if self._generator and self._settings.rewrite == "auto" else None
        self._planner = Planner(language, rewriter)
        self._finder = Finder(retriever, catalog, top_k=self._settings.top_k)
        self._gate = gate_for(self._settings, self._llm, self._generator)
        self._selector = Selector(catalog, max_sources=self._settings.max_sources)
        self._numbering = Numbering()
        self._precedence = Precedence()
        self._packer = Packer(self._llm, self._settings, self._generator) if self._llm and self._generator else None

    @property
    def model(self) -> str:
        """The model that writes answers, or `extractive`."""
        return self._llm.model if self._llm is not None else EXTRACTIVE_MODEL

    @property
    def _may_recall(self) -> bool:
        """Whether the model may say what it knows where the documents hold nothing."""
        return self._settings.mode == "helpful" and self._generator is not None

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
        answer_id: str | None = None,
        drafts: bool = True,
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
            answer_id: By which its trace is found; None makes one.
            drafts: Whether words are to be shown before they are checked.
        """
        sampling = Sampling(max_tokens, temperature, tuple(stop) if stop else None)
        answer_id = answer_id or new_answer_id()
        asked_for = effective(sampling, self._llm)
        with Trace(answer_id, question, collection, len(history), asked_for, self.traces) as trace:
            try:
                answer = self._answer(question, history, collection, system, filters, sampling, trace, drafts)
                async with aclosing(answer) as events:
                    async for event in events:
                        yield trace.passed(event)
            except HuoziError as error:
                trace.failed(error.code)
                yield ErrorEvent(error)

    async def _answer(
        self,
        question: str,
        history: Sequence[Turn],
        collection: str,
        system: str | None,
        filters: Mapping[str, str],
        sampling: Sampling,
        trace: Trace,
        drafts: bool,
    ) -> AsyncGenerator[AnswerEvent, None]:
        """The story of an answer."""
        asked = check_question(question, self._settings.max_question_chars)
        plan = trace.planned(await self._planner.plan(asked, history))
        talk = self._numbering.recall(collection, history)
        if plan.reply is not None:
            events = speak(plan, collection)
        else:
            found = trace.found(await self._precedence.search(self._finder.find, plan, collection, filters))
            decision = trace.decided(await self._gate.decide(found))
            sources = trace.selected(await self._selector.select(found.retrieval.hits, talk))
            if not decision.answerable and not self._may_recall:
                events = refuse(found, self._finder, self._language)
            elif self._generator is None or self._packer is None:
                events = quote(found, sources, self._finder, max_sentences=self._settings.max_sentences)
            else:
                usable = sources if decision.answerable else ()
                packed = await self._packer.pack(asked, talk.history, usable, system=system, sampling=sampling)
                window = trace.packed(packed if decision.answerable else without_sources(packed, asked))
                way = generate if decision.answerable else recall
                reader = self._precedence.reader(wants_drafts=drafts)
                common = self._generator, sampling, self._finder, self._settings, self._language
                events = way(found, window, *common, reader)
        async with aclosing(self._numbering.watch(events, talk)) as watched:
            async for event in watched:
                yield event

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

    async def afind(self, question: str, history: Sequence[Turn] = (), collection: str = "default") -> Found | None:
        """Find what an answer would be made of, and make none; None where nothing would be searched.

        Raises:
            QuestionError: If the question is empty or too long.
        """
        plan = await self._planner.plan(check_question(question, self._settings.max_question_chars), history)
        return await asyncio.to_thread(self._finder.find, plan, collection, {}) if plan.searches else None

    def page_finder(self, chunks: Sequence[ScoredChunk]) -> PageOf:
        """Return how to find the page of an offset in one of the chunks."""
        return self._finder.page_finder(chunks)

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


def _run(answer: Coroutine[Any, Any, Answer]) -> Answer:
    """Run to the end: in this thread, or in another where this one runs an event loop already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(answer)
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, answer).result()
