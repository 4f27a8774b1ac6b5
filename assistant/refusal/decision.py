"""Evidence -> answer or refuse, before any model is asked (pure).

A weighted sum of what retrieval and the question's own words say (`signals.py`) is compared with a threshold. What is
missing counts by its kind: a name that nothing found holds speaks against an answer, everyday wording that the text
puts otherwise (老板 for 用人单位) does not. docs/answers.md has the measurements.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields

from assistant.checking.support import has_han
from assistant.finder import Found
from assistant.refusal.model_words import is_model_refusal as is_model_refusal
from assistant.refusal.signals import Signals, signals_of
from retrieval.models import Retrieval


@dataclass(frozen=True, slots=True)
class Weights:
    """What each signal counts; answer if the sum reaches `threshold`. The other names are those of `Signals`."""

    coverage: float
    fit: float
    similarity: float
    lead: float
    everyday: float
    unknown: float
    missing_name: float
    missing_subject: float
    missing_noun: float
    threshold: float

    def total(self, signals: Signals) -> float:
        """Return the weighted sum."""
        return float(sum(getattr(self, name.name) * getattr(signals, name.name) for name in fields(Signals)))


# Directions found on the development sets, all together, so that at most one in twenty answerable questions of any set
# is refused. A missing name has its weight by hand: only two sets teach it. Cosines mean something else with every
# embedder, so only `e5` has them.
KEYWORD_WEIGHTS = Weights(
    coverage=2.31,
    fit=1.68,
    similarity=0.0,
    lead=1.05,
    everyday=4.75,
    unknown=-0.16,
    missing_name=-2.5,
    missing_subject=-0.74,
    missing_noun=-0.69,
    threshold=3.61,
)
E5_WEIGHTS = Weights(
    coverage=2.86,
    fit=1.28,
    similarity=37.8,
    lead=2.61,
    everyday=4.83,
    unknown=0.0,
    missing_name=-3.0,
    missing_subject=-0.67,
    missing_noun=-0.57,
    threshold=37.43,
)

MIN_COVERAGE = 0.1
"""Below this coverage by the first chunk nothing else counts: forgiven everyday wording is no evidence by itself."""

MIN_FOREIGN_SIMILARITY = 0.76
"""Least cosine of `e5` for a question that shares no script with its chunk: there, words say nothing.

Of eight English questions on the regulations the lowest had 0.767, of eight on other matters the highest had 0.756."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether to answer, and why.

    Args:
        answerable: Whether the documents seem to hold the answer.
        reason: A word for the trace: `evidence`, or what spoke against it: `nothing_found`, `foreign_question`,
            `low_coverage`, `missing_name` (without it the evidence would do), `weak_evidence`.
        signals: What was looked at, by name; `sum` and `threshold` decided.
    """

    answerable: bool
    reason: str
    signals: Mapping[str, float] = field(default_factory=dict)


class Gate:
    """Decides before a model writes."""

    async def decide(self, found: Found) -> Decision:
        """Return whether the documents seem to hold the answer."""
        return decide(found.retrieval, default_weights(found.embedder))


def default_weights(embedder: str) -> Weights:
    """Return the weights for an embedder's collections."""
    return E5_WEIGHTS if embedder == "e5" else KEYWORD_WEIGHTS


def is_answerable(retrieval: Retrieval, embedder: str = "none") -> bool:
    """Whether the documents seem to hold the answer, by the weights of an embedder's collections."""
    return decide(retrieval, default_weights(embedder)).answerable


def decide(retrieval: Retrieval, weights: Weights) -> Decision:
    """Return whether the documents seem to hold the answer.

    Args:
        retrieval: What was found.
        weights: The collection's; one of those that count similarity needs a retrieval that has it.
    """
    if not retrieval.hits:
        return Decision(False, "nothing_found")
    similarity = retrieval.evidence.similarity
    if weights.similarity and similarity is None:  # the vector store did not answer
        weights = KEYWORD_WEIGHTS
    elif weights.similarity and has_han(retrieval.question) != has_han(retrieval.hits[0].chunk.text):
        return _by_similarity(similarity or 0.0)
    signals = signals_of(retrieval)
    total = weights.total(signals)
    told = {**asdict(signals), "sum": total, "threshold": weights.threshold}
    if signals.coverage < MIN_COVERAGE:
        return Decision(False, "low_coverage", told)
    if total >= weights.threshold:
        return Decision(True, "evidence", told)
    would_do = total - weights.missing_name * signals.missing_name >= weights.threshold
    return Decision(False, "missing_name" if would_do else "weak_evidence", told)


def _by_similarity(similarity: float) -> Decision:
    told = {"similarity": similarity, "threshold": MIN_FOREIGN_SIMILARITY}
    answerable = similarity >= MIN_FOREIGN_SIMILARITY
    return Decision(answerable, "evidence" if answerable else "foreign_question", told)
