"""Replace and delete are atomic for readers: a search sees one version of a document, never neither or both."""

import os
import threading
import time
from collections import Counter

import pytest

from ingest import Ingestor, TextRecord
from ingest.settings import IngestSettings
from tests.stores import open_folder

REPLACEMENTS = int(os.environ.get("HUOZI_TEST_REPLACEMENTS", "120"))
QUESTION = "规定年假为多少天，试用期员工怎么办"
APART = IngestSettings(parse_apart="never")


@pytest.fixture
def folder(tmp_path):
    with open_folder(tmp_path / "data") as opened:
        yield opened


def put(folder, *versions, source="甲"):
    """Store the versions of a document, one after the other."""
    for number in versions:
        # The nearest vectors are those of equal text: every version has a line that is asked for.
        text = f"第{number}版。\n\n{'规定年假为' + str(number) + '天，试用期员工除外。' * 30}"
        report = Ingestor(folder, APART).ingest_records([TextRecord(source, "", text)])
        assert not report.failed


def put_others(folder):
    """Store what the question does not ask for."""
    records = [TextRecord(f"其他{number}", "", f"报销标准第{number}条。") for number in range(20)]
    assert not Ingestor(folder, APART).ingest_records(records).failed


def delete(folder, source="甲"):
    collection_id = folder.collection("default").collection_id
    found = [one for one in folder.catalog.list_documents(collection_id) if one.source == source]
    folder.delete_documents([one.document_id for one in found])


def versions_seen(folder, source="甲", **wanted):
    hits = folder.retriever.retrieve(QUESTION, top_k=50, **wanted).hits
    return {hit.chunk.version_id for hit in hits if hit.chunk.source == source}


def live_version(folder, source="甲"):
    collection_id = folder.collection("default").collection_id
    return {one.version_id for one in folder.catalog.list_documents(collection_id) if one.source == source}


class Interrupting:
    """Passes everything on, and does something once right after (or before) the first call of one method."""

    def __init__(self, inner, method, act, *, before=False, times=1):
        self._inner, self._method, self._act, self._before, self.left = inner, method, act, before, times

    def __getattr__(self, name):
        found = getattr(self._inner, name)
        if name != self._method:
            return found

        def called(*args, **kwargs):
            result = None if self._before else found(*args, **kwargs)
            if self.left > 0:
                self.left -= 1
                # On a thread of its own, as it would be, so that a lock held by the search would be seen.
                thread = threading.Thread(target=self._act)
                thread.start()
                thread.join(timeout=20)
                assert not thread.is_alive()
            return found(*args, **kwargs) if self._before else result

        return called


@pytest.mark.parametrize("filters", [None, {"source": "甲"}])
def test_search_sees_the_new_version_when_it_was_replaced_between_index_and_catalog(folder, filters):
    put(folder, 1)
    put(folder, 1, source="乙")
    folder.retriever._catalog = Interrupting(folder.catalog, "live_chunks", lambda: put(folder, 2), before=True)

    assert versions_seen(folder, filters=filters) == live_version(folder)
    assert folder.retriever._catalog.left == 0


def test_search_sees_one_version_when_it_was_replaced_between_two_lookups(folder):
    put(folder, 1)
    for number in range(12):
        put(folder, 1, source=f"旧{number}")
    put(folder, 1, source="乙")
    # Leftovers in the index make the search look deeper, and ask the catalog more than once.
    for number in range(12):
        folder.catalog.retire_documents(
            [d.document_id for d in folder.catalog.list_documents(folder.collection("default").collection_id)
             if d.source == f"旧{number}"]
        )  # fmt: skip
    folder.retriever._catalog = Interrupting(folder.catalog, "live_chunks", lambda: put(folder, 2))

    assert versions_seen(folder) == live_version(folder)


def test_search_ends_when_a_document_is_replaced_under_every_look(folder):
    put(folder, 0)
    numbers = iter(range(1, 100))
    stop = threading.Event()

    def keep_replacing():
        while not stop.is_set():
            put(folder, next(numbers))

    catalog = Interrupting(folder.catalog, "live_chunks", lambda: put(folder, next(numbers)), before=True, times=3)
    folder.retriever._catalog = catalog
    thread = threading.Thread(target=keep_replacing)
    thread.start()
    try:
        seen = [versions_seen(folder) for _ in range(20)]
    finally:
        stop.set()
        thread.join()

    assert catalog.left == 0
    assert {len(one) for one in seen} == {1}


def test_search_sees_nothing_of_a_document_deleted_between_index_and_catalog(folder):
    put(folder, 1)
    put(folder, 1, source="乙")
    folder.retriever._catalog = Interrupting(folder.catalog, "live_chunks", lambda: delete(folder), before=True)

    assert versions_seen(folder) == set()
    assert len(versions_seen(folder, "乙")) == 1


@pytest.mark.slow
def test_search_loop_sees_exactly_one_version_during_many_replacements(folder):
    put_others(folder)
    put(folder, 0)
    seen = Counter()
    stop = threading.Event()
    errors = []

    def search():
        while not stop.is_set():
            try:
                seen[len(versions_seen(folder))] += 1
            except Exception as error:
                errors.append(error)
            time.sleep(0.002)  # Else the replacements wait for Python's lock most of the time.

    loops = [threading.Thread(target=search) for _ in range(2)]
    for loop in loops:
        loop.start()
    for number in range(1, REPLACEMENTS + 1):
        put(folder, number)
    stop.set()
    for loop in loops:
        loop.join()

    assert errors == []
    assert set(seen) == {1} and seen[1] > REPLACEMENTS, seen


@pytest.mark.slow
def test_search_loop_sees_a_document_or_nothing_of_it_during_deletions(folder):
    put_others(folder)
    put(folder, 0)
    # Another text than any of the others': of equal ones a search shows one.
    put(folder, 99_999, source="乙")
    # What must be seen, by whoever finds it the same before and after a search; None: both will do.
    stage: tuple[int, int | None] = (0, 1)
    stop = threading.Event()
    wrong = []

    def search():
        while not stop.is_set():
            before = stage
            found = len(versions_seen(folder))
            if found > 1 or (stage == before and before[1] is not None and found != before[1]):
                wrong.append((before, found))
            if (other := len(versions_seen(folder, "乙"))) != 1:
                wrong.append(("乙", other))
            time.sleep(0.002)

    loop = threading.Thread(target=search)
    loop.start()
    for number in range(1, REPLACEMENTS // 4 + 1):
        stage = (number, None)
        delete(folder)
        stage = (number, 0)
        time.sleep(0.02)
        stage = (-number, None)
        put(folder, number)
        stage = (number, 1)
        time.sleep(0.02)
    stop.set()
    loop.join()

    assert wrong == []
