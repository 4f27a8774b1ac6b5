"""Evidence -> answer or refuse, before any model is asked (pure).

Two signals decide. The first is a weighted sum of what retrieval knows: how much of the question the best chunk's best
sentence covers, how well the keyword list's first chunk fits, and, with `e5`, how near the nearest chunk is. What is
missing counts less where it is everyday wording: 老板 for 用人单位 is no sign that the answer is missing, an unknown
name is. The second is a question that names a thing in the way the documents' titles do, but none of them: 蓝天公司的
年度报告 where there are only reports of other companies. docs/answers.md has the measurements.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from assistant.checking.support import has_han, tokens
from assistant.finder import Found
from retrieval.keyword.folding import fold
from retrieval.keyword.tokens import is_pair, query_weights
from retrieval.models import Retrieval

EVERYDAY = frozenset(
    "的一年是在国中为有人大了和不以于上后会时个日成月出地用行发到可来生这分作多下之长学部要主经高方其法与"
    "对家也新最能名开公自本而同前及动他区第体文现过业就度北小等市都所美全比西加间进政内如被面期得电数定由"
    "将并民位子机天东我理外入世三关因物工至南代斯次通赛海球们但种特当运场亚重者道合产此平员台建性制系相表"
    "里选军二点网力说车好然利水尔立明线使量影事任王实化元或统增称手心教式果号口计还两看布总目正起队品提设"
)
"""The 200 most frequent characters of the development sets' texts: half of all that is written."""


@dataclass(frozen=True, slots=True)
class Weights:
    """The first signal: answer if the weighted sum reaches `threshold`.

    Args:
        coverage: Of the first chunk's coverage.
        fit: Of log(1 + BM25 of the keyword list's first / log(2 + chunks)).
        everyday: Of the share of the question's everyday characters that no found chunk holds.
        unknown: Of the number of the question's other characters and words that no found chunk holds.
        similarity: Of the highest cosine.
        threshold: Least sum.
    """

    coverage: float
    fit: float
    everyday: float
    unknown: float
    similarity: float
    threshold: float


# Directions found on the development sets, all together, so that at most one in twenty answerable questions of any set
# is refused; cosines mean something else with every embedder, so only `e5` has them.
KEYWORD_WEIGHTS = Weights(coverage=2.97, fit=1.48, everyday=4.43, unknown=-0.32, similarity=0.0, threshold=3.71)
E5_WEIGHTS = Weights(coverage=2.66, fit=1.59, everyday=3.31, unknown=0.0, similarity=14.04, threshold=16.3)

MIN_COVERAGE = 0.1
"""Below this coverage by the first chunk nothing else counts: forgiven everyday wording is no evidence by itself."""

MIN_FOREIGN_SIMILARITY = 0.76
"""Least cosine of `e5` for a question that shares no script with its chunk: there, words say nothing.

Of eight English questions on the regulations the lowest had 0.767, of eight on other matters the highest had 0.756."""

_LOOKED_AT = 5
_TITLES = 10
_MIN_KIND_TOKENS = 2
_MAX_NAMED = 0.4
_MAX_NAMING_COVERAGE = 0.6
_MODEL_REFUSALS = ("资料中没有找到", "资料中没有相关", "no answer in the sources")


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether to answer, and why.

    Args:
        answerable: Whether the documents seem to hold the answer.
        reason: A word for the trace: `evidence`, or what spoke against it.
        signals: What was looked at, by name.
    """

    answerable: bool
    reason: str
    signals: Mapping[str, float] = field(default_factory=dict)


class Gate:
    """Decides before a model writes."""

    async def decide(self, found: Found) -> Decision:
        """Return whether the documents seem to hold the answer."""
        answerable = is_answerable(found.retrieval, found.embedder)
        return Decision(answerable, "evidence" if answerable else "weak_evidence")


def is_answerable(retrieval: Retrieval, embedder: str = "none") -> bool:
    """Whether the documents seem to hold the answer.

    Args:
        retrieval: What was found.
        embedder: The collection's; decides what the cosines mean.
    """
    if not retrieval.hits:
        return False
    by_e5 = embedder == "e5" and retrieval.evidence.similarity is not None
    if by_e5 and has_han(retrieval.question) != has_han(retrieval.hits[0].chunk.text):
        return (retrieval.evidence.similarity or 0.0) >= MIN_FOREIGN_SIMILARITY
    if retrieval.hits[0].coverage < MIN_COVERAGE:
        return False
    weights = E5_WEIGHTS if by_e5 else KEYWORD_WEIGHTS
    return evidence_sum(retrieval, weights) >= weights.threshold and not names_another(retrieval)


def evidence_sum(retrieval: Retrieval, weights: Weights) -> float:
    """Return the first signal, of a retrieval that has hits."""
    evidence = retrieval.evidence
    fit = math.log1p(evidence.keyword / math.log(2 + evidence.n_chunks))
    everyday, unknown = missing(retrieval)
    return (
        weights.coverage * retrieval.hits[0].coverage
        + weights.fit * fit
        + weights.everyday * everyday
        + weights.unknown * unknown
        + weights.similarity * (evidence.similarity or 0.0)
    )


def missing(retrieval: Retrieval) -> tuple[float, int]:
    """Return what of the question is not in the first chunks.

    Returns:
        The share of its everyday characters that the best of the chunks lacks, in [0, 1]; and the number of its other
        characters and words that none of them holds.
    """
    asked = [token for token in query_weights(retrieval.question) if not is_pair(token)]
    texts = [fold(f"{hit.chunk.context_line}\n{hit.chunk.text}") for hit in retrieval.hits[:_LOOKED_AT]]
    everyday = [token for token in asked if token in EVERYDAY]
    unknown = sum(token not in EVERYDAY and not any(token in text for text in texts) for token in asked)
    lacking = min((sum(token not in text for token in everyday) for text in texts), default=0)
    return lacking / max(1, len(everyday)), unknown


def names_another(retrieval: Retrieval) -> bool:
    """Whether the question names a thing as the found titles do, but none of them.

    What several titles share says what kind of thing they are; the rest is the name. The question holds the kind, and
    of no title most of the name.
    """
    if retrieval.evidence.coverage >= _MAX_NAMING_COVERAGE:
        return False
    asked = set(query_weights(retrieval.question))
    titles = {hit.chunk.title: set(tokens(hit.chunk.title)) for hit in retrieval.hits[:_TITLES]}
    frequency = Counter(token for held in titles.values() for token in held)
    kinds = [{token for token in held if frequency[token] > 1} for held in titles.values()]
    names = [held - kind for held, kind in zip(titles.values(), kinds, strict=True)]
    most_kind = max((len(kind & asked) for kind in kinds), default=0)
    most_name = max((len(name & asked) / len(name) for name in names if name), default=0.0)
    return most_kind >= _MIN_KIND_TOKENS and most_name < _MAX_NAMED


def is_model_refusal(text: str, n_citations: int) -> bool:
    """Whether a generated answer says that the sources do not hold the answer; one that cites something does not."""
    return n_citations == 0 and any(words in text for words in _MODEL_REFUSALS)
