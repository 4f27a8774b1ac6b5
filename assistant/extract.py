"""An answer without a model: the sentences of the best chunks that say most about the question (pure)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from assistant.support import sentence_spans, tokens
from retrieval.models import ScoredChunk


@dataclass(frozen=True, slots=True)
class Extract:
    """A quoted sentence.

    Args:
        number: The n of `[n]`: place of its chunk among the sources, from 1.
        start: First character in the chunk's text.
        end: One past the last.
        score: Higher is better.
    """

    number: int
    start: int
    end: int
    score: float


def extract(question: str, sources: Sequence[ScoredChunk], *, max_sentences: int) -> tuple[Extract, ...]:
    """Return the sentences that answer the question best, in reading order of the sources.

    Args:
        question: As asked.
        sources: Best first.
        max_sentences: Most sentences to return.
    """
    wanted = set(tokens(question))
    found = [
        (number, start, end, set(tokens(source.chunk.text[start:end])))
        for number, source in enumerate(sources, 1)
        for start, end in sentence_spans(source.chunk.text)
    ]
    frequency = Counter(token for *_, held in found for token in held & wanted)
    weight = {token: math.log(1 + len(found) / n) for token, n in frequency.items()}
    scored = [
        Extract(number, start, end, sum(weight[token] for token in held & wanted) / number**0.5)
        for number, start, end, held in found
    ]
    best = sorted(
        (one for one in scored if one.score > 0), key=lambda extract: (-extract.score, extract.number, extract.start)
    )[:max_sentences]
    return tuple(sorted(best, key=lambda extract: (extract.number, extract.start)))
