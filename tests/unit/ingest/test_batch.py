import hashlib
import sqlite3
import threading
import time
from contextlib import closing

import pytest

import ingest.batch
from ingest import Ingestor, TextRecord
from ingest.batch import Run
from ingest.ready import Ready
from ingest.settings import IngestSettings, SplitSettings
from retrieval.catalog import NewVersion
from retrieval.doctor import check
from retrieval.errors import Message, VectorStoreError
from retrieval.models import Document, Span
from tests.fakes import FakeEmbedder
from tests.stores import open_folder

DEADLINE_S = 30.0
ONE_A_SENTENCE = IngestSettings(split=SplitSettings(max_chars=20, min_chars=0), parse_apart="never")


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(ingest.batch, "FIRST_CHUNKS", 4)
    monkeypatch.setattr(ingest.batch, "BATCH_CHUNKS", 8)
    monkeypatch.setattr(ingest.batch, "BULK_CHUNKS", 20)
    monkeypatch.setattr(ingest.batch, "ANSWERED_CHUNKS", 3)


@pytest.fixture
def folder(tmp_path):
    with open_folder(tmp_path / "data") as opened:
        yield opened


@pytest.fixture
def calls(folder, monkeypatch) -> list[int]:
    """The number of chunks of each call to the vector store."""
    sizes: list[int] = []
    plain = folder.vectors.add

    def counted(collection_id, chunks, vectors):
        assert len(chunks) == len(vectors)
        sizes.append(len(chunks))
        plain(collection_id, chunks, vectors)

    monkeypatch.setattr(folder.vectors, "add", counted)
    return sizes


def records(count: int, sentences: int = 1) -> list[TextRecord]:
    return [
        TextRecord(f"文{i}", "", "".join(f"第{i}篇第{j}句话写得足够长𠮷。" for j in range(sentences)))
        for i in range(count)
    ]


def ingest_all(folder, listed):
    report = Ingestor(folder, ONE_A_SENTENCE).ingest_records(listed)
    assert (report.added, report.failed) == (len(listed), [])
    assert check(folder).problems == ()
    return report


def test_batches_grow_when_nobody_waits_for_an_answer(folder, calls, small_batches):
    ingest_all(folder, records(200))
    # How soon depends on how far embedding is ahead of writing.
    assert calls[0] == 4 and max(calls) == 20 and sum(calls) == 200
    assert calls[:-1] == sorted(calls[:-1])


def test_calls_are_short_when_questions_are_answered_meanwhile(folder, calls, small_batches):
    folder.answers_meanwhile = True
    ingest_all(folder, records(20))
    assert calls == [3, 1, 3, 3, 2, 3, 3, 2]


def test_calls_become_short_when_questions_begin_in_the_middle_of_a_run(folder, calls, small_batches):
    n_before = []

    def begin(progress):
        if progress.stage == "index" and progress.chunks >= 24 and not folder.answers_meanwhile:
            folder.answers_meanwhile = True
            n_before.append(len(calls))

    report = Ingestor(folder, ONE_A_SENTENCE).ingest_records(records(110), progress=begin)
    assert (report.added, sum(calls)) == (110, 110)
    # But for the batch that was being written then.
    assert max(calls[n_before[0] + 1 :]) <= 3


def test_next_batch_is_put_together_while_one_is_written(folder, small_batches, monkeypatch):
    """The second is handed on, and the third begun, before the first is written."""
    plain, is_third, parsed = folder.vectors.add, threading.Event(), []

    def add(*args):
        assert is_third.wait(DEADLINE_S)
        plain(*args)

    def told(progress):
        if progress.stage == "split":
            parsed.append(progress.source)
        if len(parsed) > 12:
            is_third.set()

    monkeypatch.setattr(folder.vectors, "add", add)
    report = Ingestor(folder, ONE_A_SENTENCE).ingest_records(records(30), progress=told)
    assert (report.added, report.chunks) == (30, 30) and check(folder).problems == ()


