"""What is refused rightly and falsely, set by set, and what weights found without a set do with it.

python -m benchmarks.refusal [--embedders e5 none] [--sets cmrc ...] [--data FOLDER] [--fit]

Asks the questions of the evaluation's sets (HUOZI_EVAL_DIR) and of samples/ without answering them. `--fit` looks for
weights on all sets but one, in turn, and measures them on that one: what to expect of documents that nobody tuned on.
The weight of a missing name stays as it is: two sets alone could teach it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt

from api.settings import Settings
from api.wiring import build
from assistant.evaluation.calibrate import label_all
from assistant.evaluation.calibration import Labelled, rates
from assistant.evaluation.corpus import CorpusDocument, load_questions
from assistant.evaluation.run import EvalPlan, ingest_folder, spread
from assistant.refusal.signals import Signals
from assistant.refusal.weights import Weights, default_weights
from benchmarks.measure import machine, report, say
from ingest import Ingestor, TextRecord
from ingest.report import IngestReport

EVAL = Path(os.environ.get("HUOZI_EVAL_DIR", "../shared/eval"))
SAMPLES = Path(__file__).parents[1] / "samples"
SETS = (
    "cmrc", "drcd", "rgb", "dureader", "dragonball", "regulations", "chatgpt_book", "conversations", "documents",
    "samples",
)  # fmt: skip
CORPUS_OF = {"conversations": "cmrc"}
SAME_TEXTS = {"conversations": "cmrc", "cmrc": "conversations"}
"""A set and the one that is held out with it."""

Floats = npt.NDArray[np.float64]
NAMES = [name.name for name in fields(Signals)]
FIXED = {"e5": ("missing_name", "unknown"), "none": ("missing_name", "similarity")}
MAX_FALSE = 0.048
MARGIN = 0.15  # kept between the threshold and the answerable questions that may not be refused
SOFTNESS = 0.35
FALSE_COST = 3.0
WORTH = {"cmrc": 1.0, "dragonball": 1.0, "regulations": 0.7, "chatgpt_book": 0.5, "samples": 0.4}
"""What catching a set's unanswerable questions is worth; rgb's look like the answerable ones to every signal."""
GOALS = {"cmrc": 0.87, "dragonball": 0.88, "regulations": 0.6, "chatgpt_book": 0.67, "samples": 0.3}
STEPS = 4_000
SPREAD = {
    "coverage": 0.25, "fit": 0.5, "similarity": 0.02, "lead": 0.2, "everyday": 0.2, "unknown": 2.0,
    "missing_name": 1.0, "missing_subject": 1.0, "missing_noun": 1.0,
}  # fmt: skip
"""About how far a signal's values lie apart: how large a step of its weight is."""


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.refusal", description=__doc__)
    parser.add_argument("--embedders", nargs="+", default=["e5", "none"], choices=["e5", "none"])
    parser.add_argument("--sets", nargs="+", default=SETS, choices=SETS)
    parser.add_argument("--data", type=Path, help="keep the data folders here, so that nothing is embedded twice")
    parser.add_argument("--limit", type=int, help="only so many questions a set, spread evenly")
    parser.add_argument("--fit", action="store_true", help="look for weights on all sets but one, in turn")
    options = parser.parse_args(argv)
    about = machine()
    figures: dict[str, object] = {}
    rows = []
    with tempfile.TemporaryDirectory(prefix="huozi-bench-") as scratch:
        for embedder in options.embedders:
            asked = {name: label(name, embedder, options.data or Path(scratch), options.limit) for name in options.sets}
            weights = default_weights(embedder)
            without = {name: fit_without(name, asked, embedder) for name in asked} if options.fit else {}
            for name, questions in asked.items():
                rows.append(row(name, embedder, questions, weights, without.get(name)))
            if options.fit:
                figures[embedder] = asdict(fit(asked, embedder))
    header = ["set", "embedder", "false", "caught", "false, left out", "caught, left out"]
    report("refusal", {**about, "rows": rows, "weights": figures}, header, rows)


def label(name: str, embedder: str, place: Path, limit: int | None) -> list[Labelled]:
    """Return the signals of a set's questions."""
    say(f"{name} with {embedder}")
    folder = SAMPLES if name == "samples" else EVAL / name
    corpus = EVAL / CORPUS_OF[name] / "corpus.jsonl" if name in CORPUS_OF else None
    settings = Settings(embedder=embedder, data_dir=place / f"{embedder}-{name}")
    with build(settings, purpose="benchmark") as built:
        plan = EvalPlan(folder, name, corpus=corpus)
        ingest_folder(plan, Ingests(built.ingestor))
        questions = spread(load_questions(folder), limit)
        return asyncio.run(label_all(questions, name, built.assistant, default_weights(embedder), None))


