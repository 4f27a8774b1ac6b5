from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from assistant.generate import Sampling
from assistant.settings import TraceSettings
from assistant.trace import Trace
from assistant.trace_log import MAX_WAITING, TraceLog
from retrieval.catalog import Catalog, TraceRecord
from retrieval.errors import AnswerNotFoundError, CatalogError, Message

FULL = CatalogError(Message("No space is left.", "磁盘已满。"))


class Store:
    """Keeps records; `before` is called by each write."""

    def __init__(self, before: Callable[[], Any] = lambda: None) -> None:
        self.before = before
        self.records: dict[str, TraceRecord] = {}
        self.batches: list[int] = []
        self.pruned: list[tuple[float, int]] = []
        self.swept = threading.Event()

    def save(self, records: Sequence[TraceRecord]) -> None:
        self.before()
        self.batches.append(len(records))
        self.records |= {record.answer_id: record for record in records}

    def get(self, answer_id: str) -> TraceRecord:
        if answer_id not in self.records:
            raise AnswerNotFoundError(Message("None.", "没有。"))
        return self.records[answer_id]

    def list(self, limit: int, *, after: str | None = None) -> list[TraceRecord]:
        return list(self.records.values())[:limit]

    def prune(self, *, max_age_s: float, max_count: int) -> int:
        self.pruned.append((max_age_s, max_count))
        self.swept.set()
        return 0


@contextmanager
def opened(store: Any, **settings: Any) -> Iterator[TraceLog]:
    log = TraceLog(store, TraceSettings(**settings))
    try:
        yield log
    finally:
        log.close()


def trace(name: str = "1") -> Trace:
    return Trace(f"chatcmpl-{name}", "年假𠮷😀？", "人事", 0, Sampling())


def test_trace_is_written_behind_the_answers_back():
    gate = threading.Event()
    store = Store(before=lambda: gate.wait(10))
    with opened(store) as log:
        log.keep(trace())
        assert store.records == {}
        assert log.get("chatcmpl-1").body["question"] == "年假𠮷😀？"
        gate.set()
        assert log.flush()
        assert log.get("chatcmpl-1") is store.records["chatcmpl-1"]
        assert list(log.list(9)) == [store.records["chatcmpl-1"]]


def test_waiting_traces_are_written_together_and_before_the_end():
    gate = threading.Event()
    store = Store(before=lambda: gate.wait(10))
    with opened(store) as log:
        for n in range(20):
            log.keep(trace(str(n)))
        gate.set()
    assert len(store.records) == 20
    assert len(store.batches) <= 3


def test_answer_goes_on_when_a_trace_cannot_be_written(caplog: pytest.LogCaptureFixture):
    def fail() -> None:
        raise FULL

    store = Store(before=fail)
    with caplog.at_level(logging.WARNING, "assistant.trace_log"), opened(store) as log:
        log.keep(trace("1"))
        assert log.flush()
        log.keep(trace("2"))
        assert log.flush()
        store.before = lambda: None
        log.keep(trace("3"))
        assert log.flush()
    assert list(store.records) == ["chatcmpl-3"]
    assert [record.getMessage() for record in caplog.records] == [
        "1 traces of answers were not stored: No space is left.",
        "1 traces of answers were not stored",
    ]


def test_thread_lives_on_when_a_trace_has_a_defect(caplog: pytest.LogCaptureFixture):
    def fail() -> None:
        raise TypeError("not JSON")

    store = Store(before=fail)
    with opened(store) as log:
        log.keep(trace("1"))
        assert log.flush()
        store.before = lambda: None
        log.keep(trace("2"))
        assert log.flush()
    assert list(store.records) == ["chatcmpl-2"]
    assert "1 traces of answers were not stored: TypeError: not JSON" in caplog.text


def test_traces_are_still_written_when_old_ones_cannot_be_deleted(caplog: pytest.LogCaptureFixture):
    class Stuck(Store):
        def prune(self, **_: Any) -> int:
            self.swept.set()
            raise FULL

    store = Stuck()
    with opened(store) as log:
        assert store.swept.wait(5)
        log.keep(trace())
        assert log.flush()
    assert list(store.records) == ["chatcmpl-1"]
    assert "could not be deleted: No space is left." in caplog.text


def test_traces_are_lost_rather_than_waited_for_when_too_many_wait(caplog: pytest.LogCaptureFixture):
    gate = threading.Event()
    store = Store(before=lambda: gate.wait(10))
    with opened(store) as log:
        for n in range(MAX_WAITING + 5):
            log.keep(trace(str(n)))
        gate.set()
    assert len(store.records) == MAX_WAITING
    assert "too many are waiting" in caplog.text


def test_nothing_is_kept_and_what_was_is_deleted_when_traces_are_off():
    store = Store()
    with opened(store, days=0) as log:
        log.keep(trace())
        assert store.swept.wait(5)
    assert store.records == {}
    assert store.pruned[0][0] == 0


def test_old_traces_are_swept_at_the_start_and_as_new_ones_come():
    store = Store()
    with opened(store, days=2, max_answers=1) as log:
        assert store.swept.wait(5)
        assert store.pruned == [(172_800.0, 1)]
        store.swept.clear()
        log.keep(trace())
        assert store.swept.wait(5)


def test_real_catalog_keeps_no_more_than_it_should(tmp_path: Path):
    catalog = Catalog(tmp_path / "catalog.db")
    catalog.create_collection("人事", "none", 0)
    with opened(catalog.answers, max_answers=2) as log:
        for n in range(5):
            log.keep(trace(str(n)))
            assert log.flush()
    with opened(catalog.answers, max_answers=2):
        pass
    assert len(catalog.answers.list(9)) <= 3
    catalog.close()
