"""The answer that needs no documents: to a greeting, thanks, a question about the assistant."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from assistant.conversation.plan import Plan
from assistant.events import Answer, AnswerEvent, DoneEvent, SourcesEvent, TextEvent
from assistant.writers.quoted import EXTRACTIVE_MODEL
from retrieval.models import Evidence, Retrieval


async def speak(plan: Plan, collection: str) -> AsyncGenerator[AnswerEvent, None]:
    """Say the plan's reply."""
    assert plan.reply is not None  # asked for only with one
    yield SourcesEvent((), "spoken")
    yield TextEvent(plan.reply)
    yield DoneEvent(
        Answer(
            question=plan.question,
            collection=collection,
            text=plan.reply,
            mode="spoken",
            citations=(),
            model=EXTRACTIVE_MODEL,
            retrieval=Retrieval(plan.question, collection, (), Evidence()),
        )
    )
