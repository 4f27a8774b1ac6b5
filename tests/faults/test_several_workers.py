"""Several workers: results in order, one bad document fails alone, and the others' documents are not lost with it."""

import time
from collections import Counter

import psutil
import pytest

from ingest.errors import IngestError
from ingest.sandbox import ahead
from ingest.sandbox import child as child_module
from ingest.sandbox.ahead import Parser
from ingest.sandbox.child import Child
from ingest.sandbox.parse import ParseJob
from ingest.sandbox.spares import SPARES
from ingest.settings import IngestSettings, LoadSettings
from tests.hurt_worker import START

LOAD = LoadSettings(workers=3, max_seconds=2.0, max_seconds_per_mb=0)
SETTINGS = IngestSettings(parse_apart="always", load=LOAD)
DEADLINE_S = 30.0


@pytest.fixture(autouse=True)
def hurt(monkeypatch):
    """Workers that do what documents say; another is started as soon as the others are ready."""
    monkeypatch.setattr(child_module, "_START", START)
    monkeypatch.setattr(ahead, "START_AFTER_FILES", 0)
    monkeypatch.setattr(ahead, "AHEAD_FILES", 12)


class Prompt(Child):
    """A worker that is ready as soon as it is there, so that it does not depend on time who gets what."""

    def __init__(self, settings):
        super().__init__(settings)
        assert self._from.has_data(DEADLINE_S)


@pytest.fixture
def given(monkeypatch):
    """Count the documents that each worker was sent."""
    counts = Counter()

    class Counted(Prompt):
        def send(self, job):
            counts[self.pid] += 1
            super().send(job)

    monkeypatch.setattr(ahead, "Child", Counted)
    return counts


def refuse_to_start(monkeypatch, *numbers):
    """Let the workers of these numbers not start, the first being 0."""
    started = []

    class Refused(Prompt):
        def __init__(self, settings):
            started.append(None)
            if len(started) - 1 in numbers:
                raise OSError("no more processes")
            super().__init__(settings)

    monkeypatch.setattr(ahead, "Child", Refused)
    return started


def contents(count, bad=()):
    """Return texts of different lengths; `bad` gives others for some numbers."""
    return [dict(bad).get(number, f"第{number}条 年假{number}天，䶮𠮷。" * (1 + number % 7)) for number in range(count)]


def parse_all(texts):
    """Return each text, or its error's code, in order."""
    jobs = [(number, ParseJob(f"{number}.txt", text.encode())) for number, text in enumerate(texts)]
    with Parser(SETTINGS) as parser:
        results = list(parser.parse_all(jobs))
    assert [number for number, _ in results] == list(range(len(texts)))
    return [result.code if isinstance(result, IngestError) else result.document.text for _, result in results]


def test_documents_come_in_order_when_several_workers_parse(given):
    texts = contents(200)

    assert parse_all(texts) == texts
    assert len(given) == 3 and sum(given.values()) == 200 and min(given.values()) >= 5


def test_one_worker_stays_when_the_run_ends(given):
    parse_all(contents(60))

    assert [psutil.pid_exists(pid) for pid in given].count(True) == 1
    SPARES.close()
    assert not any(map(psutil.pid_exists, given))


@pytest.mark.parametrize("mark", ["!kill", "!exit", "!garble"])
def test_each_bad_document_fails_alone_when_it_ends_one_of_several_workers(given, mark):
    texts = contents(120, dict.fromkeys((0, 3, 59, 60, 61, 62, 63, 64, 90, 119), mark))

    expected = ["parser_crashed" if text == mark else text for text in texts]
    assert parse_all(texts) == expected
    assert len(given) > 3


def test_hanging_document_fails_alone_when_others_are_parsed_beside_it():
    texts = contents(80, {45: "!hang", 46: "!spin", 47: "!eat"})

    started = time.monotonic()
    outcomes = parse_all(texts)

    assert outcomes == ["parser_limit" if text.startswith("!") else text for text in texts]
    assert time.monotonic() - started < DEADLINE_S


def test_one_worker_does_all_when_no_second_starts(monkeypatch):
    started = refuse_to_start(monkeypatch, 1)

    assert parse_all(contents(60)) == contents(60)
    assert len(started) == 2


def test_others_take_what_a_dead_worker_had_when_no_new_one_starts(monkeypatch, caplog):
    started = refuse_to_start(monkeypatch, 3, 4, 5, 6)
    texts = contents(120, {70: "!kill"})

    assert parse_all(texts) == ["parser_crashed" if text == "!kill" else text for text in texts]
    assert len(started) == 4 and not caplog.records


def test_plain_text_is_parsed_here_when_every_worker_is_gone(monkeypatch, caplog):
    refuse_to_start(monkeypatch, *range(3, 20))
    texts = contents(120, {70: "!kill", 80: "!kill", 90: "!kill"})

    outcomes = parse_all(texts)

    assert outcomes == ["parser_crashed" if text == "!kill" else text for text in texts]
    assert "files other than plain text fail" in caplog.text


@pytest.mark.parametrize(("content", "outcome"), [("!do:time.sleep(1)", "done"), ("!hang", "parser_limit")])
def test_idle_is_asked_when_a_document_takes_long(content, outcome):
    asked = []

    with Parser(SETTINGS, idle=lambda: not asked.append(None)) as parser:
        ((_, result),) = parser.parse_all([(0, ParseJob("a.txt", content.encode()))])

    assert (result.code if isinstance(result, IngestError) else "done") == outcome
    assert len(asked) >= 3


def test_idle_is_not_asked_again_when_it_has_nothing_to_do():
    asked = []

    with Parser(SETTINGS, idle=lambda: bool(asked.append(None))) as parser:
        list(parser.parse_all([(0, ParseJob("a.txt", b"!do:time.sleep(1)"))]))

    assert len(asked) == 1
