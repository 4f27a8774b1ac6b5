"""SIGKILL at each step and at random moments: each document is wholly old or wholly new, in every kind of search.

40 kills by default, half of them with a Chroma server; HUOZI_TEST_KILLS says how many (`make kill-test`: 200). The
oracle is a plain dict of what the killed process said it had begun and finished.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from ingest import Ingestor, TextRecord
from tests.kills import texts
from tests.kills.oracle import Oracle
from tests.kills.steps import STEPS
from tests.kills.worker import Task
from tests.processes import chroma_server
from tests.stores import open_folder

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("HUOZI_TEST_KILLS", "40"))
DEADLINE_S = 120.0
EVERYTHING = ("add", "replace", "replace", "delete", "drop", "lose_keywords", "lose_vectors")


class Workers:
    """Starts children that change documents, and kills them."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.kills.worker"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._input, self._output = self._process.stdin, self._process.stdout

    def run(self, task, kill_after_s=None):
        """Return what a child said until it was killed, and whether it was."""
        self._input.write(json.dumps(asdict(task), ensure_ascii=False) + "\n")
        self._input.flush()
        pid = json.loads(self._output.readline())["pid"]
        timer = threading.Timer(kill_after_s or DEADLINE_S, os.kill, (pid, signal.SIGKILL))
        timer.start()
        started = time.monotonic()
        events = []
        while "signal" not in (event := json.loads(self._output.readline())):
            assert "error" not in event, event["error"]
            events.append(event)
        timer.cancel()
        assert time.monotonic() < started + DEADLINE_S, (task, "hung")
        return events, event["signal"] == signal.SIGKILL

    def close(self):
        self._input.close()
        self._output.close()
        self._process.wait()


@pytest.fixture(scope="module")
def workers():
    started = Workers()
    yield started
    started.close()


@pytest.fixture(scope="module")
def chroma(tmp_path_factory):
    with chroma_server(tmp_path_factory.mktemp("chroma-server")) as server:
        yield server.url


def plan(kind, n_kills):
    """Return how each of the kills is made: three at named steps for two at random moments."""
    rng = random.Random("steps")
    # One border of every step before another one of any: 40 kills come by all of them, at one Chroma or the other.
    rounds = [[(step, step.whens[n % len(step.whens)]) for step in rng.sample(STEPS, len(STEPS))] for n in range(3)]
    borders = [border for one in rounds for border in one]
    n_random = 2 * n_kills // 5
    first = 0 if kind == "embedded" else n_kills - n_random
    rng = random.Random(kind)
    named = [
        (step, when, 1 if step.is_at_start else rng.choice((1, 2, 4)))
        for step, when in (borders[(first + number) % len(borders)] for number in range(n_kills - n_random))
    ]
    moments = [rng.uniform(0, 2) for _ in range(n_random)]
    return rng.sample([*named, *moments], n_kills)


def reopen_without(what, data, url):
    """Lose an index while nobody is there: its folder, or a server's collections."""
    if what == "keywords":
        shutil.rmtree(data / "keyword", ignore_errors=True)
    elif url is None:
        shutil.rmtree(data / "chroma", ignore_errors=True)
    else:
        import chromadb

        host, _, port = url.removeprefix("http://").partition(":")
        client = chromadb.HttpClient(host=host, port=int(port))
        for collection in client.list_collections():
            client.delete_collection(collection.name)
        for one in (client, client._admin_client):
            one._server._session.close()


def fill(data, url, version):
    """Store a document, so that there is something to lose."""
    change = {"甲一": version * 1000 + 999}
    with open_folder(data, chroma_url=url) as folder:
        Ingestor(folder, texts.SETTINGS).ingest_records(
            [TextRecord(source, "", texts.text(source, version)) for source, version in change.items()], "甲"
        )
    return [{"begin": change}, {"end": change}]


def run_and_kill(workers, number, kill, data, url):
    """Run a child and kill it as planned; return what it said."""
    task = Task(str(data), url, seed=number, operations=EVERYTHING)
    if isinstance(kill, float):
        events, _ = workers.run(task, kill_after_s=kill)
        return events
    step, when, nth = kill
    filling = fill(data, url, number) if step.is_at_start else []
    for what in ("keywords", "vectors"):
        if f"reopen_without_{what}" in step.during:
            reopen_without(what, data, url)
    during = () if step.is_at_start else step.during * 4
    task = replace(task, operations=during + EVERYTHING, step=step.name, when=when, nth=nth)
    events, is_killed = workers.run(task)
    assert is_killed, f"nothing came by {step.name!r}"
    return [*filling, *events]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["embedded", "server"])
def test_kills_leave_each_document_wholly_old_or_new(tmp_path, workers, request, kind):
    url = request.getfixturevalue("chroma") if kind == "server" else None
    oracle = Oracle()
    for number, kill in enumerate(plan(kind, KILLS // 2)):
        for event in run_and_kill(workers, number, kill, tmp_path / "data", url):
            oracle.hear(event)
        with open_folder(tmp_path / "data", chroma_url=url) as folder:
            try:
                oracle.verify(folder)
            except AssertionError as error:
                raise AssertionError(f"kill {number} ({kill}): {error}") from error
    # However busy the machine is, something was finished between the kills.
    assert oracle.n_acknowledged > KILLS // 4
