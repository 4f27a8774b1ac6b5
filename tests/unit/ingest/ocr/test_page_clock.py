import os
import signal

import pytest

from ingest.ocr import page_clock
from ingest.ocr.reader import PictureReader
from ingest.sandbox.child import Child
from ingest.sandbox.worker import _PageClock
from ingest.settings import IngestSettings, LoadSettings


@pytest.fixture
def pipe():
    reading, writing = os.pipe()
    yield reading, writing
    signal.setitimer(signal.ITIMER_REAL, 0)
    os.close(reading)
    os.close(writing)


def left():
    return signal.getitimer(signal.ITIMER_REAL)[0]


def test_file_keeps_its_seconds_when_a_page_has_its_own(pipe):
    reading, writing = pipe
    signal.setitimer(signal.ITIMER_REAL, 1000)
    clock = _PageClock(writing, 50)

    with clock:
        assert 40 < left() <= 50
    assert 990 < left() <= 1000

    assert clock.was_used and os.read(reading, 10) == b"pq"


def test_file_has_its_seconds_back_when_a_page_fails(pipe):
    signal.setitimer(signal.ITIMER_REAL, 1000)

    with pytest.raises(ValueError), _PageClock(pipe[1], 50):
        raise ValueError

    assert left() > 990
    assert os.read(pipe[0], 10) == b"pq"


def test_every_picture_is_timed_when_a_clock_is_set(monkeypatch):
    told = []

    class Clock:
        def __enter__(self):
            told.append("begun")

        def __exit__(self, *_):
            told.append("done")

    monkeypatch.setattr(page_clock, "_make", page_clock._make)  # Whatever this test sets is undone.
    page_clock.use(Clock)
    monkeypatch.setattr("ingest.ocr.engine.read", lambda pixels, settings: told.append("read") or [])

    PictureReader(LoadSettings(), "a.pdf").boxes(None)

    assert told == ["begun", "read", "done"]


@pytest.mark.parametrize(
    ("marks", "n_begun", "n_pages", "is_in_page"),
    [(b".", 1, 0, False), (b".p", 1, 1, True), (b".pqp", 1, 2, True), (b".pqpq", 1, 2, False), (b".pq.", 2, 0, False)],
)
def test_pages_are_counted_when_a_worker_tells_of_them(marks, n_begun, n_pages, is_in_page):
    with Child(IngestSettings()) as child:
        for mark in marks:
            child._take_mark(bytes((mark,)))

        assert (child._n_begun, child._n_pages, child._is_in_page) == (n_begun, n_pages, is_in_page)
