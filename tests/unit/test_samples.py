"""The sample documents hold what `samples/questions.jsonl` says they hold, as our own loaders read them."""

from __future__ import annotations

import json
from bisect import bisect_right
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ingest.loaders import is_candidate, load
from retrieval.models import Document

SAMPLES = Path(__file__).parents[2] / "samples"
QUESTIONS = [json.loads(line) for line in (SAMPLES / "questions.jsonl").read_text(encoding="utf-8").splitlines()]
ANSWERABLE = [question for question in QUESTIONS if question["answerable"]]
DOCUMENTS = sorted(path.name for path in SAMPLES.iterdir() if is_candidate(path.name))

Question = dict[str, Any]


@cache
def loaded(name: str) -> Document:
    return load((SAMPLES / name).read_bytes(), source=name).document


def squeeze(text: str) -> str:
    return "".join(text.split())


def pages_of(document: Document, quote: str) -> list[int]:
    """Pages on which the quote starts, white space ignored."""
    where = [offset for offset, char in enumerate(document.text) if not char.isspace()]
    text, quote = squeeze(document.text), squeeze(quote)
    starts = [where[at] for at in range(len(text)) if text.startswith(quote, at)]
    return [bisect_right(document.page_starts, start) for start in starts]


def test_samples_are_a_dozen_documents_when_the_folder_is_ingested() -> None:
    assert len(DOCUMENTS) == 12
    assert {Path(name).suffix for name in DOCUMENTS} == {".docx", ".html", ".md", ".pdf", ".txt"}


def test_question_ids_are_unique_when_the_set_is_read() -> None:
    assert len({question["query_id"] for question in QUESTIONS}) == len(QUESTIONS) == 40


def test_some_questions_have_no_answer_when_the_set_is_read() -> None:
    unanswerable = [question for question in QUESTIONS if not question["answerable"]]
    assert len(unanswerable) == 7
    for question in unanswerable:
        assert question["type"].startswith("no-answer/")
        assert question["answers"] == question["gold_doc_ids"] == []


def test_every_document_is_asked_about_when_the_set_is_read() -> None:
    assert sorted({name for question in ANSWERABLE for name in question["gold_doc_ids"]}) == DOCUMENTS


@pytest.mark.parametrize("question", ANSWERABLE, ids=lambda question: question["query_id"])
def test_quote_is_in_its_document_when_loaded(question: Question) -> None:
    (name,) = question["gold_doc_ids"]
    assert squeeze(question["quote"]) in squeeze(loaded(name).text)


@pytest.mark.parametrize("question", ANSWERABLE, ids=lambda question: question["query_id"])
def test_answer_is_in_its_document_when_loaded(question: Question) -> None:
    (name,) = question["gold_doc_ids"]
    text = squeeze(loaded(name).text)
    assert any(squeeze(answer) in text for answer in question["answers"])


@pytest.mark.parametrize(
    "question",
    [question for question in ANSWERABLE if question["gold_doc_ids"][0].endswith(".pdf")],
    ids=lambda question: question["query_id"],
)
def test_gold_pages_are_the_quotes_pages_when_loaded(question: Question) -> None:
    document = loaded(question["gold_doc_ids"][0])
    assert pages_of(document, question["quote"]) == question["gold_pages"]


@pytest.mark.parametrize(("name", "pages"), [("YH-P20压力变送器产品手册.pdf", 6), ("2025年度经营简报.pdf", 4)])
def test_pdf_has_its_pages_when_loaded(name: str, pages: int) -> None:
    assert len(loaded(name).page_starts) == pages


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("国庆节放假及值班通知.txt", "gbk"),
        ("采购管理办法.html", "gb2312"),
        ("颱風及暴雨工作安排公告.txt", "big5"),
    ],
)
def test_legacy_encoding_is_kept_when_the_file_is_read(name: str, encoding: str) -> None:
    data = (SAMPLES / name).read_bytes()
    assert data.decode(encoding)
    with pytest.raises(UnicodeDecodeError):
        data.decode("utf-8")


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("差旅报销标准.md", "差旅报销标准"),
        ("采购管理办法.html", "采购管理办法"),
        ("员工手册.docx", "员工手册"),
        ("2025年度经营简报.pdf", "2025年度经营简报"),
    ],
)
def test_title_is_the_documents_own_when_it_has_one(name: str, title: str) -> None:
    assert loaded(name).title == title


def test_list_numbers_stand_once_when_markdown_is_loaded() -> None:
    lines = loaded("差旅报销标准.md").text.splitlines()
    assert [line[:2] for line in lines if "住宿发票遗失" in line or "高铁和动车" in line] == ["1.", "5."]
