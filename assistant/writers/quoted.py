"""The answer without a model: the best sentences of the sources, quoted and cited."""

from __future__ import annotations

import math
import re
from collections.abc import AsyncGenerator, Sequence

from assistant.checking.citations import cite
from assistant.checking.links import addresses, defuse
from assistant.events import Answer, AnswerEvent, Citation, DoneEvent, SourcesEvent, TextEvent
from assistant.finder import Finder, Found
from assistant.sources.source import Source
from assistant.writers.extract import Extract, extract, leading
from retrieval.models import ScoredChunk

EXTRACTIVE_MODEL = "extractive"
"""`Answer.model` where no model wrote the answer."""
_OWN_MARKER = re.compile(r"\[(\d{1,3})\]")


async def quote(
    found: Found, sources: Sequence[Source], finder: Finder, *, max_sentences: int
) -> AsyncGenerator[AnswerEvent, None]:
    """Quote the sentences that say most about the question."""
    retrieval = found.retrieval
    numbered = [(source.number, scored) for source in sources for scored in source.chunks]
    numbered.sort(key=lambda pair: -pair[1].score)
    chunks = [scored for _, scored in numbered]
    page_of = await finder.pages(chunks)
    yield SourcesEvent(tuple(sources), "extractive")
    text = ""
    citations: list[Citation] = []
    chosen = _chosen(found, chunks, max_sentences)
    # A question in another language than the text shares no word with any sentence.
    for one in chosen or leading(chunks, max_sentences=max_sentences):
        number, scored = numbered[one.number - 1]
        citation = cite(number, scored, one.start, one.end, page_of)
        citations.append(citation)
        before = text
        text += defuse("\n" * bool(text) + _without_own_markers(citation.quote), addresses(citation), before=text)
        text += f"[{citation.index}]"
        yield TextEvent(text[len(before) :])
    yield DoneEvent(
        Answer(
            question=found.plan.question,
            collection=retrieval.collection,
            text=text,
            mode="extractive",
            citations=tuple(citations),
            model=EXTRACTIVE_MODEL,
            retrieval=retrieval,
        )
    )


def _chosen(found: Found, chunks: Sequence[ScoredChunk], max_sentences: int) -> Sequence[Extract]:
    """Return the sentences that answer the question, or each of its parts: the best ones of the whole leave one out."""
    if not found.parts:
        return extract(found.retrieval.question, chunks, max_sentences=max_sentences)
    each = math.ceil(max_sentences / len(found.parts))
    by_part = [extract(part.question, chunks, max_sentences=each) for part in found.parts]
    places = {(one.number, one.start): one for chosen in by_part for one in chosen}
    return [places[place] for place in sorted(places)]


def _without_own_markers(quote: str) -> str:
    """Return a quote whose own numbers in brackets cannot pass for citations of the answer."""
    return _OWN_MARKER.sub(r"［\1］", quote)
