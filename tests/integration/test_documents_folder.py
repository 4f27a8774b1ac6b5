"""The evaluation's folder of files through the real stores: what is found where, what is refused, and why."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.objects import Json, search_object
from ingest import Ingestor
from ingest.report import IngestReport
from ingest.settings import IngestSettings, LoadSettings, OcrSettings
from retrieval.data_folder import DataFolder
from retrieval.settings import RetrievalSettings
from tests.integration.cli_process import huozi

FOLDER = Path(os.environ.get("HUOZI_EVAL_DIR", "../shared/eval")).resolve() / "documents"
MANIFEST = FOLDER / "manifest.jsonl"
REFUSED = {
    "薪酬方案_加密.pdf": ("encrypted", "已加密"),
    "损坏.docx": ("broken_file", "已损坏"),
    "空文件.txt": ("empty_file", "没有文字"),
}
"""Code and words for each file that the manifest wants refused."""

CASES: list[Json] = [json.loads(line) for line in MANIFEST.read_text("utf-8").splitlines()] if MANIFEST.exists() else []
READABLE = [case for case in CASES if case["expect"] == "text"]
PHRASES = [(case["file"], phrase) for case in READABLE for phrase in case["must_contain"]]

pytestmark = pytest.mark.skipif(not CASES, reason=f"no files to ingest in {str(FOLDER)!r}: set HUOZI_EVAL_DIR")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("documents") / "data"


@pytest.fixture(scope="module")
def folder(data: Path) -> Iterator[DataFolder]:
    with DataFolder.open(RetrievalSettings(data_dir=data, embedder="none")) as opened:
        yield opened


@pytest.fixture(scope="module")
def report(folder: DataFolder) -> IngestReport:
    # How well scans are read is told by benchmarks/ocr.py; here they would take most of the time.
    return Ingestor(folder, IngestSettings(load=LoadSettings(ocr=OcrSettings(mode="off")))).ingest([FOLDER])


def stored_text(folder: DataFolder, name: str) -> str:
    collection = folder.catalog.get_collection("default")
    listed = {Path(one.source).name: one for one in folder.catalog.list_documents(collection.collection_id)}
    return squeeze(folder.catalog.document_text(listed[name].document_id).text)


def squeeze(text: str) -> str:
    return "".join(text.split())


def test_every_file_is_taken_or_refused_when_the_folder_is_ingested(report: IngestReport) -> None:
    wanted = {case["file"] for case in CASES}
    failed = {Path(one.source).name for one in report.failed}

    # What tells of the files is none of them.
    assert report.added + len(failed) == len(wanted)
    assert failed <= {case["file"] for case in CASES if case["expect"] != "text"}


@pytest.mark.parametrize(("name", "phrase"), [pytest.param(*one, id="-".join(one)) for one in PHRASES])
def test_phrase_is_found_in_its_file_when_it_is_searched(
    name: str, phrase: str, folder: DataFolder, report: IngestReport
) -> None:
    found = search_object(folder.retriever.retrieve(phrase, collection="default", top_k=5))

    texts = [squeeze(hit["text"]) for hit in found["hits"] if Path(hit["source"]).name == name]
    assert any(squeeze(phrase) in text for text in texts), [hit["source"] for hit in found["hits"]]


@pytest.mark.parametrize("case", [pytest.param(case, id=case["file"]) for case in READABLE])
def test_stored_text_holds_what_a_reader_sees_and_nothing_else_when_a_file_is_ingested(
    case: Json, folder: DataFolder, report: IngestReport
) -> None:
    text = stored_text(folder, case["file"])

    assert [phrase for phrase in case["must_contain"] if squeeze(phrase) not in text] == []
    assert [phrase for phrase in case["must_not_contain"] if squeeze(phrase) in text] == []


@pytest.mark.parametrize("name", [case["file"] for case in CASES if case["expect"] == "error"])
def test_file_is_refused_with_its_reason_when_it_cannot_be_read(name: str, report: IngestReport) -> None:
    failures = {Path(one.source).name: one for one in report.failed}

    code, words = REFUSED[name]
    assert failures[name].code == code
    assert words in failures[name].message.zh


def test_scanned_file_is_listed_for_ocr_when_nothing_reads_its_pictures(report: IngestReport) -> None:
    scanned = {case["file"] for case in CASES if case["expect"] == "needs-ocr"}

    assert {Path(one.source).name for one in report.failed if one.code == "needs_ocr"} == scanned


def test_command_finds_a_phrase_when_the_folder_was_ingested(tmp_path: Path) -> None:
    own = tmp_path / "data"
    done = huozi("ingest", str(FOLDER), "--json", data=own, HUOZI_OCR__MODE="off")
    found = huozi("search", "皮带张力应保持在45牛至55牛之间", "--json", data=own)

    assert done.returncode == 1 and {one["code"] for one in json.loads(done.stdout)["failed"]} >= {"encrypted"}
    hit = json.loads(found.stdout)["hits"][0]
    assert (hit["source"], hit["page"]) == ("documents/设备维护规程_双栏.pdf", 1)
