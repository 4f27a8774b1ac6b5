"""The answer that a model writes, checked while it streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from assistant.checking.citations import CitationStream
from assistant.events import Answer, AnswerEvent, AnswerMode, DoneEvent, SourcesEvent, TextEvent, Usage, UsageEvent
from assistant.finder import Finder, Found
from assistant.generate import FinishReason, Generator, Sampling
from assistant.refusal.decision import is_model_refusal
from assistant.window.context import ContextWindow


async def generate(
    found: Found, window: ContextWindow, generator: Generator, sampling: Sampling, finder: Finder, *, model: str
) -> AsyncGenerator[AnswerEvent, None]:
    """Ask the model, and check what it cites."""
    chunks = [scored for source in window.sources for scored in source.chunks]
    page_of = await asyncio.to_thread(finder.page_finder, chunks)
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
    yield DoneEvent(
        Answer(
            question=found.retrieval.question,
            collection=found.retrieval.collection,
            text=cited.text,
            mode=mode,
            citations=citations,
            model=model,
            retrieval=found.retrieval,
            usage=usage or Usage(),
            finish_reason=finish_reason or "stop",
            cut=window.cut,
        )
    )
