"""Indexes gone for a while or for good: nothing is lost, deletions are final, and the embedder is not asked."""

import shutil
import sqlite3
import threading
import time

import pytest

from ingest import Ingestor, TextRecord
from ingest.jobs.enqueue import enqueue_file
from ingest.jobs.runner import JobRunner
from retrieval.doctor import check
from retrieval.errors import CatalogError, HuoziError, VectorStoreError
from tests.kills import texts
from tests.processes import chroma_server, free_port
from tests.stores import open_folder

SOURCES = ("甲", "乙", "丙")


def put(folder, version, sources=SOURCES):
    records = [TextRecord(source, "", texts.text(source, version)) for source in sources]
    report = Ingestor(folder, texts.SETTINGS).ingest_records(records)
    assert not report.failed


def document_id(folder, source):
    collection_id = folder.collection("default").collection_id
    return next(d.document_id for d in folder.catalog.list_documents(collection_id) if d.source == source)


def sources_found(folder, text):
    return {hit.chunk.source for hit in folder.retriever.retrieve(text, top_k=50).hits if hit.chunk.text == text}


def assert_whole(folder, version, sources=SOURCES):
    """Check that every chunk of the sources is found, each where it belongs, and that all agrees."""
    for source in sources:
        for text in texts.paragraphs(source, version):
            assert sources_found(folder, text) == {source}
    collection_id = folder.collection("default").collection_id
    assert {d.source for d in folder.catalog.list_documents(collection_id)} == set(sources)
    assert check(folder).problems == ()


class Chroma:
    """A Chroma server that can be stopped and started again at the same address."""

    def __init__(self, home):
        self._home, self._port, self._server = home, free_port(), None
        self.start()
        self.url = self._server.url

    def start(self):
        self._server = chroma_server(self._home, port=self._port)
        self._server.__enter__()

    def stop(self):
        if self._server is not None:
            self._server.__exit__(None, None, None)
            self._server = None


@pytest.fixture
def chroma(tmp_path):
    started = Chroma(tmp_path / "server")
    yield started
    started.stop()


def test_deletion_is_final_and_swept_later_when_chroma_is_gone(tmp_path, chroma, caplog):
    with open_folder(tmp_path / "data", chroma_url=chroma.url) as folder:
        put(folder, 1)
        collection_id = folder.collection("default").collection_id
        gone = texts.paragraphs("乙", 1)
        chroma.stop()

        folder.delete_document(document_id(folder, "乙"))

        assert "The indexes forget what is not visible any more later" in caplog.text
        assert all(sources_found(folder, text) == set() for text in gone)
        assert sources_found(folder, texts.paragraphs("甲", 1)[0]) == {"甲"}  # By keyword alone.
        chroma.start()
        assert all(sources_found(folder, text) == set() for text in gone)
        n_left = folder.vectors.count(collection_id)
        JobRunner(folder, texts.SETTINGS)._idle()
        assert folder.vectors.count(collection_id) == n_left - len(gone)
        assert_whole(folder, 1, ("甲", "丙"))


def test_collection_leaves_the_server_later_when_chroma_was_gone(tmp_path, chroma):
    with open_folder(tmp_path / "data", chroma_url=chroma.url) as folder:
        put(folder, 1)
        collection_id = folder.collection("default").collection_id
        chroma.stop()
        folder.delete_collection("default")
        assert folder.catalog.list_collections() == []
        chroma.start()
        assert folder.vectors.collection_ids() == {collection_id}
        put(folder, 2)
        assert folder.vectors.collection_ids() == {folder.collection("default").collection_id}
        assert_whole(folder, 2)


def test_replacement_fails_whole_and_succeeds_later_when_chroma_is_gone(tmp_path, chroma):
    with open_folder(tmp_path / "data", chroma_url=chroma.url) as folder:
        put(folder, 1)
        chroma.stop()
        with pytest.raises(VectorStoreError, match="Chroma at 'http://127.0.0.1:"):
            put(folder, 2, ("甲",))
        assert sources_found(folder, texts.paragraphs("甲", 1)[0]) == {"甲"}
        n_embedded = folder.embedder.load().n_embedded if hasattr(folder.embedder, "load") else None
        chroma.start()
        put(folder, 2, ("甲",))
        if n_embedded is not None:
            assert folder.embedder.load().n_embedded == n_embedded  # Its vectors were kept.
        assert check(folder).problems == ()
        assert sources_found(folder, texts.paragraphs("甲", 2)[0]) == {"甲"}
        assert sources_found(folder, texts.paragraphs("甲", 1)[0]) == set()


