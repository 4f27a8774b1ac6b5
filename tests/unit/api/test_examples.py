from __future__ import annotations

import json
from pathlib import Path

from api.examples import examples


def questions(path: Path, *lines: tuple[str, str, bool]) -> Path:
    file = path / "questions.jsonl"
    rows = [{"question": q, "gold_doc_ids": [name] if ok else [], "answerable": ok} for q, name, ok in lines]
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return file


def test_one_question_a_document_is_offered_when_the_samples_are_there(tmp_path: Path):
    file = questions(
        tmp_path, ("甲一", "甲.md", True), ("甲二", "甲.md", True), ("乙", "乙.md", True), ("无", "", False)
    )
    assert examples({"/home/人/samples/甲.md", "C:\\samples\\乙.md"}, file) == ["甲一", "乙"]


def test_nothing_is_offered_when_the_documents_are_others(tmp_path: Path):
    assert examples({"别的.md"}, questions(tmp_path, ("甲", "甲.md", True))) == []


def test_nothing_is_offered_when_there_are_no_samples(tmp_path: Path):
    assert examples({"甲.md"}, tmp_path / "none.jsonl") == []
