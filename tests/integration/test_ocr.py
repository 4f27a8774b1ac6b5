"""Scanned files from the command line to the search, with and without the extra; in confined workers."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ingest import Ingestor
from ingest.jobs.enqueue import enqueue_file
from ingest.loaders import load
from ingest.ocr import availability
from ingest.sandbox.ahead import Parser
from ingest.sandbox.parse import Parsed, ParseJob
from ingest.settings import IngestSettings, LoadSettings, OcrSettings
from retrieval.doctor import check
from retrieval.errors import MissingExtraError
from tests.integration.cli_process import huozi
from tests.pdf_files import make_pdf
from tests.picture_files import docx_with, joined_pdf, scanned_pdf, sheet
from tests.stores import open_folder

OFF = IngestSettings(load=LoadSettings(ocr=OcrSettings(mode="off")))
EVALUATION = Path(os.environ.get("HUOZI_EVAL_DIR", "../shared/eval")).resolve() / "documents"


@pytest.fixture
def folder(tmp_path):
    with open_folder(tmp_path / "data", embedder="none") as opened:
        yield opened


@pytest.fixture
def docs(tmp_path) -> Path:
    """A folder with a scan, a file that is partly one, a picture and a plain text."""
    path = tmp_path / "制度"
    path.mkdir()
    (path / "通知.pdf").write_bytes(scanned_pdf("notice"))
    (path / "设备.pdf").write_bytes(joined_pdf([make_pdf([[(60, 740, 10, "设备台账的说明。")]]), scanned_pdf("table")]))
    (path / "公告.png").write_bytes(sheet("traditional"))
    (path / "休假.md").write_text("# 休假制度\n\n员工每年有五天年假。\n", encoding="utf-8")
    return path


def found(folder, question):
    return {Path(hit.chunk.source).name for hit in folder.retriever.retrieve(question, collection="default").hits}


def waiting(folder):
    collection = folder.catalog.get_collection("default")
    failed = folder.catalog.jobs.find(collection_id=collection.collection_id, states=["failed"])
    return {record.source: record.error["code"] for record in failed}


def test_scans_are_listed_and_taken_up_when_ocr_comes_later(folder, docs):
    first = Ingestor(folder, OFF).ingest([docs])
    assert (first.added, [one.code for one in first.failed], len(first.warnings)) == (2, ["needs_ocr"], 1)
    assert waiting(folder) == {"制度/通知.pdf": "needs_ocr"}

    later = Ingestor(folder, OFF).ingest([], ocr=True)

    assert (later.added, later.updated, later.failed, waiting(folder)) == (1, 1, [], {})
    assert "通知.pdf" in found(folder, "停水期间消防水箱受影响吗")
    assert "设备.pdf" in found(folder, "空气压缩机的型号")
    assert check(folder).is_healthy


def test_nothing_is_read_again_when_ocr_has_read_it(folder, docs):
    Ingestor(folder).ingest([docs], ocr=True)

    for settings in (IngestSettings(), OFF):
        report = Ingestor(folder, settings).ingest([docs])
        assert (report.skipped, report.updated, report.failed) == (3, 0, [])
    assert Ingestor(folder).ingest([], ocr=True).updated == 0


def test_only_what_was_unread_is_read_again_when_the_extra_was_installed(folder, docs):
    Ingestor(folder, OFF).ingest([docs])
    assert Ingestor(folder, OFF).ingest([docs]).skipped == 2

    report = Ingestor(folder).ingest([docs])

    assert (report.added, report.updated, report.skipped) == (1, 1, 1)


def test_pictures_of_a_folder_are_read_only_when_asked_for(folder, docs):
    Ingestor(folder).ingest([docs])
    assert "公告.png" not in found(folder, "龍山寺機車停車格")

    Ingestor(folder).ingest([docs], ocr=True)
    assert "公告.png" in found(folder, "龍山寺機車停車格")


def test_pictures_are_not_gone_when_a_run_does_not_look_for_them(folder, docs):
    Ingestor(folder).ingest([docs], ocr=True)
    assert Ingestor(folder).ingest([docs], delete_missing=True).deleted == 0

    (docs / "公告.png").unlink()
    assert Ingestor(folder).ingest([docs], delete_missing=True, ocr=True).deleted == 1


def test_named_picture_needs_ocr_when_there_is_none(folder, docs):
    report = Ingestor(folder, OFF).ingest([docs / "公告.png"])

    assert [one.code for one in report.failed] == ["needs_ocr"]
    assert Ingestor(folder).ingest([docs / "公告.png"]).added == 1


def test_refused_file_is_forgotten_when_it_is_gone(folder, docs):
    Ingestor(folder, OFF).ingest([docs])
    (docs / "通知.pdf").unlink()

    report = Ingestor(folder).ingest([], ocr=True)

    assert (report.added, report.updated, report.failed, waiting(folder)) == (0, 1, [], {})


def test_upload_is_taken_up_with_its_attributes_when_ocr_comes_later(folder):
    folder.create_collection("default")
    for name, data in (("公告.png", sheet("traditional")), ("说明.docx", docx_with("notice"))):
        enqueue_file(folder, "default", name, data, options={"attributes": {"部门": "行政"}})
    Ingestor(folder, OFF).run_queue()
    assert waiting(folder) == {"公告.png": "needs_ocr"}

    ingestor = Ingestor(folder, OFF)
    report = ingestor.ingest([], ocr=True)
    ingestor.run_queue(ocr=True)

    assert (report.queued, report.updated, waiting(folder)) == (1, 1, {})
    assert found(folder, "龍山寺機車停車格") >= {"公告.png"} and found(folder, "停水通知") >= {"说明.docx"}
    hits = folder.retriever.retrieve("停水", collection="default", filters={"部门": "行政"}).hits
    assert {hit.chunk.source for hit in hits} >= {"说明.docx"}


def test_missing_extra_stops_the_run_when_pictures_must_be_read(folder, docs, monkeypatch):
    monkeypatch.setattr(availability, "is_installed", lambda: False)

    with pytest.raises(MissingExtraError, match="huozi-assistant"):
        Ingestor(folder).ingest([docs], ocr=True)

    report = Ingestor(folder, IngestSettings(parse_apart="never")).ingest([docs])
    assert (report.added, [one.code for one in report.failed]) == (2, ["needs_ocr"])


def test_page_stops_its_file_alone_when_its_time_is_up():
    ocr = OcrSettings(max_seconds_per_page=0.01)
    jobs = [("扫描", ParseJob("扫描.pdf", scanned_pdf("notice"))), ("文字", ParseJob("a.html", b"<p>five days</p>"))]
    with Parser(IngestSettings(load=LoadSettings(ocr=ocr))) as parser:
        (_, stopped), (_, read) = parser.parse_all(jobs)

    assert stopped.code == "parser_limit" and "0.01 seconds for the OCR of one page" in str(stopped)
    assert isinstance(read, Parsed)


def test_command_reads_what_is_left_when_it_is_called_without_paths(docs, tmp_path):
    data = tmp_path / "own"
    off = {"HUOZI_OCR__MODE": "off"}
    assert huozi("ingest", str(docs), data=data, **off).returncode == 1

    done = huozi("ingest", "--ocr", "--json", data=data, **off)

    report = json.loads(done.stdout)
    assert (done.returncode, report["added"], report["updated"]) == (0, 1, 1)
    assert huozi("ingest", data=data).returncode == 2


@pytest.mark.slow
@pytest.mark.skipif(not EVALUATION.is_dir(), reason=f"no scanned files in {str(EVALUATION)!r}: set HUOZI_EVAL_DIR")
def test_evaluation_scans_hold_their_phrases_when_they_are_read():
    lines = (EVALUATION / "manifest.jsonl").read_text("utf-8").splitlines() if EVALUATION.is_dir() else []
    cases = [case for case in map(json.loads, lines) if case["expect"] == "needs-ocr"]
    assert cases

    for case in cases:
        text = "".join(load((EVALUATION / case["file"]).read_bytes(), source=case["file"]).document.text.split())
        assert [phrase for phrase in case["must_contain"] if phrase not in text] == []
