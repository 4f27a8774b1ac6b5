"""The answer that a model writes, checked while it streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
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
) -> AsyncGenerator[AnswerEvent, None]:
    """Ask the model, and check what it says; where nothing of it holds in strict mode, refuse.

    Raises:
        ModelServerError: The model gave no answer, or none that could be kept.
    """
    chunks = [scored for source in window.sources for scored in source.chunks]
    page_of = await asyncio.to_thread(finder.page_finder, chunks)
    yield SourcesEvent(window.sources, "generated")
    check = SentenceCheck(window.sources, found.retrieval.question, page_of)
    checked = CheckedStream(check, settings.mode)
    writer = _Writer(checked, SupportVerdict(generator, check) if settings.verdict == "model" else None)
    ending, guard = Ending(), LoopGuard()
    async with aclosing(generator.stream(window.messages, sampling)) as pieces:
        async for piece in pieces:
            for event in await writer.events(guard.pass_on(checked.feed(ending.note(piece)), checked.unsettled)):
                yield event
            if guard.is_loop:
                ending.finish_reason = "length"
                break
    for event in await writer.events(guard.rest(checked.finish()), is_last=True):
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

    Args:
        checked: The check of this answer.
        verdict: Asks the model in doubt; None: the rules alone decide.
    """

    def __init__(self, checked: CheckedStream, verdict: SupportVerdict | None) -> None:
        self._checked = checked
        self._verdict = verdict
        self._drafted = ""
        self._shown = ""

    async def events(self, sentences: list[str], *, is_last: bool = False) -> list[AnswerEvent]:
        """Return what to show once these sentences are complete."""
        shown = ""
        for written in sentences:
            answers = NO_ANSWERS
            if self._verdict is not None:
                answers = await self._verdict.answers(self._checked.doubts(written))
            shown += self._checked.settle(written, answers)
        if is_last:
            shown += self._checked.end()
        if not sentences and not shown and not (is_last and self._drafted):
            return self._draft()
        # Even without text of its own it takes the place of the drafts: a sentence may have been dropped.
        self._drafted = self._shown = ""
        return [TextEvent(shown)] if is_last else [TextEvent(shown), *self._draft()]

    def _draft(self) -> list[AnswerEvent]:
        """Return what has come since the last draft; no link in it is active, also none that crosses two drafts."""
        unsettled = self._checked.unsettled
        new = unsettled[len(self._drafted) :]
        if not new:
            return []
        shown = defuse(new, before=self._checked.text + self._shown)
        self._drafted, self._shown = unsettled, self._shown + shown
        return [DraftEvent(shown)]
