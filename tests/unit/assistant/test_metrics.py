from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from assistant.evaluation.corpus import Question, load_corpus, load_questions
from assistant.evaluation.metrics import Passage, Row, holds, normalise, overlap_f1, run_f1, score, score_by_type
from assistant.evaluation.report import EvalReport
from tests.unit.assistant.eval_data import EVAL_DIR, needs_eval_data

SETS = ["cmrc", "drcd", "rgb", "dureader", "dragonball", "regulations", "chatgpt_book", "conversations", "documents"]


def made_up_rows(questions: list[Question], texts: dict[str, str], dice: random.Random) -> list[Row]:
    """Rows that are right, half right and wrong in every way."""
    rows = []
    for question in questions:
        if dice.random() < 0.05:
            continue
        doc_ids = dice.sample(sorted(texts), min(len(texts), 8)) + list(question.gold_doc_ids)
        dice.shuffle(doc_ids)
        passages = [passage_of(doc_id, question, texts, dice) for doc_id in doc_ids]
        answers = ["", "不知道", *question.answers, *(group[0] + "等" for group in question.answer_groups)]
        answer = "，".join(dice.sample(answers, min(len(answers), dice.choice([1, 2]))))
        cited = dice.sample(passages, dice.choice([0, 1, 2]))
        rows.append(Row(question.query_id, tuple(passages), answer, dice.random() < 0.2, tuple(cited)))
    return rows


def passage_of(doc_id: str, question: Question, texts: dict[str, str], dice: random.Random) -> Passage:
    text = texts.get(doc_id) or "。".join([*question.answers, *question.evidence])
    start = dice.randrange(0, len(text) + 1)
    pages = tuple(dice.sample(range(1, 9), 2)) if question.gold_pages else ()
    return Passage(doc_id, dice.choice([text, text[:start]]), pages)


@needs_eval_data
@pytest.mark.parametrize("name", SETS)
def test_figures_equal_the_reference_scorers_when_run_on_the_same_file(name: str, tmp_path: Path) -> None:
    lines = (EVAL_DIR / name / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    (tmp_path / "queries.jsonl").write_text("\n".join(lines[:: len(lines) // 150 + 1]), encoding="utf-8")
    questions = load_questions(tmp_path)
    corpus = EVAL_DIR / name / "corpus.jsonl"
    texts = {one.doc_id: one.text for one in load_corpus(corpus)} if corpus.is_file() else {"a": "甲", "b": "乙"}
    rows = made_up_rows(questions, texts, random.Random(name))
    run = tmp_path / "run.jsonl"
    EvalReport(score(questions, rows), {}, tuple(rows), (), 0.0).write_run(run)
    command = [sys.executable, str(EVAL_DIR / "evaluate.py"), str(run), "--json", "--by-type"]
    command += ["--queries", str(tmp_path / "queries.jsonl")]
    told = subprocess.run(command, capture_output=True, check=True, text=True)
    expected: dict[str, Any] = json.loads(told.stdout)
    assert score(questions, rows) == pytest.approx(expected.pop("all"))
    by_type = score_by_type(questions, rows)
    assert by_type.keys() == expected.keys()
    for kind, figures in by_type.items():
        assert figures == pytest.approx(expected[kind])


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("２月９日（除夕）、1,847 人，7.1 元 。", "2月9日除夕1847人7.1元"),
        ("52 86\n1.4", "52|86|1.4"),
        ("A_B 50％", "ab50%"),
    ],
)
def test_texts_compare_equal_when_written_otherwise(text: str, normal: str) -> None:
    assert normalise(text) == normal


@pytest.mark.parametrize(
    ("text", "wanted", "expected"),
    [
        ("共５ 天。", "5天", True),
        ("共15天", "5天", False),
        ("5.5%", "5%", False),
        ("15天，另5天", "5天", True),
        ("甲", "", False),
    ],
)
def test_numbers_match_when_whole(text: str, wanted: str, expected: bool) -> None:
    assert holds(text, [wanted]) is expected


def test_f1_compares_runs_and_bags_when_order_differs() -> None:
    assert run_f1("京北", "北京") == pytest.approx(0.5)
    assert overlap_f1("京北", "北京") == pytest.approx(1.0)
    assert run_f1("", "北京") == 0.0


def test_figures_are_the_hand_worked_ones_when_two_questions_are_scored() -> None:
    questions = [
        Question("a", "几天？", answers=("5天",), gold_doc_ids=("d1", "d2")),
        Question("b", "火星？", is_answerable=False),
    ]
    rows = [
        Row(
            "a",
            (Passage("d9", "5 天"), Passage("d1", "共５天。")),
            "是5天",
            citations=(Passage("d1", "共５天。"), Passage("d9")),
        ),
        Row("b", is_refused=True),
    ]
    figures = score(questions, rows)
    assert figures["questions"] == 2 and figures["without answer"] == 1
    assert (figures["recall@1"], figures["recall@5"], figures["MRR@10"]) == (0.0, 0.5, 0.5)
    assert (figures["passage hit@1"], figures["passage hit@5"]) == (0.0, 1.0)
    assert (figures["contains_gold"], figures["EM"], figures["answered"]) == (1.0, 0.0, 1.0)
    assert (figures["refusal precision"], figures["refusal recall"], figures["refusal F1"]) == (1.0, 1.0, 1.0)
    assert (figures["citation precision"], figures["citation coverage"]) == (0.5, 1.0)
