from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from assistant import Assistant
from assistant.errors import EvaluationError
from assistant.evaluation.calibrate import calibrate_folder, forget_calibration
from assistant.evaluation.run import EvalPlan
from assistant.refusal.weights import KEYWORD_WEIGHTS, Calibration
from retrieval.catalog import Catalog
from retrieval.errors import CollectionNotFoundError
from retrieval.models import Retrieval
from tests.unit.assistant.builders import GOOD, FakeRetriever, source


@dataclass
class ByQuestion(FakeRetriever):
    """Finds a chunk that fits the less the more the question asks for nonsense."""

    def retrieve(self, question: str, **options: object) -> Retrieval:
        coverage = 0.35 if "火星" in question else 0.9
        fits = replace(GOOD, keyword=9.0 if "火星" in question else 30.0)
        hit = source("年休假为5天，病假为10天，产假为98天。", coverage=coverage)
        return Retrieval(question, "制度", (hit,) if question != "空" else (), fits)


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    opened = Catalog(tmp_path / "catalog.db")
    opened.create_collection("制度", "none", 0)
    yield opened
    opened.close()


def write(folder: Path, n_answerable: int, n_unanswerable: int) -> Path:
    lines = [{"question": f"第{n}条年休假为几天？", "answerable": True} for n in range(n_answerable)]
    lines += [{"question": f"第{n}条年休假在火星几天？", "answerable": False} for n in range(n_unanswerable)]
    lines += [{"question": "空", "answerable": True}, {"question": "  ", "answerable": True}]
    text = "".join(json.dumps({"query_id": str(n), **line}) + "\n" for n, line in enumerate(lines))
    (folder / "queries.jsonl").write_text(text, encoding="utf-8")
    return folder


def test_calibration_is_kept_and_decides_when_it_is_better(tmp_path: Path, catalog: Catalog) -> None:
    assistant = Assistant(ByQuestion(), catalog=catalog)
    assert not assistant.ask("第1条年休假在火星几天？", collection="制度").refused
    seen: list[tuple[int, int]] = []
    plan = EvalPlan(write(tmp_path, 60, 12), "制度")
    report = calibrate_folder(plan, assistant, catalog, None, progress=lambda *done: seen.append(done))
    assert seen[-1] == (74, 74)
    assert (report.n_answerable, report.n_unanswerable, report.n_left_out) == (60, 12, 2)
    assert report.is_kept
    kept = Calibration.from_json(catalog.get_collection("制度").calibration or {})
    assert kept is not None
    assert kept.weights == report.learnt.weights != KEYWORD_WEIGHTS
    assert assistant.ask("第1条年休假在火星几天？", collection="制度").refused
    assert not assistant.ask("第1条年休假为几天？", collection="制度").refused
    assert report.as_json()["caught"] == {"before": 0.0, "held_out": 1.0, "after": 1.0}
    assert report.as_table().splitlines()[2].split() == ["caught", "0.0%", "100.0%", "100.0%"]
    assert "threshold" in report.as_table()


def test_second_calibration_starts_from_the_weights_of_all(tmp_path: Path, catalog: Catalog) -> None:
    assistant = Assistant(ByQuestion(), catalog=catalog)
    plan = EvalPlan(write(tmp_path, 60, 12), "制度")
    first = calibrate_folder(plan, assistant, catalog, None)
    again = calibrate_folder(plan, assistant, catalog, None)
    assert again.present == first.learnt.weights == again.learnt.weights
    assert not again.is_kept  # no better than what is kept


def test_collection_decides_as_all_do_when_its_calibration_is_forgotten(tmp_path: Path, catalog: Catalog) -> None:
    assistant = Assistant(ByQuestion(), catalog=catalog)
    calibrate_folder(EvalPlan(write(tmp_path, 60, 12), "制度"), assistant, catalog, None)
    assert forget_calibration(catalog, "制度")
    assert not forget_calibration(catalog, "制度")
    assert not assistant.ask("第1条年休假在火星几天？", collection="制度").refused
    with pytest.raises(CollectionNotFoundError):
        forget_calibration(catalog, "没有")


def test_nothing_changes_when_questions_are_too_few(tmp_path: Path, catalog: Catalog) -> None:
    assistant = Assistant(ByQuestion(), catalog=catalog)
    with pytest.raises(EvaluationError, match="too few to calibrate by: 40 and 5 are needed"):
        calibrate_folder(EvalPlan(write(tmp_path, 30, 12), "制度"), assistant, catalog, None)
    assert catalog.get_collection("制度").calibration is None
