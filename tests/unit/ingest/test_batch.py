import pytest

import ingest.batch
from ingest import Ingestor, TextRecord
from ingest.settings import IngestSettings, SplitSettings
from retrieval.doctor import check
from tests.fakes import FakeEmbedder
from tests.stores import open_folder

ONE_A_SENTENCE = IngestSettings(split=SplitSettings(max_chars=20, min_chars=0), parse_apart="never")


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(ingest.batch, "BATCH_CHUNKS", 8)
    monkeypatch.setattr(ingest.batch, "BULK_CHUNKS", 20)


@pytest.fixture
def folder(tmp_path):
    with open_folder(tmp_path / "data") as opened:
        yield opened


@pytest.fixture
def calls(folder, monkeypatch) -> list[int]:
    """The number of chunks of each call to the vector store."""
    sizes: list[int] = []
    plain = folder.vectors.upsert

    def counted(collection_id, chunks, vectors):
        assert len(chunks) == len(vectors)
        sizes.append(len(chunks))
        plain(collection_id, chunks, vectors)

    monkeypatch.setattr(folder.vectors, "upsert", counted)
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
    ingest_all(folder, records(70))
    assert calls == [8, 16, 20, 20, 6]


def test_batches_stay_small_when_questions_are_answered_meanwhile(folder, calls, small_batches):
    folder.answers_meanwhile = True
    ingest_all(folder, records(20))
    assert calls == [8, 8, 4]


def test_batches_shrink_when_questions_begin_in_the_middle_of_a_run(folder, calls, small_batches):
    def begin(progress):
        if progress.stage == "index" and progress.chunks >= 24:
            folder.answers_meanwhile = True

    report = Ingestor(folder, ONE_A_SENTENCE).ingest_records(records(50), progress=begin)
    assert report.added == 50
    assert calls == [8, 16, 8, 8, 8, 2]


def test_batches_stay_small_when_a_batch_takes_long(folder, calls, small_batches, monkeypatch):
    monkeypatch.setattr(ingest.batch, "GROW_BELOW_S", 0.0)
    ingest_all(folder, records(20))
    assert calls == [8, 8, 4]


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
    assert (report.skipped, report.added, healthy.n_embedded) == (8, 12, 10)
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