class Ingests:
    """Brings a set's documents in."""

    def __init__(self, ingestor: Ingestor) -> None:
        self._ingestor = ingestor

    def texts(self, documents: Sequence[CorpusDocument], collection: str) -> IngestReport:
        """Ingest the lines of a corpus."""
        records = [TextRecord(one.doc_id, one.title, one.text) for one in documents]
        return self._ingestor.ingest_records(records, collection)

    def files(self, paths: Sequence[Path], collection: str) -> IngestReport:
        """Ingest files."""
        return self._ingestor.ingest(paths, collection)


def row(
    name: str, embedder: str, questions: Sequence[Labelled], weights: Weights, without: Weights | None
) -> list[str]:
    """Return a set's line of the table (pure)."""
    n_unanswerable = sum(not question.is_answerable for question in questions)
    cells = [name, embedder]
    for used in (weights, without):
        found = rates(questions, used) if used is not None else None
        cells += ["-" if found is None else f"{found.false:.3f}"]
        cells += ["-" if found is None or not n_unanswerable else f"{found.caught:.3f} of {n_unanswerable}"]
    return cells


def fit_without(name: str, asked: Mapping[str, Sequence[Labelled]], embedder: str) -> Weights:
    """Return weights found without one set, and without another over the same texts."""
    return fit({key: value for key, value in asked.items() if key not in (name, SAME_TEXTS.get(name))}, embedder)


def fit(asked: Mapping[str, Sequence[Labelled]], embedder: str) -> Weights:
    """Return the best weights that a search by chance finds, from the present ones."""
    present = default_weights(embedder)
    matrices = {name: _matrices(questions) for name, questions in asked.items()}
    mean = np.vstack([answerable for answerable, _ in matrices.values()]).mean(axis=0)
    steps = np.array([0.0 if name in FIXED[embedder] else 1 / SPREAD[name] for name in NAMES])
    weights = np.array([getattr(present, name) for name in NAMES])
    signs, threshold, random = np.sign(weights), present.threshold, np.random.default_rng(0)
    best, size = _worth(matrices, weights, threshold), 0.5
    for step in range(STEPS):
        moved = weights + random.normal(size=len(NAMES)) * steps * size * (random.random(len(NAMES)) < 0.4)
        moved = np.where(moved * signs < 0, 0.0, moved)
        # The threshold follows the sums, or no step of a large weight would be taken.
        raised = threshold + float(mean @ (moved - weights)) + random.normal() * 0.3 * size
        if (worth := _worth(matrices, moved, raised)) > best:
            best, weights, threshold = worth, moved, raised
        if step % 400 == 399:
            size *= 0.75
    return Weights(**dict(zip(NAMES, map(float, weights), strict=True)), threshold=threshold)


def _matrices(questions: Sequence[Labelled]) -> tuple[Floats, Floats]:
    """Return the signals of the answerable and of the unanswerable questions, (questions, signals) each."""

    def of(is_answerable: bool) -> Floats:
        chosen = [question.signals for question in questions if question.is_answerable == is_answerable]
        return np.array([[getattr(one, name) for name in NAMES] for one in chosen]).reshape(-1, len(NAMES))

    return of(True), of(False)


def _worth(matrices: Mapping[str, tuple[Floats, Floats]], weights: Floats, threshold: float) -> float:
    """Return what weights are worth over all sets: caught less false, both soft; too much of either costs a lot."""
    total = 0.0
    for name, (answerable, unanswerable) in matrices.items():
        sums = answerable @ weights
        total -= FALSE_COST * _share_below(sums, threshold)
        allowed = int(MAX_FALSE * len(sums))
        total -= 300 * max(0, int((sums < threshold + MARGIN).sum()) - allowed) / len(sums)
        if len(unanswerable) and name in WORTH:
            sums = unanswerable @ weights
            total += WORTH[name] * _share_below(sums, threshold)
            total -= 50 * WORTH[name] * max(0.0, GOALS[name] - float((sums < threshold).mean()))
    return total


def _share_below(sums: Floats, threshold: float) -> float:
    return float(np.mean(1 / (1 + np.exp(np.clip((sums - threshold) / SOFTNESS, -50, 50)))))


if __name__ == "__main__":
    main()
