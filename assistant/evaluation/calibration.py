"""Labelled questions -> a collection's own weights for the refusal decision (pure).

The threshold always, and with enough questions the weights too: a logistic regression that is held to the weights it
starts from. What is learnt is measured on questions held out, five parts in turn, and offered only if it is better.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from assistant.errors import EvaluationError
from assistant.refusal.signals import Signals
from assistant.refusal.weights import Weights
from retrieval.errors import Message

MAX_FALSE = 0.05
"""Share of the answerable questions that may be refused."""
MIN_ANSWERABLE = 40
MIN_UNANSWERABLE = 5
MIN_FOR_WEIGHTS = (100, 20)
"""Answerable and unanswerable questions from which on the weights are fitted too, not the threshold alone."""

_AIM = 0.04  # below MAX_FALSE, for the questions still to come
_FALSE_COST = 2.0  # of one share of false refusals, in shares of unanswerable questions caught
_FOLDS = 5
_SEED = 0
_PULL = 0.02  # towards the weights it starts from, in standard deviations of each signal
_STEPS = 300
_STEP = 0.3
_MIN_GAIN = 0.02

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Labelled:
    """A question's signals, and whether the documents hold its answer."""

    signals: Signals
    is_answerable: bool


@dataclass(frozen=True, slots=True)
class Rates:
    """What a decision does with labelled questions, as shares in [0, 1].

    Args:
        false: Answerable questions refused.
        caught: Unanswerable questions refused.
    """

    false: float
    caught: float


@dataclass(frozen=True, slots=True)
class Learnt:
    """What was learnt from a collection's questions.

    Args:
        weights: The new ones.
        before: What the present weights do with the questions.
        held_out: What weights do that were fitted without the questions they are measured on.
        after: What the new weights do with the questions that they were fitted on.
        is_better: Whether the questions held out say that the new ones should be used.
    """

    weights: Weights
    before: Rates
    held_out: Rates
    after: Rates
    is_better: bool


Fit = Callable[[Sequence[Labelled], Weights], Weights]


def learn(questions: Sequence[Labelled], present: Weights, start: Weights) -> Learnt:
    """Return what a collection's questions teach.

    Args:
        questions: Labelled questions of the collection.
        present: Weights that decide now.
        start: Weights that the new ones start from; these questions had no part in them.

    Raises:
        EvaluationError: If there are too few questions to learn from.
    """
    n_answerable = sum(question.is_answerable for question in questions)
    n_unanswerable = len(questions) - n_answerable
    if n_answerable < MIN_ANSWERABLE or n_unanswerable < MIN_UNANSWERABLE:
        raise _too_few(n_answerable, n_unanswerable)
    fit: Fit = fit_threshold
    held_out = cross_validated(questions, start, fit)
    if n_answerable >= MIN_FOR_WEIGHTS[0] and n_unanswerable >= MIN_FOR_WEIGHTS[1]:
        wider = cross_validated(questions, start, fit_weights)
        if wider.false <= MAX_FALSE and wider.caught >= held_out.caught + _MIN_GAIN:
            fit, held_out = fit_weights, wider
    weights = fit(questions, start)
    before = rates(questions, present)
    is_better = held_out.false <= MAX_FALSE and (held_out.caught > before.caught or before.false > MAX_FALSE)
    return Learnt(weights, before, held_out, rates(questions, weights), is_better)


def rates(questions: Sequence[Labelled], weights: Weights) -> Rates:
    """Return what weights do with labelled questions."""
    return _rates([(question, weights) for question in questions])


def cross_validated(questions: Sequence[Labelled], start: Weights, fit: Fit) -> Rates:
    """Return what weights do with questions that they were not fitted on: each part in turn is held out."""
    decided: list[tuple[Labelled, Weights]] = []
    folds = _folds(questions)
    for held_out in folds:
        rest = [question for fold in folds if fold is not held_out for question in fold]
        weights = fit(rest, start)
        decided += [(question, weights) for question in held_out]
    return _rates(decided)


