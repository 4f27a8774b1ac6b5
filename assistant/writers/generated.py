"""The answer that a model writes, checked while it streams."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from assistant.checking.check import NO_ANSWERS, SentenceCheck
from assistant.checking.links import defuse
from assistant.checking.loops import LoopGuard
from assistant.checking.stream import CheckedStream
from assistant.checking.verdict import SupportVerdict
from assistant.errors import answer_empty, answer_repeats
from assistant.events import (
    Answer,
    AnswerEvent,
    DoneEvent,
    DraftEvent,
    SourcesEvent,
    TextEvent,
    Usage,
    UsageEvent,
)
from assistant.finder import Finder, Found
from assistant.generate import FinishReason, Generator, Piece, Sampling
from assistant.precedence import Reader
from assistant.settings import AnswerSettings
from assistant.window.context import ContextWindow
from assistant.writers.refused import words_of_refusal
from retrieval.errors import Language


@dataclass(slots=True)
class Ending:
    """What the model server says once, at the end, and whether the model said anything."""

    has_words: bool = False
    usage: Usage | None = None
    finish_reason: FinishReason | None = None

    def note(self, piece: Piece) -> str:
        """Keep what the piece tells, and return its text."""
        self.has_words = self.has_words or bool(piece.text.strip())
        self.usage = piece.usage or self.usage
        self.finish_reason = piece.finish_reason or self.finish_reason
        return piece.text


async def generate(
    found: Found,
    window: ContextWindow,
    generator: Generator,
    sampling: Sampling,
    finder: Finder,
    settings: AnswerSettings,
    language: Language,
    reader: Reader,
) -> AsyncGenerator[AnswerEvent, None]:
    """Ask the model, and check what it says; where nothing of it holds in strict mode, refuse.

    Raises:
        ModelServerError: The model gave no answer, or none that could be kept.
    """
    chunks = [scored for source in window.sources for scored in source.chunks]
    page_of = await finder.pages(chunks)
    yield SourcesEvent(window.sources, "generated")
    check = SentenceCheck(window.sources, found.retrieval.question, page_of)
    checked = CheckedStream(check, settings.mode)
    writer = _Writer(checked, SupportVerdict(generator, check) if settings.verdict == "model" else None, reader)
    ending, guard = Ending(), LoopGuard()
    async with aclosing(generator.stream(window.messages, sampling)) as pieces:
        async for piece in pieces:
            for draft in writer.take(guard.pass_on(checked.feed(ending.note(piece)), checked.unsettled)):
                yield draft
            for event in await writer.settled():
                yield event
            if guard.is_loop:
                ending.finish_reason = "length"
                break
    for event in await writer.rest(guard.rest(checked.finish())):
        yield event
    text = checked.text
    is_useless = not text.strip() and not checked.is_refusal
    if is_useless and guard.is_loop:
        raise answer_repeats(generator.shown_url)
    if not ending.has_words or (is_useless and settings.mode == "helpful"):
        raise answer_empty(generator.shown_url, ending.finish_reason or "")
    is_refused = checked.is_refusal or (settings.mode == "strict" and not checked.has_facts)
    if is_refused and settings.mode == "strict":
        text = await words_of_refusal(found, finder, language)
        yield TextEvent(text)
    if ending.usage is not None:
        yield UsageEvent(ending.usage)
    yield DoneEvent(
        Answer(
            question=found.plan.question,
            collection=found.retrieval.collection,
            text=text,
            mode="refused" if is_refused else "generated",
            citations=checked.citations,
            model=generator.model,
            retrieval=found.retrieval,
            usage=ending.usage or Usage(),
            finish_reason=ending.finish_reason or "stop",
            unsupported=checked.unsupported,
            dropped=checked.dropped,
            cut=window.cut,
        )
    )


class _Writer:
    """Settles sentences, and drafts what is not settled yet.

    All words are drafted before they are checked, and while others wait for their first, sentences stay drafts.

    Args:
        checked: The check of this answer.
        verdict: Asks the model in doubt; None: the rules alone decide.
        reader: Who reads it.
    """

    def __init__(self, checked: CheckedStream, verdict: SupportVerdict | None, reader: Reader) -> None:
        self._checked = checked
        self._verdict = verdict
        self._reader = reader
        self._complete: deque[str] = deque()
        self._is_begun = False
        self._drafted = ""
        self._shown = ""

    def take(self, sentences: Sequence[str]) -> list[AnswerEvent]:
        """Take complete sentences, and return what to show of all that has come before any of it is checked."""
        self._complete.extend(sentences)
        # Also of what will be settled at once: what is drafted must not depend on how much came together.
        return self._draft()

    async def settled(self) -> list[AnswerEvent]:
        """Return what to show of the complete sentences, if they may be checked now."""
        if not self._may_settle():
            return []
        shown = ""
        while self._may_settle():
            shown += await self._settle()
            await asyncio.sleep(0)  # others' first words may have come
        self._is_begun = self._is_begun or bool(shown)
        # Even without text of its own it takes the place of the drafts: a sentence may have been dropped.
        self._drafted = self._shown = ""
        return [TextEvent(shown), *self._draft()]

    async def rest(self, sentences: Sequence[str]) -> list[AnswerEvent]:
        """Return what to show of the last sentences, complete or not."""
        self._complete.extend(sentences)
        is_due = bool(self._complete or self._drafted)
        shown = ""
        while self._complete:
            if self._is_begun:
                await self._reader.wait()
            shown += await self._settle()
        shown += self._checked.end()
        return [TextEvent(shown)] if is_due or shown else []

    def _may_settle(self) -> bool:
        return bool(self._complete) and not (self._is_begun and self._reader.may_wait())

    async def _settle(self) -> str:
        written = self._complete.popleft()
        answers = NO_ANSWERS
        if self._verdict is not None:
            answers = await self._verdict.answers(self._checked.doubts(written))
        return self._checked.settle(written, answers)

    def _draft(self) -> list[AnswerEvent]:
        """Return what has come since the last draft; no link in it is active, also none that crosses two drafts."""
        unsettled = self._checked.unsettled
        new = unsettled[len(self._drafted) :]
        if not new or not self._reader.wants_drafts:
            return []
        shown = defuse(new, before=self._checked.text + self._shown)
        self._drafted, self._shown = unsettled, self._shown + shown
        self._is_begun = True
        return [DraftEvent(shown)]
