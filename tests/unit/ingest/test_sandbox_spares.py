"""Workers kept from one run to the next, real ones."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.errors import IngestError
from ingest.sandbox import ahead
from ingest.sandbox import child as child_module
from ingest.sandbox.ahead import Parser, prepare
from ingest.sandbox.lane import Lane, Waiting
from ingest.sandbox.parse import ParseJob
from ingest.sandbox.spares import kind_of
from ingest.settings import IngestSettings, JobSettings, LoadSettings, SplitSettings
from retrieval import spares as spares_module
from retrieval.spares import Spares
from tests.hurt_worker import START, count_starts

APART = IngestSettings(parse_apart="always")
DEADLINE_S = 30.0


@pytest.fixture
def spares(monkeypatch) -> Iterator[Spares]:
    """Spares of this test's own, with workers whose parser does what documents say."""
    monkeypatch.setattr(child_module, "_START", START)
    ours = Spares()
    monkeypatch.setattr(ahead, "SPARES", ours)
    yield ours
    ours.close()


@pytest.fixture
def pids(monkeypatch) -> list[int]:
    """The workers that are started."""
    return count_starts(monkeypatch)


def run(*contents, settings=APART):
    """Parse as one run; returns each document's text, or its error's code."""
    jobs = [(None, ParseJob(f"{number}.txt", content.encode())) for number, content in enumerate(contents)]
    with Parser(settings) as parser:
        results = [result for _, result in parser.parse_all(jobs)]
    return [result.code if isinstance(result, IngestError) else result.document.text for result in results]


def is_gone(pid) -> bool:
    end = time.monotonic() + DEADLINE_S
    while Path(f"/proc/{pid}").exists():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def wait_ended(pid) -> None:
    """Wait until a worker has ended, and leave to its owner to ask how."""
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def test_next_run_gets_the_worker_of_the_one_before(spares, pids):
    assert [run("一。"), run("二。", "三。"), run("四。")] == [["一。"], ["二。", "三。"], ["四。"]]
    assert len(pids) == 1


@pytest.mark.parametrize(
    ("other", "n_workers"),
    [
        ({"load": LoadSettings(max_pages=3)}, 2),
        ({"split": SplitSettings(max_chars=30, min_chars=10)}, 2),
        ({"jobs": JobSettings(attempts=2), "max_upload_mb": 7}, 1),  # What only the parent goes by.
    ],
)
def test_run_gets_no_worker_of_other_limits(spares, pids, other, n_workers):
    run("一。")
    run("二。", settings=APART.model_copy(update=other))
    assert len(pids) == n_workers


def test_runs_at_the_same_time_have_workers_of_their_own_and_leave_one(spares, pids):
    with Parser(APART) as one, Parser(APART) as other:
        for parser in (one, other):
            assert [text.document.text for _, text in parser.parse_all([(None, ParseJob("a.txt", b"a."))])] == ["a."]
    assert len(set(pids)) == 2
    assert is_gone(pids[0])  # The inner one's was there already.
    run("三。")
    assert len(pids) == 2


def test_worker_that_died_while_it_waited_is_not_given(spares, pids):
    run("一。")
    os.kill(pids[0], signal.SIGKILL)
    wait_ended(pids[0])

    assert run("二。", "三。") == ["二。", "三。"]
    assert len(pids) == 2


def test_worker_that_retires_is_not_kept(spares, pids):
    run("!fat")
    assert is_gone(pids[0])
    assert run("二。") == ["二。"]


def test_worker_of_a_run_that_failed_is_not_kept(spares, pids):
    jobs = [(None, ParseJob("a.txt", b"a."))]
    with pytest.raises(ZeroDivisionError), Parser(APART) as parser:
        for _ in parser.parse_all(jobs):
            raise ZeroDivisionError
    assert is_gone(pids[0]) and not spares.has(kind_of(APART))


def test_worker_with_a_document_that_nobody_waits_for_is_not_kept(spares, pids):
    lane = Lane(ahead.Child(APART), 0.0)
    assert lane.is_ready(DEADLINE_S)
    lane.send([Waiting(None, ParseJob("a.txt", b"!hang"))])

    spares.keep(kind_of(APART), lane)

    assert not spares.has(kind_of(APART)) and is_gone(pids[0])


def test_kept_worker_has_all_its_time_for_the_next_document(spares, pids, monkeypatch):
    monkeypatch.setattr(child_module, "GRACE_S", 0.0)
    settings = APART.model_copy(update={"load": LoadSettings(max_seconds=1.0)})
    run("一。", settings=settings)
    time.sleep(1.2)  # Longer than the parent would let a document take.

    with Parser(settings) as parser:
        jobs = parser.parse_all([(None, ParseJob("a.txt", b"!do:import time; time.sleep(0.4)"))])
        results = [result for _, result in jobs]

    assert not isinstance(results[0], IngestError) and len(pids) == 1


def test_worker_that_nobody_takes_is_ended(monkeypatch, pids):
    ours = Spares(keep_s=0.05)
    monkeypatch.setattr(ahead, "SPARES", ours)
    run("一。")
    assert is_gone(pids[0]) and not ours.has(kind_of(APART))


def test_oldest_is_ended_when_too_many_are_kept(spares, pids, monkeypatch):
    monkeypatch.setattr(spares_module, "MOST_KEPT", 2)
    kinds = [APART.model_copy(update={"load": LoadSettings(max_pages=most)}) for most in (1, 2, 3)]
    for kind in kinds:
        run("一。", settings=kind)
    assert [spares.has(kind_of(kind)) for kind in kinds] == [False, True, True]
    assert is_gone(pids[0])


def test_prepared_worker_is_the_run_s(spares, pids):
    prepare(APART)
    prepare(APART)
    assert run("一。") == ["一。"] and len(pids) == 1


def test_none_is_prepared_where_none_is_used(spares, pids):
    prepare(APART.model_copy(update={"parse_apart": "never"}))
    assert pids == []


def test_run_starts_another_when_the_prepared_one_does_not_start(spares, pids, monkeypatch):
    monkeypatch.setattr(child_module, "_START", "raise SystemExit(7)")
    prepare(APART)
    wait_ended(pids[0])
    monkeypatch.setattr(child_module, "_START", START)

    assert run("一。") == ["一。"]
    assert len(pids) == 2
