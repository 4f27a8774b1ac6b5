import shutil

import pytest

from ingest import Ingestor, TextRecord
from retrieval.doctor import check
from retrieval.models import Hit
from tests.stores import open_folder

RECORDS = [TextRecord(f"d{i}", f"文档{i}", f"第{i}号规定：员工每年有{i}天年假。" * 20) for i in range(1, 8)]


@pytest.fixture
def folder(tmp_path):
    with open_folder(tmp_path / "data") as opened:
        Ingestor(opened).ingest_records(RECORDS)
        assert check(opened).problems == ()
        yield opened


def kinds(checkup) -> list[str]:
    return sorted(problem.kind for problem in checkup.problems)


def mend(folder) -> None:
    assert check(folder, repair=True).is_healthy
    assert check(folder).problems == ()


def sources(folder, question: str) -> set[str]:
    return {hit.chunk.source for hit in folder.retriever.retrieve(question).hits}


def collection_id(folder) -> str:
    return folder.collection("default").collection_id


def some_ids(folder) -> list[str]:
    return [chunk_id for chunk_id, _ in folder.catalog.live_chunk_vectors(collection_id(folder))][:3]


def test_chunks_lost_by_an_index_are_found_and_restored_without_the_embedder(folder):
    embedded = folder.embedder.loaded().n_embedded
    folder.keyword.delete(collection_id(folder), some_ids(folder))
    folder.vectors.delete(collection_id(folder), some_ids(folder))
    assert kinds(check(folder)) == ["keyword_missing", "vectors_missing"]
    mend(folder)
    assert folder.embedder.loaded().n_embedded == embedded


def test_whole_indexes_lost_are_restored(folder):
    folder.keyword.drop(collection_id(folder))
    folder.vectors.drop(collection_id(folder))
    mend(folder)
    assert "d3" in sources(folder, "3号规定")


def test_chunks_that_an_index_kept_too_long_are_taken_out(folder):
    document = folder.catalog.list_documents(collection_id(folder))[0]
    folder.catalog.retire_documents([document.document_id])
    assert kinds(check(folder)) == ["keyword_extra", "leftover_versions", "vectors_extra"]
    mend(folder)


class Losing:
    """A vector store whose graph has lost the way to a chunk, until it is written again."""

    def __init__(self, store, chunk_id):
        self._store, self.lost = store, {chunk_id}

    def nearest(self, collection_id, vectors):
        found = self._store.nearest(collection_id, vectors)
        return [Hit("another", 0.4) if hit.chunk_id in self.lost else hit for hit in found]

    def upsert(self, collection_id, chunks, vectors):
        self._store.upsert(collection_id, chunks, vectors)
        self.lost -= {chunk.chunk_id for chunk in chunks}

    def __getattr__(self, name):
        return getattr(self._store, name)


def test_a_chunk_that_no_search_by_vector_finds_is_written_again(folder):
    (first, *_) = some_ids(folder)
    folder.vectors = Losing(folder.vectors, first)
    (problem,) = check(folder).problems
    assert (problem.kind, problem.ids, problem.mended) == ("vectors_unreachable", (first,), False)
    mend(folder)
    assert folder.vectors.lost == set()


def test_missing_and_damaged_originals_are_reported(folder):
    first, second, *_ = folder.catalog.list_documents(collection_id(folder))
    folder.originals.remove(first.content_hash)
    folder.originals.path(second.content_hash).write_bytes(b"x")
    report = check(folder, repair=True)
    assert kinds(report) == ["original_damaged", "original_missing"] and not report.is_healthy


@pytest.mark.parametrize("lost", ["keyword", "chroma"])
def test_deleted_index_folder_is_rebuilt_at_start(tmp_path, lost):
    with open_folder(tmp_path / "data") as folder:
        Ingestor(folder).ingest_records(RECORDS)
    shutil.rmtree(tmp_path / "data" / lost)
    with open_folder(tmp_path / "data") as folder:
        assert check(folder).problems == ()
        assert "d3" in sources(folder, "3号规定")
        assert not folder.embedder.is_loaded or folder.embedder.loaded().n_embedded == 0


def test_keyword_index_of_garbage_is_rebuilt_at_start(tmp_path):
    with open_folder(tmp_path / "data") as folder:
        Ingestor(folder).ingest_records(RECORDS)
    for file in (tmp_path / "data" / "keyword").rglob("meta.json"):
        file.write_text("{rubbish")
    with open_folder(tmp_path / "data") as folder:
        assert check(folder).problems == ()


def test_chroma_folder_of_garbage_is_put_aside_and_rebuilt(tmp_path):
    with open_folder(tmp_path / "data") as folder:
        Ingestor(folder).ingest_records(RECORDS)
    for file in (tmp_path / "data" / "chroma").glob("*.sqlite3"):
        file.write_bytes(b"rubbish" * 1000)
    with open_folder(tmp_path / "data") as folder:
        assert check(folder).problems == ()
    assert list((tmp_path / "data").glob("chroma.broken-*"))


def test_versions_left_by_a_crash_are_swept_at_start(tmp_path):
    with open_folder(tmp_path / "data") as folder:
        Ingestor(folder).ingest_records(RECORDS)
        document = folder.catalog.list_documents(collection_id(folder))[0]
        folder.catalog.retire_documents([document.document_id])
    with open_folder(tmp_path / "data") as folder:
        assert folder.catalog.leftovers() == [] and check(folder).problems == ()
