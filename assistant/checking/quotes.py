"""Which words of a source support a sentence: found by folding, told by their place in the original (pure)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from assistant.checking.facts import Number, facts_of
from assistant.checking.support import Claim, Text, Wanted, has_number, share_held
from retrieval.keyword.folding import fold, fold_with_offsets, original_span
from retrieval.models import ScoredChunk
from retrieval.rerankers.coverage import sentence_spans

Span = tuple[int, int]

FACT_WEIGHT = 0.25
"""What a number or date of the sentence adds to a quote that holds it; its words, all together, add 1."""
WORTH_A_SENTENCE = 0.2
"""A quote grows by a neighbouring sentence that adds at least so much."""
CELL = " | "
"""Stands between the cells of a table row, as the loaders write it."""
_LIST_MARK = re.compile(r"\d{1,3}\.")


class Quotable:
    """A chunk's sentences, read once.

    Args:
        scored: The chunk.

    Attributes:
        scored: The chunk.
        spans: Where the sentences lie in its text; every table row whole.
        sentences: Folded.
    """

    def __init__(self, scored: ScoredChunk) -> None:
        text = scored.chunk.text
        self.scored = scored
        self.spans: tuple[Span, ...] = tuple(quotable_spans(text)) or ((0, len(text)),)
        self.sentences = tuple(Text(fold(text[start:end])) for start, end in self.spans)

    @cached_property
    def numbers(self) -> tuple[Mapping[float, frozenset[str]], ...]:
        """Of each sentence: the values, those of dates too, with their units."""
        return tuple(facts_of(one.folded).values() for one in self.sentences)


def quotable_spans(text: str) -> list[Span]:
    """Return where a text's sentences lie, with a list's number before its sentence and every table row whole."""
    spans: list[Span] = []
    for start, end in sentence_spans(text):
        first, last = spans[-1] if spans else (start, start)
        joined = text[first:end]
        if spans and "\n" not in joined and (CELL in joined or _LIST_MARK.fullmatch(text, first, last)):
            spans[-1] = first, end
        else:
            spans.append((start, end))
    return spans


def best_quote(claim: Claim, chunks: Sequence[Quotable]) -> tuple[ScoredChunk, Span]:
    """Return the sentence that supports a claim best, with a neighbour where that adds much; within one chunk.

    Args:
        claim: What is supported.
        chunks: Where to look; not empty.
    """
    if (found := _verbatim(claim, chunks)) is not None:
        return found
    wanted, numbers = Wanted.of(claim.weights), claim.numbers
    said = [_Said(held, claim.weights, [one.held(wanted) for one in held.sentences], numbers) for held in chunks]
    _, one, at = max(
        ((one.worth(at, at + 1), one, at) for one in said for at in range(len(one.tokens))), key=lambda found: found[0]
    )
    first, last = at, at + 1
    worth = one.worth(first, last)
    for start, end in ((at - 1, at + 1), (at, at + 2)):
        if start >= 0 and end <= len(one.tokens) and one.worth(start, end) >= worth + WORTH_A_SENTENCE:
            first, last, worth = start, end, one.worth(start, end)
    return one.held.scored, (one.held.spans[first][0], one.held.spans[last - 1][1])


def locate(words: str, text: str) -> Span | None:
    """Return where words stand in a text, whatever their width, case, script, punctuation and white space.

    Args:
        words: Folded, letters and digits only; not empty.
        text: As stored.
    """
    folded, offsets = fold_with_offsets(text)
    kept = [index for index, character in enumerate(folded) if character.isalnum()]
    at = "".join(folded[index] for index in kept).find(words)
    if at < 0:
        return None
    return original_span(offsets, kept[at], kept[at + len(words) - 1] + 1)


def _verbatim(claim: Claim, chunks: Sequence[Quotable]) -> tuple[ScoredChunk, Span] | None:
    """Return the sentences that hold what the claim quotes, if it quotes something."""
    for words in claim.quotations:
        for held in chunks:
            found = locate(words, held.scored.chunk.text)
            if found is not None:
                inside = [span for span in held.spans if span[0] < found[1] and found[0] < span[1]]
                return held.scored, (min(found[0], inside[0][0]), max(found[1], inside[-1][1])) if inside else found
    return None


@dataclass(frozen=True, slots=True)
class _Said:
    """What a chunk's sentences say of a claim: which of its tokens each has."""

    held: Quotable
    weights: Mapping[str, float]
    tokens: Sequence[set[str]]
    numbers: Sequence[Number]

    def worth(self, first: int, last: int) -> float:
        tokens = self.tokens[first].union(*self.tokens[first + 1 : last])
        known = 0
        if self.numbers:
            places = self.held.numbers[first:last]
            known = sum(any(has_number(one, number) for one in places) for number in self.numbers)
        return share_held(self.weights, tokens) + FACT_WEIGHT * known