def test_nothing_is_written_after_a_batch_that_failed(folder, small_batches, monkeypatch):
    plain, n_calls = folder.vectors.add, []

    def add(*args):
        n_calls.append(1)
        if len(n_calls) == 2:
            time.sleep(0.2)  # The third waits for its turn.
            raise VectorStoreError(Message("gone", "没了"))
        plain(*args)

    with monkeypatch.context() as broken:
        broken.setattr(folder.vectors, "add", add)
        with pytest.raises(VectorStoreError, match="gone"):
            Ingestor(folder, ONE_A_SENTENCE).ingest_records(records(60))
    assert len(n_calls) == 2
    assert folder.catalog.get_collection("default", counted=True).n_chunks == 4
    assert check(folder).problems == ()
    report = Ingestor(folder, ONE_A_SENTENCE).ingest_records(records(60))
    assert (report.added, report.skipped) == (56, 4) and check(folder).problems == ()


def test_copies_are_stored_in_several_batches_while_nobody_else_may_write(folder, tmp_path, small_batches, calls):
    docs = tmp_path / "docs"
    docs.mkdir()
    for number in range(40):
        (docs / f"{number}.txt").write_text("每篇都写着同样的一句话。", encoding="utf-8")
    report = Ingestor(folder, ONE_A_SENTENCE).ingest([docs])
    assert (report.added, report.chunks, report.failed) == (40, 40, [])
    assert len(calls) > 3 and check(folder).problems == ()


def test_batches_stay_small_when_a_batch_takes_long(folder, calls, small_batches, monkeypatch):
    monkeypatch.setattr(ingest.batch, "BATCH_S", 0.0)
    ingest_all(folder, records(20))
    assert calls == [4, 8, 8]


@pytest.mark.parametrize(
    ("n_chunks", "seconds", "size"),
    [(512, 0.25, 1024), (100, 4.0, 512), (2048, 2.9, 2824), (2048, 0.0, 4096), (4096, 8.0, 2048)],
)
def test_batch_is_as_large_as_is_done_in_time(folder, n_chunks, seconds, size):
    run = Run(folder, folder.collection("default", create=True), None)
    assert run._next_size(n_chunks, seconds) == size


def test_large_document_goes_in_several_calls_and_becomes_visible_at_once(folder, calls, small_batches):
    report = ingest_all(folder, records(1, sentences=37))
    assert report.chunks == 37
    assert calls == [10, 10, 10, 7]
    collection = folder.collection("default")
    assert folder.vectors.count(collection.collection_id) == 37


class DyingEmbedder(FakeEmbedder):
    """Fails once it has embedded ten texts, two at a time."""

    def __init__(self) -> None:
        super().__init__(32)
        self.batch_size = 2

    def embed_batch(self, texts):
        if self.n_embedded >= 10:
            raise RuntimeError("no more")
        return super().embed_batch(texts)


def test_finished_batches_stay_when_the_embedder_fails_in_a_later_one(folder, small_batches, monkeypatch):
    monkeypatch.setattr(folder, "embedder", DyingEmbedder())
    with pytest.raises(RuntimeError, match="no more"):
        Ingestor(folder, ONE_A_SENTENCE).ingest_records(records(20))
    assert check(folder).problems == ()
    healthy = FakeEmbedder(32)
    monkeypatch.setattr(folder, "embedder", healthy)
    report = Ingestor(folder, ONE_A_SENTENCE).ingest_records(records(20))
    # What was embedded for the batch that failed is not embedded again.
    assert (report.skipped, report.added, healthy.n_embedded) == (4, 16, 10)
    assert check(folder).problems == ()


def test_equal_texts_are_embedded_once(folder, monkeypatch):
    embedder = FakeEmbedder(32)
    monkeypatch.setattr(folder, "embedder", embedder)
    ingest_all(folder, [TextRecord(name, "规定", "完全一样的一句话。") for name in "甲乙"])
    assert embedder.n_embedded == 1
    vector = embedder.embed_question("完全一样的一句话。")
    hits = folder.vectors.search(folder.collection("default").collection_id, vector, top_k=2)
    assert len({hit.chunk_id for hit in hits}) == 2
    assert hits[0].score == hits[1].score


