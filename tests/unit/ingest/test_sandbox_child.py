"""A real worker process: it gives what this process would, and leaves with whoever started it."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.errors import EncryptedError, IngestError, ParserCrashedError
from ingest.loaders import is_candidate
from ingest.sandbox import child as child_module
from ingest.sandbox.child import Child, ChildDiedError
from ingest.sandbox.parse import ParseJob, RecordLabel, indexed_texts, parse
from ingest.settings import IngestSettings, SplitSettings
from tests.hurt_worker import START

ROOT = Path(__file__).parents[3]
SETTINGS = IngestSettings(split=SplitSettings(max_chars=60, min_chars=10))
DEADLINE_S = 30.0


@pytest.fixture
def child(monkeypatch):
    monkeypatch.setattr(child_module, "_START", START)
    with Child(SETTINGS) as started:
        assert started.is_ready(DEADLINE_S)
        yield started


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_gone(pid: int) -> bool:
    end = time.monotonic() + DEADLINE_S
    while is_alive(pid) and time.monotonic() < end:
        time.sleep(0.02)
    return not is_alive(pid)


JOBS = [
    ParseJob("制度.txt", "第一条 年假五天。\n第二条 病假另计。𠮷䶮👩‍👩‍👧".encode("gb18030")),
    ParseJob("手册.md", "# 手册\n\n## 请假\n\n年假五天。\n\n| 天数 | 说明 |\n|---|---|\n| 5 | 全薪 |\n".encode()),
    ParseJob("页.html", "<h1>臺灣資料庫</h1><p>ＡＢＣ１２３</p>".encode()),
    ParseJob("第 1 条", "年假五天。".encode(), RecordLabel("题目", {"year": "2024"})),
]


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.source)
def test_worker_gives_what_this_process_would(child, job):
    here = parse(job, SETTINGS)

    child.send(job)
    there = child.receive()

    assert not isinstance(there, IngestError)
    assert there.indexed_texts == indexed_texts(here.document, here.spans)
    assert (there.document, there.spans, there.media_type) == (here.document, here.spans, here.media_type)


def test_worker_gives_the_same_for_every_sample(child):
    files = sorted(path for path in (ROOT / "samples").iterdir() if is_candidate(path.name))
    jobs = [ParseJob(path.name, path.read_bytes()) for path in files]
    for job in jobs:
        child.send(job)

    there = [child.receive() for _ in jobs]

    assert {Path(job.source).suffix for job in jobs} >= {".md", ".txt", ".html", ".pdf", ".docx"}
    assert [replace(parsed, indexed_texts=None) for parsed in there] == [parse(job, SETTINGS) for job in jobs]


def test_errors_keep_their_kind_when_a_worker_raises_them(child):
    child.send(ParseJob("a.pdf", b"not one"))
    child.send(ParseJob("b.txt", b"!raise"))
    child.send(ParseJob("c.txt", b"!encrypted"))

    assert [type(child.receive()).code for _ in range(3)] == ["broken_file", "parser_crashed", EncryptedError.code]


def test_results_come_in_order_when_jobs_are_sent_far_ahead(child):
    for number in range(300):
        child.send(ParseJob(f"{number}.txt", f"第{number}件。".encode() * 200))

    texts = [child.receive().document.text for _ in range(300)]

    assert [text.partition("。")[0] for text in texts] == [f"第{number}件" for number in range(300)]


def test_wire_stays_clean_when_a_parser_prints_and_reads(child):
    child.send(ParseJob("a.txt", "!print 年假五天。".encode()))
    child.send(ParseJob("b.txt", "病假另计。".encode()))

    assert [child.receive().document.text for _ in range(2)] == ["!print 年假五天。", "病假另计。"]


def test_ending_and_number_begun_are_told_when_a_worker_dies(child):
    child.send(ParseJob("a.txt", "年假五天。".encode()))
    child.send(ParseJob("b.txt", b"!kill"))
    child.send(ParseJob("c.txt", "病假另计。".encode()))

    with pytest.raises(ChildDiedError) as died:
        for _ in range(3):
            child.receive()

    assert died.value.reason == "SIGKILL"
    assert child.n_begun() == 2


def test_worker_is_gone_when_it_is_closed_in_the_middle_of_a_document(child):
    child.send(ParseJob("a.txt", b"!hang"))

    child.close()

    assert not is_alive(child.pid)


PARENT = """
import sys, time
from ingest.sandbox import child as child_module
from ingest.sandbox.child import Child
from ingest.sandbox.parse import ParseJob
from ingest.settings import IngestSettings
from tests.hurt_worker import START
child_module._START = START
child = Child(IngestSettings())
assert child.is_ready(30)
child.send(ParseJob("a.txt", b"!hang"))
print(child.pid, flush=True)
time.sleep(60)
"""


def test_worker_leaves_when_its_parent_is_killed():
    parent = subprocess.Popen([sys.executable, "-c", PARENT], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_alive(pid)

        os.kill(parent.pid, signal.SIGKILL)

    assert wait_gone(pid)


def test_crash_is_named_when_a_parser_fails_in_a_way_of_its_own(monkeypatch):
    monkeypatch.setattr("ingest.sandbox.parse.load", lambda *_, **__: 1 / 0)

    with pytest.raises(ParserCrashedError, match="ZeroDivisionError: division by zero"):
        parse(ParseJob("a.txt", b"x"), SETTINGS)
