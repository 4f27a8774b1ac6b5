"""Does a number belong to what a sentence says of it? By the passage's clauses that hold it and that do not (pure).

婚假15天 is not supported by 婚假为三天，陪产假为十五天: what says most about 婚假 has another number of days.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from assistant.checking.facts import Date, Number, read
from retrieval.keyword.tokens import tokenize_folded

SENTENCE_END = re.compile(r"[。！？!?\n]|\.\s")
CLAUSE_END = re.compile(r"[,;|]|、(?=[^、]{4})")
LITTLE_CHARS = 2
"""A clause of no more characters, its numbers left out, says hardly anything itself."""
MARGIN = 0.3
"""A clause with another number must say so much more of the sentence, as a share of its words, to count against it."""
MIN_SAID = 0.5
"""Least share of the words that it must say."""


@dataclass(frozen=True, slots=True)
class Clause:
    """A part of a sentence between commas.

    Args:
        tokens: Characters, pairs and words, numbers left out.
        facts: Its numbers and dates.
        carried: Tokens of the clauses before it that it leaves its subject to: the one before, and all of its sentence
            where it hardly says anything itself (满十年的).
    """

    tokens: frozenset[str]
    facts: frozenset[Number | Date]
    carried: frozenset[str] = frozenset()


def clauses_of(folded: str) -> tuple[Clause, ...]:
    """Return the clauses of a folded text, in order."""
    return tuple(_read(folded))


def bound_elsewhere(
    claim: tuple[Clause, ...], weights: Mapping[str, float], clauses: tuple[Clause, ...]
) -> Number | Date | None:
    """Return the first number or date of a sentence that the passage says of something else, or None.

    Args:
        claim: The sentence's clauses.
        weights: Of its words and pairs.
        clauses: The passage's.
    """
    for part in claim:
        if not part.facts:
            continue
        wanted = {token: weights[token] for token in part.tokens if token in weights}
        total = sum(wanted.values())
        if total < MIN_SAID:
            continue
        for fact in part.facts:
            kind = _kind(fact)
            own, other = 0.0, 0.0
            for clause in clauses:
                if any(_same(fact, one) for one in clause.facts):
                    own = max(own, _said(wanted, clause.tokens | clause.carried) / total)
                elif any(_kind(one) == kind for one in clause.facts):
                    other = max(other, _said(wanted, clause.tokens) / total)
            if other >= MIN_SAID and other >= own + MARGIN:
                return fact
    return None


def _read(folded: str) -> Iterator[Clause]:
    for sentence in SENTENCE_END.split(folded):
        before: list[frozenset[str]] = []
        for text in CLAUSE_END.split(sentence):
            facts, words = read(text)
            tokens = frozenset(tokenize_folded(words))
            if not tokens and not facts.places:
                continue
            says_little = sum(map(str.isalnum, words)) <= LITTLE_CHARS
            carried = frozenset[str]().union(*(before if says_little else before[-1:]))
            yield Clause(tokens, frozenset((*facts.numbers, *facts.dates)), carried)
            before.append(tokens)


def _kind(fact: Number | Date) -> str:
    return fact.unit if isinstance(fact, Number) else "date"


def _same(one: Number | Date, other: Number | Date) -> bool:
    if isinstance(one, Number) or isinstance(other, Number):
        return isinstance(one, Number) and isinstance(other, Number) and one.value == other.value
    parts = zip((one.year, one.month, one.day), (other.year, other.month, other.day), strict=True)
    return all(ours is None or theirs is None or ours == theirs for ours, theirs in parts)


def _said(wanted: Mapping[str, float], tokens: frozenset[str]) -> float:
    return sum(weight for token, weight in wanted.items() if token in tokens)
