from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.errors import EvaluationError
from assistant.evaluation.calibration import (
    MAX_FALSE,
    Labelled,
    Rates,
    cross_validated,
    fit_threshold,
    fit_weights,
    learn,
    rates,
)
from assistant.refusal.signals import Signals
from assistant.refusal.weights import KEYWORD_WEIGHTS

NOTHING = Signals(0.5, 2.0, 0.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0)
ABOVE = replace(KEYWORD_WEIGHTS, threshold=-9.0)
"""Weights that refuse nothing below."""


def question(coverage: float, is_answerable: bool, *, noun: float = 0.0) -> Labelled:
    return Labelled(replace(NOTHING, coverage=coverage, missing_noun=noun), is_answerable)


def apart(n_answerable: int = 60, n_unanswerable: int = 12) -> list[Labelled]:
    """Questions that coverage tells."""
    good = [question(0.6 + 0.3 * i / n_answerable, True) for i in range(n_answerable)]
    return good + [question(0.1 + 0.3 * i / n_unanswerable, False) for i in range(n_unanswerable)]


def test_threshold_is_learnt_when_questions_are_apart() -> None:
    learnt = learn(apart(), ABOVE, ABOVE)
    assert learnt.before == Rates(0.0, 0.0)
    assert learnt.held_out == learnt.after == Rates(0.0, 1.0)
    assert learnt.is_better
    assert replace(learnt.weights, threshold=ABOVE.threshold) == ABOVE  # too few questions for more


def test_nothing_is_offered_when_the_signals_tell_nothing() -> None:
    random.seed(3)
    mixed = [question(random.random(), True) for _ in range(80)] + [question(random.random(), False) for _ in range(9)]
    learnt = learn(mixed, ABOVE, ABOVE)
    assert not learnt.is_better or learnt.held_out.false <= MAX_FALSE


def test_nothing_is_offered_when_the_present_weights_do_as_well() -> None:
    present = fit_threshold(apart(), ABOVE)
    assert not learn(apart(), present, ABOVE).is_better


def test_weights_are_learnt_when_another_signal_tells() -> None:
    random.seed(5)
    asked = [question(random.random(), True) for _ in range(200)]
    asked += [question(random.random(), False, noun=1.0) for _ in range(40)]
    learnt = learn(asked, ABOVE, replace(ABOVE, missing_noun=0.0))
    assert learnt.weights.missing_noun < -1.0
    assert learnt.held_out.caught > 0.9
    assert learnt.is_better
    assert cross_validated(asked, replace(ABOVE, missing_noun=0.0), fit_threshold).caught < 0.5


def test_signals_keep_their_weight_when_they_never_differ() -> None:
    assert fit_weights(apart(), KEYWORD_WEIGHTS).lead == KEYWORD_WEIGHTS.lead


@pytest.mark.parametrize(("n_answerable", "n_unanswerable"), [(39, 12), (60, 4), (0, 0)])
def test_learning_is_refused_when_questions_are_too_few(n_answerable: int, n_unanswerable: int) -> None:
    asked = apart(n_answerable, n_unanswerable) if n_answerable else []
    with pytest.raises(EvaluationError, match=f"{n_answerable} questions with an answer and {n_unanswerable} without"):
        learn(asked, ABOVE, ABOVE)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=80))
def test_threshold_refuses_few_when_it_is_fitted(asked: list[tuple[float, bool]]) -> None:
    questions = [question(coverage, is_answerable) for coverage, is_answerable in asked]
    if any(one.is_answerable for one in questions):
        assert rates(questions, fit_threshold(questions, ABOVE)).false <= 0.04