def test_next_batch_is_embedded_when_one_is_written(folder, small_batches, monkeypatch):
    embedder, went_on, is_written = FakeEmbedder(32), threading.Event(), threading.Event()
    plain_embed, plain_add = embedder.embed_batch, folder.vectors.add
    waited = []

    def embed(texts):
        # The first batch until the second is put together, the second until the first is being written.
        waited.append((is_written if waited else went_on).wait(DEADLINE_S))
        return plain_embed(texts)

    def add(*args):
        is_written.set()
        plain_add(*args)

    monkeypatch.setattr(folder, "embedder", embedder)
    monkeypatch.setattr(embedder, "embed_batch", embed)
    monkeypatch.setattr(folder.vectors, "add", add)
    Ingestor(folder, ONE_A_SENTENCE).ingest_records(
        records(30), progress=lambda progress: went_on.set() if progress.source == "文9" else None
    )
    assert waited[:2] == [True, True]


def test_embedded_batches_are_written_when_nothing_comes(folder, small_batches):
    run = Run(folder, folder.collection("default", create=True), None)
    for number in range(12):
        text = f"第{number}篇只有一句话。"
        version = NewVersion(
            source_id=f"文{number}",
            source=f"文{number}",
            document=Document(title="", text=text),
            spans=(Span(0, len(text)),),
            content_hash=hashlib.sha256(text.encode()).hexdigest(),
            recipe="1",
            media_type="text/plain",
            size=len(text.encode()),
        )
        run.add(Ready(version, text.encode()))

    end = time.monotonic() + DEADLINE_S
    while run.write_ready():
        assert time.monotonic() < end

    run.clean()
    assert run.counts.report.added == len(folder.catalog.list_documents(run.collection.collection_id)) == 12
    assert check(folder).problems == ()


def test_texts_of_equal_length_are_embedded_together_when_a_batch_is_full(folder, monkeypatch):
    embedder = FakeEmbedder(32)
    embedder.batch_size = 4
    lengths = []
    plain = embedder.embed_batch
    monkeypatch.setattr(embedder, "embed_batch", lambda texts: lengths.append([*map(len, texts)]) or plain(texts))
    monkeypatch.setattr(folder, "embedder", embedder)

    ingest_all(folder, [TextRecord(f"文{i}", "", "䶮" * (3 + i % 4) + f"{i}。") for i in range(18)])

    assert [len(batch) for batch in lengths] == [4, 4, 4, 4, 2]
    assert sum(lengths, []) == sorted(sum(lengths, []), reverse=True)


def test_embedding_ends_when_the_run_is_stopped(folder, small_batches, monkeypatch):
    embedder = FakeEmbedder(32)
    embedder.batch_size = 1
    monkeypatch.setattr(folder, "embedder", embedder)

    def stop(progress):
        if progress.stage == "index" and progress.chunks:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Ingestor(folder, ONE_A_SENTENCE).ingest_records(records(200), progress=stop)

    n_embedded = embedder.n_embedded
    assert n_embedded < 200 and not [one for one in threading.enumerate() if one.name.startswith("huozi-embed")]
    assert check(folder).problems == () and embedder.n_embedded == n_embedded
    report = Ingestor(folder, ONE_A_SENTENCE).ingest_records(records(200))
    # None of those that were embedded is embedded again.
    assert (report.skipped + report.added, embedder.n_embedded) == (200, 200)


def test_vectors_are_kept_before_their_document_is_visible(folder, monkeypatch):
    there = []
    plain = folder.catalog.publish

    def publish(*arguments):
        query = "SELECT count(*), count(key) FROM chunks LEFT JOIN vectors ON key = vector_key"
        with closing(sqlite3.connect(folder.path / "catalog.db")) as other:
            there.extend(other.execute(query))
        return plain(*arguments)

    monkeypatch.setattr(folder.catalog, "publish", publish)
    ingest_all(folder, records(3, sentences=2))
    assert there == [(6, 6)]


def test_vectors_that_were_made_are_kept_when_writing_fails(folder, monkeypatch):
    embedder = FakeEmbedder(32)
    monkeypatch.setattr(folder, "embedder", embedder)

    def fail(*_):
        raise VectorStoreError(Message("full", "满"))

    with monkeypatch.context() as patch:
        patch.setattr(folder.catalog, "build_versions", fail)
        with pytest.raises(VectorStoreError):
            Ingestor(folder, ONE_A_SENTENCE).ingest_records(records(5))
    assert embedder.n_embedded == 5
    ingest_all(folder, records(5))
    assert embedder.n_embedded == 5
