"""The answer that the documents do not hold one: fixed words, no model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from assistant.conversation.plan import language_of
from assistant.events import Answer, AnswerEvent, DoneEvent, SourcesEvent, TextEvent
from assistant.finder import Finder, Found
from assistant.refusal.text import refusal_text
from assistant.writers.quoted import EXTRACTIVE_MODEL
from retrieval.errors import Language


async def refuse(found: Found, finder: Finder, language: Language) -> AsyncGenerator[AnswerEvent, None]:
    """Say what was searched, and which documents come nearest."""
    retrieval = found.retrieval
    text = await words_of_refusal(found, finder, language)
    yield SourcesEvent((), "refused")
    yield TextEvent(text)
    yield DoneEvent(
        Answer(
            question=found.plan.question,
            collection=retrieval.collection,
            text=text,
            mode="refused",
            citations=(),
            model=EXTRACTIVE_MODEL,
            retrieval=retrieval,
        )
    )


async def words_of_refusal(found: Found, finder: Finder, language: Language) -> str:
    """Return what is said instead of an answer, in the question's language."""
    retrieval = found.retrieval
    collection = await asyncio.to_thread(finder.collection, retrieval.collection, counted=True)
    return refusal_text(retrieval, collection, language_of(found.plan.question, language))
