"""A worker that dies takes one document with it; a run that is stopped takes its worker with it."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ingest import Ingestor
from ingest.sandbox import ahead
from ingest.sandbox import child as child_module
from ingest.settings import IngestSettings
from retrieval.doctor import check
from tests.hurt_worker import START
from tests.stores import open_folder

ROOT = Path(__file__).parents[2]
APART = IngestSettings(parse_apart="always")
DEADLINE_S = 60.0


@pytest.fixture
def hurt(monkeypatch):
    monkeypatch.setattr(child_module, "_START", START)


@pytest.fixture
def docs(tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    for number in range(12):
        (folder / f"{number:02d}.txt").write_text(f"第{number}条 年假{number}天。" * 50, "utf-8")
    return folder


def ingest(tmp_path, docs, settings=APART):
    """Return the report, and the names of what is stored and found."""
    with open_folder(tmp_path / "data") as folder:
        report = Ingestor(folder, settings).ingest([docs])
        collection_id = folder.collection("default").collection_id
        stored = {Path(document.source).name for document in folder.catalog.list_documents(collection_id)}
        assert check(folder).problems == ()
    return report, stored


@pytest.mark.parametrize(("mark", "reason"), [("!kill", "SIGKILL"), ("!exit", "exit status 3")])
def test_one_document_fails_when_the_worker_dies_on_it(tmp_path, docs, hurt, mark, reason):
    (docs / "05.txt").write_text(mark, "utf-8")

    report, stored = ingest(tmp_path, docs)

    assert [(Path(x.source).name, x.code) for x in report.failed] == [("05.txt", "parser_crashed")]
    assert f"解析 'docs/05.txt' 时解析程序崩溃（{reason}）。" in report.failed[0].message.zh
    assert stored == {f"{number:02d}.txt" for number in range(12)} - {"05.txt"}


def test_each_bad_document_fails_alone_when_many_kill_the_worker(tmp_path, docs, hurt):
    bad = {"00.txt", "01.txt", "06.txt", "11.txt"}
    for name in bad:
        (docs / name).write_text("!kill", "utf-8")

    report, stored = ingest(tmp_path, docs)

    assert [Path(x.source).name for x in report.failed] == sorted(bad)
    assert stored == {f"{number:02d}.txt" for number in range(12)} - bad


def test_run_goes_on_here_with_a_warning_when_no_worker_starts(tmp_path, docs, monkeypatch, caplog):
    monkeypatch.setattr(child_module, "_START", "raise SystemExit(7)")

    with caplog.at_level(logging.WARNING):
        report, stored = ingest(tmp_path, docs)

    assert (report.failed, len(stored)) == ([], 12)
    assert [record.getMessage() for record in caplog.records if record.name == "ingest.sandbox.ahead"] == [
        "No worker process for parsing (exit status 7); this process parses instead."
    ]


def test_run_goes_on_here_with_a_warning_when_the_worker_says_nothing(tmp_path, docs, monkeypatch, caplog):
    monkeypatch.setattr(child_module, "_START", "import time; time.sleep(60)")
    monkeypatch.setattr(ahead, "START_TIMEOUT_S", 0.2)

    report, stored = ingest(tmp_path, docs)

    assert (report.failed, len(stored)) == ([], 12)
    assert "it did not start within" in caplog.text


# No `if __name__ == "__main__"`: started by multiprocessing, a worker would run all of it again.
SCRIPT = """
import json, sys
from pathlib import Path
from ingest import Ingestor
from ingest.sandbox import child as child_module
from ingest.settings import IngestSettings
from tests.stores import open_folder
print("started", flush=True)
plain = child_module.Child.__init__
def shown(self, settings):
    plain(self, settings)
    print(json.dumps({"pid": self.pid}), flush=True)
child_module.Child.__init__ = shown
child_module._START = sys.argv[3]
with open_folder(Path(sys.argv[1])) as folder:
    report = Ingestor(folder, IngestSettings(parse_apart="always")).ingest([sys.argv[2]])
    print(json.dumps({"added": report.added}), flush=True)
"""


@contextmanager
def start_script(tmp_path, docs, start) -> "Iterator[subprocess.Popen[str]]":
    """A user's script, as it lies in a file of its own; killed at the end, should it still run."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, "utf-8")
    with subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "data"), str(docs), start],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_gone(pid: int) -> bool:
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True  # Ended; its new parent has not looked yet.
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.02)
    return False


def test_script_without_a_guard_runs_once_when_it_ingests(tmp_path, docs):
    with start_script(tmp_path, docs, child_module._START) as process:
        output, errors = process.communicate(timeout=DEADLINE_S)

    lines = output.splitlines()
    assert (process.returncode, lines[0], json.loads(lines[-1])) == (0, "started", {"added": 12}), errors
    assert wait_gone(json.loads(lines[1])["pid"])


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_worker_and_nothing_half_done_stays_when_a_run_is_stopped(tmp_path, docs, stop):
    (docs / "08.txt").write_text("!hang", "utf-8")
    with start_script(tmp_path, docs, START) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == "started\n"
        pid = json.loads(process.stdout.readline())["pid"]
        time.sleep(0.5)

        process.send_signal(stop)
        process.communicate(timeout=DEADLINE_S)

    assert process.returncode != 0 and wait_gone(pid)
    (docs / "08.txt").write_text("年假五天。", "utf-8")
    report, stored = ingest(tmp_path, docs)
    assert (report.failed, len(stored)) == ([], 12)