def test_jobs_wait_and_go_on_when_chroma_is_gone_for_a_while(tmp_path, chroma):
    with open_folder(tmp_path / "data", chroma_url=chroma.url) as folder:
        put(folder, 1, ("甲",))
        runner = JobRunner(folder, texts.SETTINGS)
        chroma.stop()
        runner.start()
        try:
            jobs = [
                enqueue_file(folder, "default", f"{source}.txt", texts.text(source, 1).encode()) for source in "乙丙"
            ]
            wait_until(lambda: any(folder.catalog.jobs.get(job.job_id).attempts >= 1 for job in jobs))
            assert {folder.catalog.jobs.get(job.job_id).state for job in jobs} <= {"queued", "running"}
            assert sources_found(folder, texts.paragraphs("甲", 1)[0]) == {"甲"}
            chroma.start()
            wait_until(lambda: {folder.catalog.jobs.get(job.job_id).state for job in jobs} == {"completed"})
        finally:
            runner.stop()
        assert check(folder).problems == ()
        for source in "乙丙":
            for text in texts.paragraphs(source, 1):
                assert sources_found(folder, text) == {f"{source}.txt"}


def wait_until(condition, timeout_s=60.0):
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize("lost", [("keyword",), ("chroma",), ("keyword", "chroma")])
def test_lost_folders_are_made_again_without_the_embedder_at_the_start(tmp_path, lost, caplog):
    with open_folder(tmp_path / "data") as folder:
        put(folder, 1)
    for name in lost:
        shutil.rmtree(tmp_path / "data" / name)

    with open_folder(tmp_path / "data") as folder:
        folder.embedder.embed_batch = must_not_embed
        assert "mended from the catalog" in caplog.text
        assert_whole(folder, 1)


def must_not_embed(_texts):
    raise AssertionError("the embedder was asked")


def test_keyword_index_is_made_again_when_it_is_deleted_meanwhile(tmp_path):
    with open_folder(tmp_path / "data") as folder:
        put(folder, 1)
        shutil.rmtree(tmp_path / "data" / "keyword")
        with pytest.raises(HuoziError, match="its files are gone"):
            put(folder, 2, ("甲",))
        assert_whole(folder, 1)
        put(folder, 2)
        assert_whole(folder, 2)
    with open_folder(tmp_path / "data") as folder:
        assert_whole(folder, 2)


def test_repair_mends_a_keyword_index_deleted_meanwhile(tmp_path):
    with open_folder(tmp_path / "data") as folder:
        put(folder, 1)
        collection_id = folder.collection("default").collection_id
        shutil.rmtree(tmp_path / "data" / "keyword" / collection_id)
        stop, wrong = threading.Event(), []

        def search():
            while not stop.is_set():
                try:
                    folder.retriever.retrieve(texts.paragraphs("甲", 1)[0])
                except HuoziError as error:
                    wrong.append(error)

        loop = threading.Thread(target=search)
        loop.start()
        try:
            with folder.writing:
                problems = check(folder, repair=True).problems
        finally:
            stop.set()
            loop.join()
        assert [problem.kind for problem in problems] == ["keyword_missing"] and wrong == []
        assert_whole(folder, 1)
        put(folder, 2)
        assert_whole(folder, 2)


@pytest.mark.parametrize("held_s", [1.0, 30.0])
def test_replacement_waits_or_fails_whole_when_another_process_locks_the_catalog(tmp_path, monkeypatch, held_s):
    monkeypatch.setattr("retrieval.catalog.database.BUSY_TIMEOUT_S", 3.0)
    with open_folder(tmp_path / "data") as folder:
        put(folder, 1)
        other = sqlite3.connect(tmp_path / "data" / "catalog.db", isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        release = threading.Timer(held_s, other.rollback)
        release.start()
        try:
            if held_s < 3:
                put(folder, 2)
            else:
                with pytest.raises(CatalogError, match="locked"):
                    put(folder, 2)
                # Readers are not held up.
                assert sources_found(folder, texts.paragraphs("甲", 1)[0]) == {"甲"}
                other.rollback()
                assert_whole(folder, 1)
                put(folder, 2)
        finally:
            release.cancel()
            release.join()
            other.close()
        assert_whole(folder, 2)