def fit_threshold(questions: Sequence[Labelled], start: Weights) -> Weights:
    """Return the weights with the threshold that catches most for its false refusals, with at most the allowed ones.

    It lies in the middle between two questions, as far from both as can be.
    """
    totals = [start.total(question.signals) for question in questions]
    answerable = np.sort([t for t, question in zip(totals, questions, strict=True) if question.is_answerable])
    unanswerable = np.sort([t for t, question in zip(totals, questions, strict=True) if not question.is_answerable])
    edges = np.unique(totals)
    candidates = np.concatenate([[edges[0] - 1.0], (edges[:-1] + edges[1:]) / 2])
    false = np.searchsorted(answerable, candidates) / len(answerable)
    caught = np.searchsorted(unanswerable, candidates) / max(1, len(unanswerable))
    worth = np.where(false <= _AIM, caught - _FALSE_COST * false, -math.inf)
    return replace(start, threshold=float(candidates[int(np.argmax(worth))]))


def fit_weights(questions: Sequence[Labelled], start: Weights) -> Weights:
    """Return weights by logistic regression, each kind of question counting half, held to the first ones."""
    names = [name.name for name in fields(Signals)]
    values = np.array([[getattr(question.signals, name) for name in names] for question in questions])
    is_answerable = np.array([question.is_answerable for question in questions])
    spread = values.std(axis=0)
    moves = spread > 0
    scale = np.where(moves, spread, 1.0)
    first = np.array([getattr(start, name) for name in names]) * scale
    fitted = _regress((values - values.mean(axis=0)) / scale * moves, is_answerable, first) / scale
    # Signals that never differ here keep what they were worth elsewhere.
    new = {name: float(value) for name, value in zip(names, fitted, strict=True)}
    return fit_threshold(questions, Weights(**{**asdict(start), **new}))


def _regress(values: Floats, is_answerable: npt.NDArray[np.bool_], start: Floats) -> Floats:
    """Return weights for standardised values (questions, signals) by gradient descent on the balanced log loss."""
    share = np.where(is_answerable, 0.5 / is_answerable.sum(), 0.5 / (~is_answerable).sum())
    sign = np.where(is_answerable, 1.0, -1.0)
    weights, bias = start.copy(), 0.0
    for _ in range(_STEPS):
        wrong = share * sign / (1 + np.exp(np.clip(sign * (values @ weights + bias), -50, 50)))
        weights += _STEP * (values.T @ wrong - _PULL * (weights - start))
        bias += _STEP * float(wrong.sum())
    return weights


def _folds(questions: Sequence[Labelled]) -> list[list[Labelled]]:
    """Return the questions in parts, with both kinds spread over all of them."""
    shuffled = random.Random(_SEED).sample(questions, len(questions))
    shuffled.sort(key=lambda question: question.is_answerable)
    return [shuffled[part::_FOLDS] for part in range(_FOLDS)]


def _rates(decided: Sequence[tuple[Labelled, Weights]]) -> Rates:
    refused = [
        (question.is_answerable, weights.total(question.signals) < weights.threshold) for question, weights in decided
    ]
    false = [is_refused for is_answerable, is_refused in refused if is_answerable]
    caught = [is_refused for is_answerable, is_refused in refused if not is_answerable]
    return Rates(sum(false) / max(1, len(false)), sum(caught) / max(1, len(caught)))


def _too_few(n_answerable: int, n_unanswerable: int) -> EvaluationError:
    return EvaluationError(
        Message(
            en=f"{n_answerable} questions with an answer and {n_unanswerable} without one are too few to calibrate by: "
            f"{MIN_ANSWERABLE} and {MIN_UNANSWERABLE} are needed.",
            zh=f"有答案的问题 {n_answerable} 个、没有答案的 {n_unanswerable} 个，不够校准："
            f"至少需要 {MIN_ANSWERABLE} 个和 {MIN_UNANSWERABLE} 个。",
        ),
        hint=Message(
            en='Add questions that people asked; mark those that the documents do not answer with "answerable": false.',
            zh='请加入真实提过的问题；文档中没有答案的，标上 "answerable": false。',
        ),
    )
