"""Calibrate the refusals of a collection by a folder's questions, and keep what was learnt with it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Protocol

from assistant.assistant import Assistant
from assistant.evaluation.calibration import Labelled, Learnt, Rates, learn
from assistant.evaluation.corpus import Question, load_questions
from assistant.evaluation.run import EvalPlan, Ingests, Progress, ingest_folder, spread
from assistant.refusal.decision import decide_all
from assistant.refusal.signals import Signals
from assistant.refusal.weights import Calibration, Weights, calibrated_weights, default_weights
from retrieval.errors import QuestionError
from retrieval.models import Collection


class KeepsCalibrations(Protocol):
    """What is needed of the catalog."""

    def get_collection(self, name_or_id: str, *, counted: bool = False) -> Collection:
        """Return a collection by name or id."""

    def calibrate(self, collection_id: str, calibration: Mapping[str, Any] | None) -> None:
        """Keep what was learnt from a collection's questions; None forgets it."""


@dataclass(frozen=True, slots=True)
class CalibrationReport:
    """The outcome of a calibration.

    Args:
        collection: Its name.
        n_answerable: Questions with an answer that were learnt from.
        n_unanswerable: Questions without one.
        n_left_out: Questions that no weight decides: nothing was found, or they share no script with the text.
        present: Weights before.
        learnt: The new ones, and what both do.
        is_kept: Whether the collection now decides by the new ones.
    """

    collection: str
    n_answerable: int
    n_unanswerable: int
    n_left_out: int
    present: Weights
    learnt: Learnt
    is_kept: bool

    def as_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints; rates are shares."""
        return {
            "collection": self.collection,
            "questions": {
                "answerable": self.n_answerable,
                "unanswerable": self.n_unanswerable,
                "left_out": self.n_left_out,
            },
            "false_refusals": self._rates("false"),
            "caught": self._rates("caught"),
            "kept": self.is_kept,
            "weights": {"before": asdict(self.present), "after": asdict(self.learnt.weights)},
        }

    def _rates(self, name: str) -> dict[str, float]:
        measured = {"before": self.learnt.before, "held_out": self.learnt.held_out, "after": self.learnt.after}
        return {when: round(float(getattr(rates, name)), 4) for when, rates in measured.items()}

    def as_table(self) -> str:
        """Return the rates before, on questions held out and after, and each weight that changed, as lines."""
        learnt = self.learnt
        lines = [f"{'':16}{'before':>10}{'held out':>10}{'after':>10}"]
        for name, title in (("false", "false refusals"), ("caught", "caught")):
            lines.append(f"{title:16}" + "".join(f"{_share(rates, name):>10}" for rates in _three(learnt)))
        for weight in fields(Weights):
            before, after = getattr(self.present, weight.name), getattr(learnt.weights, weight.name)
            if before != after:
                lines.append(f"{weight.name:16}{before:>10.2f}{'':10}{after:>10.2f}")
        return "\n".join(lines)


def calibrate_folder(
    plan: EvalPlan,
    assistant: Assistant,
    catalog: KeepsCalibrations,
    ingest: Ingests | None,
    *,
    progress: Progress | None = None,
) -> CalibrationReport:
    """Learn from a folder's questions when to refuse, and keep it with the collection where it is better.

    No answer is made: searching tells the signals.

    Args:
        plan: Where the questions are, and the collection.
        assistant: Finds.
        catalog: Keeps what is learnt.
        ingest: Brings the folder's documents in; None: they are in the collection already.
        progress: Told of each question.

    Raises:
        EvaluationError: If the folder is not one, or its questions are too few.
        CollectionNotFoundError: If there is no such collection.
    """
    questions = spread(load_questions(plan.folder), plan.limit)
    if ingest is not None:
        ingest_folder(plan, ingest)
    collection = catalog.get_collection(plan.collection)
    present = calibrated_weights(collection.embedder, collection.calibration)
    labelled = asyncio.run(label_all(questions, collection.name, assistant, present, progress))
    # From the weights of all, not from those that these questions may have taught before: else none would be held out.
    learnt = learn(labelled, present, default_weights(collection.embedder))
    n_answerable = sum(one.is_answerable for one in labelled)
    n_unanswerable = len(labelled) - n_answerable
    if learnt.is_better:
        kept = Calibration(learnt.weights, time.time(), n_answerable, n_unanswerable)
        catalog.calibrate(collection.collection_id, kept.as_json())
    left_out = len(questions) - len(labelled)
    return CalibrationReport(collection.name, n_answerable, n_unanswerable, left_out, present, learnt, learnt.is_better)


def forget_calibration(catalog: KeepsCalibrations, name: str) -> bool:
    """Let a collection decide as all do; False if it did.

    Raises:
        CollectionNotFoundError: If there is no such collection.
    """
    collection = catalog.get_collection(name)
    catalog.calibrate(collection.collection_id, None)
    return collection.calibration is not None


async def label_all(
    questions: Sequence[Question], collection: str, assistant: Assistant, weights: Weights, progress: Progress | None
) -> list[Labelled]:
    """Return the signals of all questions that a weight decides, without answering them."""
    labelled = []
    try:
        for done, question in enumerate(questions, 1):
            one = await _label(question, collection, assistant, weights)
            if one is not None:
                labelled.append(one)
            if progress is not None:
                progress(done, len(questions))
    finally:
        await assistant.aclose()
    return labelled


async def _label(question: Question, collection: str, assistant: Assistant, weights: Weights) -> Labelled | None:
    """Return a question's signals; None where no weight decides it."""
    try:
        found = await assistant.afind(question.question, question.history, collection)
    except QuestionError:
        return None
    if found is None:
        return None
    summed = [decision.signals for decision in decide_all(found, weights) if "sum" in decision.signals]
    if not summed:
        return None
    told = max(summed, key=lambda signals: signals["sum"])
    signals = Signals(**{name.name: told[name.name] for name in fields(Signals)})
    return Labelled(signals, question.is_answerable)


def _three(learnt: Learnt) -> tuple[Rates, Rates, Rates]:
    return learnt.before, learnt.held_out, learnt.after


def _share(rates: Rates, name: str) -> str:
    return f"{getattr(rates, name):.1%}"
