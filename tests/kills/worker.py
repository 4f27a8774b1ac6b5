"""The process that is killed: one that imports everything and forks a child for each kill, which changes documents.

    python -m tests.kills.worker

It reads one `Task` a line, as JSON, and says what its child does, an `Event` a line. A fork costs milliseconds where a
new Python costs a second; the child opens the data folder itself, so that it is as good as a new process.
"""

from __future__ import annotations

import json
import os
import random
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingest import Ingestor, TextRecord
from ingest import batch as ingest_batch
from retrieval.chroma_process import process
from retrieval.data_folder import DataFolder
from retrieval.doctor import check
from tests.kills import chroma_host, texts
from tests.kills.steps import STEPS, When, arm
from tests.stores import open_folder

SOURCES = {"甲": ("甲一", "甲二", "甲三", "甲四", "甲五"), "乙": ("乙一", "乙二")}
"""Collections, and what they may hold."""
MAX_OPERATIONS = 60


@dataclass(frozen=True, slots=True)
class Task:
    """What a child shall do until it is killed.

    Args:
        data: The data folder.
        chroma_url: Where Chroma answers; None: embedded.
        seed: Chooses what is changed.
        operations: What is done, by name.
        step: Name of the step at which it dies; None: it is killed from outside.
        when: At which border of the step.
        nth: The how manieth time.
    """

    data: str
    chroma_url: str | None
    seed: int
    operations: tuple[str, ...]
    step: str | None = None
    when: When = "before"
    nth: int = 1


def main() -> None:
    """Fork a child for each line until there are no more."""
    import chromadb.api.client  # noqa: F401 # once, for all children
    import tantivy  # noqa: F401

    for line in sys.stdin:
        task = Task(**json.loads(line))
        pid = os.fork()
        if pid == 0:
            try:
                _work(task)
            except BaseException:
                _say(error=traceback.format_exc())
            os._exit(0)
        _say(pid=pid)
        _, status = os.waitpid(pid, 0)
        _say(signal=os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0)


def _work(task: Task) -> None:
    # More than one batch, and more than one call of Chroma, in a document of 90 chunks.
    ingest_batch.FIRST_CHUNKS = 12
    ingest_batch.BATCH_CHUNKS = ingest_batch.BULK_CHUNKS = 24
    if task.step is not None:
        step = next(step for step in STEPS if step.name == task.step)
        if step.is_chroma_s and task.chroma_url is None:
            process.HOST = chroma_host.__name__
            os.environ[chroma_host.ARMED] = chroma_host.arming(step.name, task.when, task.nth, parent=True)
        else:
            arm(step, task.when, task.nth)
    rng = random.Random(task.seed)
    with open_folder(Path(task.data), chroma_url=task.chroma_url) as folder:
        _say(opened=True)
        changes = Changes(folder, rng)
        for number in range(MAX_OPERATIONS):
            getattr(changes, rng.choice(task.operations))(task.seed * 1000 + number)


class Changes:
    """What a child does to a data folder; each says what it begins, and that it has ended.

    Args:
        folder: Open.
        rng: Chooses.
    """

    def __init__(self, folder: DataFolder, rng: random.Random) -> None:
        self._folder = folder
        self._rng = rng
        self._ingestor = Ingestor(folder, texts.SETTINGS)

    def add(self, version: int) -> None:
        """Store one or several documents in one run, old ones in a new version."""
        name = self._rng.choice("甲甲乙")
        chosen = self._rng.sample(SOURCES[name], self._rng.randint(1, len(SOURCES[name])))
        records = [TextRecord(source, "", texts.text(source, version)) for source in chosen]
        _say(begin=dict.fromkeys(chosen, version))
        report = self._ingestor.ingest_records(records, name)
        assert not report.failed, report.failed
        _say(end=dict.fromkeys(chosen, version))

    def replace(self, version: int) -> None:
        """Store a new version of what is there; what is not there is added."""
        stored = self._stored()
        if not stored:
            return self.add(version)
        name, source, _ = self._rng.choice(stored)
        _say(begin={source: version})
        assert not self._ingestor.ingest_records([TextRecord(source, "", texts.text(source, version))], name).failed
        _say(end={source: version})
        return None

    def delete(self, version: int) -> None:
        """Delete one or several documents of a collection."""
        stored = self._stored()
        if not stored:
            return self.add(version)
        chosen = self._rng.sample(stored, self._rng.randint(1, min(3, len(stored))))
        _say(begin={source: None for _, source, _ in chosen})
        self._folder.delete_documents([document_id for _, _, document_id in chosen])
        _say(end={source: None for _, source, _ in chosen})
        return None

    def drop(self, version: int) -> None:
        """Delete a collection; one with nothing in it is filled first."""
        if not any(name == "乙" for name, _, _ in self._stored()):
            _say(begin={"乙一": version})
            self._ingestor.ingest_records([TextRecord("乙一", "", texts.text("乙一", version))], "乙")
            _say(end={"乙一": version})
        _say(begin=dict.fromkeys(SOURCES["乙"]))
        self._folder.delete_collection("乙")
        _say(end=dict.fromkeys(SOURCES["乙"]))

    def lose_keywords(self, version: int) -> None:
        """Lose a keyword index and make it again, as `huozi doctor --repair` does."""
        self._lose(version, self._folder.keyword.drop)

    def lose_vectors(self, version: int) -> None:
        """Lose vectors and make them again, as `huozi doctor --repair` does."""
        assert self._folder.vectors is not None
        self._lose(version, self._folder.vectors.drop)

    def _lose(self, version: int, drop: Any) -> None:
        if not self._stored():
            self.add(version)
        for collection in self._folder.catalog.list_collections():
            drop(collection.collection_id)
        with self._folder.writing:
            assert check(self._folder, repair=True).is_healthy

    def _stored(self) -> list[tuple[str, str, str]]:
        """Return collection, source and id of every document."""
        return [
            (collection.name, document.source, document.document_id)
            for collection in self._folder.catalog.list_collections()
            for document in self._folder.catalog.list_documents(collection.collection_id)
        ]


def _say(**event: Any) -> None:
    # One write: a line is whole, or not there.
    os.write(1, (json.dumps(event, ensure_ascii=False) + "\n").encode())


if __name__ == "__main__":
    main()
