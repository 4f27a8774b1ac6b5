"""The answer without a model: the best sentences of the sources, quoted and cited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

from assistant.checking.citations import cite
from assistant.events import Answer, AnswerEvent, Citation, DoneEvent, SourcesEvent, TextEvent
from assistant.finder import Finder, Found
from assistant.sources.source import Source
from assistant.writers.extract import extract, leading

EXTRACTIVE_MODEL = "extractive"
"""`Answer.model` where no model wrote the answer."""


async def quote(
    found: Found, sources: Sequence[Source], finder: Finder, *, max_sentences: int
) -> AsyncGenerator[AnswerEvent, None]:
    """Quote the sentences that say most about the question."""
    retrieval = found.retrieval
    numbered = [(source.number, scored) for source in sources for scored in source.chunks]
    numbered.sort(key=lambda pair: -pair[1].score)
    chunks = [scored for _, scored in numbered]
    page_of = await asyncio.to_thread(finder.page_finder, chunks)
    yield SourcesEvent(tuple(sources), "extractive")
    pieces: list[str] = []
    citations: list[Citation] = []
    chosen = extract(retrieval.question, chunks, max_sentences=max_sentences)
    # A question in another language than the text shares no word with any sentence.
    for one in chosen or leading(chunks, max_sentences=max_sentences):
        number, scored = numbered[one.number - 1]
        citation = cite(number, scored, one.start, one.end, page_of)
        citations.append(citation)
        pieces.append(("\n" if pieces else "") + f"{citation.quote}[{citation.index}]")
        yield TextEvent(pieces[-1])
    yield DoneEvent(
        Answer(
            question=retrieval.question,
            collection=retrieval.collection,
            text="".join(pieces),
            mode="extractive",
            citations=tuple(citations),
            model=EXTRACTIVE_MODEL,
            retrieval=retrieval,
        )
    )
