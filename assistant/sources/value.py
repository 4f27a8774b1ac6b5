"""What chunks and sources are worth to an answer, and which of them go into the room there is (pure).

The likelihood that a chunk holds the answer falls with the distance of its score from the best one's; a chunk that says
over again what was chosen, or comes from a document that has said something already, adds less. docs/answers.md has
what was measured.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import add

from assistant.sources.source import Source
from retrieval.keyword.folding import fold_chunk
from retrieval.models import ScoredChunk

SCORE_SCALE = 0.4
"""A chunk whose score is this much lower is worth 1/e."""

SAME_DOCUMENT = 0.9
"""Worth of each further chunk of a document beside an equal one of another."""

COPY_SHARE = 0.6
"""Share of its pairs of letters that a chunk may have in common with one that was chosen and still be no copy."""

COPY_WORTH = 0.1
"""Worth of a whole copy beside a text that says something else."""

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_NO_LETTER = re.compile(r"[\W_]+")


def valued(hits: Sequence[ScoredChunk], *, top_k: int) -> list[tuple[ScoredChunk, float]]:
    """Choose the chunks that are worth most beside those chosen before them.

    Args:
        hits: Best first; a chunk that comes twice counts once.
        top_k: Most chunks to choose.

    Returns:
        Each with its worth in (0, 1], in the order of choice.
    """
    left = list({hit.chunk.chunk_id: hit for hit in reversed(hits)}.values())[::-1]
    worth = dict(zip((hit.chunk.chunk_id for hit in left), _by_score(left), strict=True))
    said = {hit.chunk.chunk_id: _Said.by(hit.chunk.text) for hit in left}
    newness = dict.fromkeys(worth, 1.0)
    from_document: Counter[str] = Counter()
    chosen: list[tuple[ScoredChunk, float]] = []

    def value(hit: ScoredChunk) -> float:
        chunk = hit.chunk
        return worth[chunk.chunk_id] * newness[chunk.chunk_id] * SAME_DOCUMENT ** from_document[chunk.document_id]

    while left and len(chosen) < top_k:
        best = max(left, key=value)  # the first of equals
        chosen.append((best, value(best)))
        left.remove(best)
        from_document[best.chunk.document_id] += 1
        for hit in left:
            key = hit.chunk.chunk_id
            newness[key] = min(newness[key], said[key].newness(said[best.chunk.chunk_id]))
    return chosen


def choose(sources: Sequence[Source], costs: Sequence[int], budget: int) -> tuple[int, ...]:
    """Return which sources fit: those worth most for their tokens.

    What is worth least a token goes until the rest fits; what went and still finds room comes back, the most
    valuable first. The most valuable of all goes last, whatever it costs; where even that has no room, nothing comes
    back: the room is for a part of it.

    Args:
        sources: In any order.
        costs: Tokens of each, above 0.
        budget: Tokens for all of them.

    Returns:
        Indexes into sources, ascending; their costs together are at most budget.
    """
    indexes = range(len(sources))
    best = max(indexes, key=lambda at: (sources[at].value, -at), default=None)
    kept = sorted(indexes, key=lambda at: (at == best, sources[at].value / max(1, costs[at]), -at), reverse=True)
    spent = sum(costs)
    gone: list[int] = []
    while kept and spent > budget:
        gone.append(kept.pop())
        spent -= costs[gone[-1]]
    for at in sorted(gone, key=lambda at: (-sources[at].value, at)) if kept else ():
        if spent + costs[at] <= budget:
            kept.append(at)
            spent += costs[at]
    return tuple(sorted(kept))


def _by_score(hits: Sequence[ScoredChunk]) -> list[float]:
    """Return what each is worth by its score, and no less than one behind it.

    The order knows more than scores: parts of a question take turns in it, so that each keeps its best.
    """
    top = max((hit.score for hit in hits), default=0.0)
    # Never 0, however far: what is worth nothing could not be compared.
    values = [math.exp(max(-50.0, (hit.score - top) / SCORE_SCALE)) for hit in hits]
    return list(accumulate(reversed(values), max))[::-1]


@dataclass(frozen=True, slots=True)
class _Said:
    """What a text says, as far as copies are told by it: pairs of letters, and its numbers."""

    pairs: frozenset[str]
    numbers: frozenset[str]

    @classmethod
    def by(cls, text: str) -> _Said:
        folded = fold_chunk(text)
        letters = _NO_LETTER.sub("", folded)
        return cls(frozenset(map(add, letters, letters[1:])), frozenset(_NUMBER.findall(folded)))

    def newness(self, other: _Said) -> float:
        """Return what this is worth beside the other, from COPY_WORTH to 1; the same words on other numbers are new."""
        if not self.pairs or self.numbers - other.numbers:
            return 1.0
        share = len(self.pairs & other.pairs) / len(self.pairs)
        return 1.0 - (1.0 - COPY_WORTH) * max(0.0, share - COPY_SHARE) / (1.0 - COPY_SHARE)
