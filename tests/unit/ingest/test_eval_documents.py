"""The loaders on the evaluation's files, of the formats that are supported."""

import json
import os
from pathlib import Path

import pytest

from ingest.errors import IngestError, UnsupportedFormatError
from ingest.loaders import load
from ingest.settings import LoadSettings, OcrSettings
from ingest.split import split

FOLDER = Path(os.environ.get("HUOZI_EVAL_DIR", "../shared/eval")) / "documents"
SUPPORTED = ("docx", "txt", "html", "doc (HTML inside)", "md", "pdf", "xls", "csv", "pptx", "eml")


def cases() -> list[dict]:
    manifest = FOLDER / "manifest.jsonl"
    return [json.loads(line) for line in manifest.read_text("utf-8").splitlines()] if manifest.exists() else []


pytestmark = pytest.mark.skipif(not cases(), reason="no evaluation data: set HUOZI_EVAL_DIR")


def squeeze(text: str) -> str:
    return "".join(text.split())


@pytest.mark.parametrize("case", [pytest.param(case, id=case["file"]) for case in cases()])
def test_file_is_read_or_refused_as_the_manifest_says(case):
    data = (FOLDER / case["file"]).read_bytes()
    if case["expect"] == "text" and case["format"].startswith(SUPPORTED):
        document = load(data, source=case["file"]).document
        text = squeeze(document.text)
        assert [phrase for phrase in case["must_contain"] if squeeze(phrase) not in text] == []
        assert [phrase for phrase in case["must_not_contain"] if squeeze(phrase) in text] == []
        assert squeeze("".join(document.text[s.start : s.end] for s in split(document))) == text
        return
    with pytest.raises(IngestError) as caught:
        load(data, source=case["file"], settings=LoadSettings(ocr=OcrSettings(mode="off")))
    if case["expect"] == "needs-ocr":
        assert caught.value.code == "needs_ocr"
    elif case["expect"] == "error":
        assert caught.value.code in ("encrypted", "broken_file", "empty_file")
    else:
        assert type(caught.value) is UnsupportedFormatError


def test_book_has_its_pages():
    path = FOLDER.parent / "chatgpt_book" / "chatgpt_book.pdf"
    document = load(path.read_bytes(), source=path.name).document

    assert (document.title, len(document.page_starts)) == ("ChatGPT 调研报告", 93)
    page_6 = document.text[document.page_starts[5] : document.page_starts[6]]
    assert page_6.startswith("第一章 ChatGPT 的背景与意义")
    assert "国务院 2017 年印发的《新一代人工智能发展规划》将知识计算与服务、跨媒体分析推理和自然语言处理" in page_6
