"""Evidence -> answer or refuse, before any model is asked (pure).

A weighted sum of what retrieval and the question's own words say (`signals.py`) is compared with a threshold. What is
missing counts by its kind: a name that nothing found holds speaks against an answer, everyday wording that the text
puts otherwise (老板 for 用人单位) does not. docs/answers.md has the measurements.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from assistant.checking.support import has_han
from assistant.finder import Found
from assistant.refusal.model_words import is_model_refusal as is_model_refusal
from assistant.refusal.signals import signals_of
from assistant.refusal.weights import KEYWORD_WEIGHTS, Weights, calibrated_weights, default_weights
from retrieval.models import Retrieval

DOUBT = 2.0
"""How far below the threshold a sum may be for a model to be asked all the same."""

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


def is_in_doubt(decision: Decision) -> bool:
    """Whether a model may know better: not where nothing was found, or where the sum is far below the threshold."""
    if decision.reason in ("nothing_found", "low_coverage"):
        return False
    signals = decision.signals
    return signals.get("sum", 0.0) >= signals.get("threshold", 0.0) - DOUBT or decision.reason == "foreign_question"


def decide_found(found: Found) -> Decision:
    """Return the decision on a question; one over several facts is answered where any of them is.

    The same holds for a follow-up that a model rewrote: as asked or as rewritten.
    """
    first, *others = decide_all(found, calibrated_weights(found.embedder, found.calibration))
    return next((decision for decision in (first, *others) if decision.answerable), first)


def decide_all(found: Found, weights: Weights) -> list[Decision]:
    """Return the decisions on a question as asked, as rewritten, and on each of its parts."""
    rewritten = [found.rewritten] if found.rewritten is not None else []
    return [decide(retrieval, weights) for retrieval in (found.retrieval, *rewritten, *found.parts)]


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
