from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from assistant import Assistant, LlmSettings
from assistant.errors import ModelServerDownError
from assistant.evaluation.corpus import CorpusDocument, EvaluationError, find_corpus, load_questions
from assistant.evaluation.run import EvalPlan, evaluate_folder, spread
from tests.servers import FakeModelServer, Status, free_url
from tests.unit.assistant.builders import FakeCatalog, FakeRetriever, source

HITS = (source("总则。年休假为5天。", name="docs/手册.pdf", start=8, page=1), source("住宿费400元。", name="差旅.md"))


class Ingested:
    """Remembers what it was given."""

    def __init__(self) -> None:
        self.documents: list[CorpusDocument] = []
        self.paths: list[Path] = []

    def texts(self, documents: Sequence[CorpusDocument], collection: str) -> None:
        self.documents.extend(documents)

    def files(self, paths: Sequence[Path], collection: str) -> None:
        self.paths.extend(paths)


def write_lines(path: Path, *lines: object) -> None:
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_lines(
        tmp_path / "queries.jsonl",
        {
            "query_id": "q1",
            "question": "那年休假有几天？",
            "history": [{"role": "user", "content": "入职满一年"}, {"role": "assistant", "content": "好"}],
            "answers": ["5天"],
            "gold_doc_ids": ["手册.pdf"],
            "gold_pages": [2],
            "type": "事实",
        },
    )
    return tmp_path


def test_files_are_the_corpus_when_there_is_no_other(folder: Path) -> None:
    (folder / "手册.pdf").write_bytes(b"%PDF")
    (folder / ".hidden").write_text("x")
    write_lines(folder / "manifest.jsonl", {})
    ingested, retriever = Ingested(), FakeRetriever(HITS)
    assistant = Assistant(retriever, catalog=FakeCatalog(starts=(0, 10)))
    seen: list[tuple[int, int]] = []
    plan = EvalPlan(folder, "评测")
    report = evaluate_folder(plan, assistant, ingested, progress=lambda *done: seen.append(done))
    assert [path.name for path in ingested.paths] == ["手册.pdf"]
    assert retriever.asked[0]["collection"] == "评测"
    assert "入职满一年" in retriever.asked[0]["context"]
    assert seen == [(1, 1)]
    assert report.metrics["page MRR@10"] == 1.0 and report.metrics["contains_gold"] == 1.0
    assert report.rows[0].retrieved[0].pages == (1, 2)
    assert "[1]" not in report.rows[0].answer
    assert report.by_type.keys() == {"事实"}
    assert "contains_gold" in report.as_table() and report.as_json()["metrics"] == report.metrics


def test_corpus_file_is_used_when_given(folder: Path) -> None:
    write_lines(folder / "other.jsonl", {"doc_id": "手册.pdf", "text": "年休假为5天。"})
    ingested = Ingested()
    plan = EvalPlan(folder, "评测", corpus=folder / "other.jsonl")
    evaluate_folder(plan, Assistant(FakeRetriever(HITS)), ingested)
    assert ingested.documents == [CorpusDocument("手册.pdf", "", "年休假为5天。")]


def test_question_is_reported_when_its_answer_fails(folder: Path) -> None:
    (folder / "a.txt").write_text("x")
    with FakeModelServer([Status(400, {"error": {"message": "no"}})]) as server:
        assistant = Assistant(FakeRetriever(HITS), llm=LlmSettings(base_url=server.base_url))
        report = evaluate_folder(EvalPlan(folder, "评测"), assistant, Ingested())
    assert report.failed[0][0] == "q1" and "error 400: no" in report.failed[0][1]
    assert report.metrics["answered"] == 0.0


def test_evaluation_stops_when_the_model_server_is_down(folder: Path) -> None:
    (folder / "a.txt").write_text("x")
    assistant = Assistant(FakeRetriever(HITS), llm=LlmSettings(base_url=free_url()))
    with pytest.raises(ModelServerDownError):
        evaluate_folder(EvalPlan(folder, "评测"), assistant, Ingested())


def test_run_file_is_the_scorers_when_written(folder: Path) -> None:
    (folder / "a.txt").write_text("x")
    report = evaluate_folder(EvalPlan(folder, "评测"), Assistant(FakeRetriever(HITS)), Ingested())
    report.write_run(folder / "run.jsonl")
    line = json.loads((folder / "run.jsonl").read_text(encoding="utf-8"))
    assert line.keys() == {"query_id", "retrieved", "answer", "refused", "citations"}
    assert line["retrieved"][0] == {"doc_id": "手册.pdf", "text": "总则。年休假为5天。", "pages": [1]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "holds no questions."),
        ("{nope\n", "Line 1 of"),
        ('{"question": "甲"}\n', "Line 1 of"),
        ("[]\n", "Line 1 of"),
    ],
)
def test_folder_is_refused_when_its_questions_cannot_be_read(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "queries.jsonl").write_text(content)
    with pytest.raises(EvaluationError, match=message):
        load_questions(tmp_path)


def test_samples_can_be_evaluated_when_read_as_a_folder() -> None:
    samples = Path(__file__).parents[3] / "samples"
    questions, corpus = load_questions(samples), find_corpus(samples)
    assert not isinstance(corpus, Path)
    names = {path.name for path in corpus}
    assert len(names) == 12 and {name for question in questions for name in question.gold_doc_ids} == names


def test_folder_is_refused_when_it_holds_nothing(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="cannot be read"):
        load_questions(tmp_path)
    with pytest.raises(EvaluationError, match="There are no documents in"):
        find_corpus(tmp_path)


def test_questions_are_spread_when_limited(folder: Path) -> None:
    questions = load_questions(folder) * 10
    assert (
        len(spread(questions, 3)) == 3 and spread(questions, None) is questions and spread(questions, 99) is questions
    )


def test_empty_question_counts_as_unanswered_when_a_set_holds_one(tmp_path: Path) -> None:
    write_lines(tmp_path / "queries.jsonl", {"query_id": "q", "question": "", "answers": ["甲"], "gold_doc_ids": ["a"]})
    (tmp_path / "a.txt").write_text("x")
    report = evaluate_folder(EvalPlan(tmp_path, "评测"), Assistant(FakeRetriever(HITS)), Ingested())
    assert report.failed == () and report.metrics["answered"] == 0.0
