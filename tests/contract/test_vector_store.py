"""What every VectorStore promises, on Chroma embedded, in a process of its own and on a real Chroma server."""

import dataclasses

import numpy as np
import pytest

from ingest import Ingestor, TextRecord
from retrieval.chroma import ChromaStore
from retrieval.chroma_process.store import ChromaProcessStore
from retrieval.doctor import check
from retrieval.errors import VectorStoreError
from retrieval.models import Chunk
from tests.processes import chroma_server
from tests.stores import open_folder

DIM = 8


@pytest.fixture(scope="module")
def chroma_url(tmp_path_factory):
    with chroma_server(tmp_path_factory.mktemp("chroma-server")) as server:
        yield server.url


@pytest.fixture(params=["embedded", "embedded, no texts", "own process", "own process, no texts", "server"])
def store(request, tmp_path):
    keep_texts = "no texts" not in request.param
    if "own process" in request.param:
        opened = ChromaProcessStore(tmp_path / "chroma", keep_texts=keep_texts)
    else:
        url = request.getfixturevalue("chroma_url") if request.param == "server" else None
        opened = ChromaStore(tmp_path / "chroma", url=url, keep_texts=keep_texts)
    yield opened
    for collection_id in opened.collection_ids():
        opened.drop(collection_id)
    opened.close()


def chunks(n: int, *, document_id: str = "file-1") -> list[Chunk]:
    return [
        Chunk(
            f"c{document_id}{i}",
            document_id,
            "v1",
            i,
            "标题𠮷",
            "a.md",
            f"第{i}条 内容🙂",
            i * 10,
            i * 10 + 8,
            None,
            ("章",),
        )
        for i in range(n)
    ]


def vectors(n: int, *, seed: int = 0) -> np.ndarray:
    matrix = np.random.default_rng(seed).normal(size=(n, DIM)).astype(np.float32)
    return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)


def test_nearest_come_first_with_their_cosine(store):
    matrix = vectors(250)
    store.upsert("vs_1", chunks(250), matrix)
    hits = store.search("vs_1", matrix[7], top_k=5)
    expected = np.argsort(-(matrix @ matrix[7]))[:5]
    assert [hit.chunk_id for hit in hits] == [f"cfile-1{i}" for i in expected]
    assert [hit.score for hit in hits] == pytest.approx([float(matrix[i] @ matrix[7]) for i in expected], abs=1e-4)


def test_the_nearest_to_each_of_many_comes_in_their_order(store):
    matrix = vectors(450)
    store.upsert("vs_1", chunks(450), matrix)
    found = store.nearest("vs_1", matrix[::-1] * 2)
    assert [hit.chunk_id for hit in found] == [f"cfile-1{i}" for i in reversed(range(450))]
    assert [hit.score for hit in found] == pytest.approx([1.0] * 450, abs=1e-4)
    assert store.nearest("vs_9", matrix[:2]) == [None, None]


def test_search_beside_a_block_finds_the_same(store):
    matrix = vectors(20)
    store.upsert("vs_1", chunks(10), matrix[:10])
    store.upsert("vs_1", chunks(10, document_id="file-2"), matrix[10:])
    with store.searching("vs_1", matrix[3], top_k=4) as every, store.searching("vs_9", matrix[3], top_k=4) as none:
        with store.searching("vs_1", matrix[3], top_k=4, document_ids=["file-2"]) as some:
            assert some() == store.search("vs_1", matrix[3], top_k=4, document_ids=["file-2"])
        assert every() == store.search("vs_1", matrix[3], top_k=4)
        assert none() == []


def test_search_that_nobody_waits_for_disturbs_no_other(store):
    matrix = vectors(10)
    store.upsert("vs_1", chunks(10), matrix)
    for _ in range(10):
        with store.searching("vs_1", matrix[3], top_k=4):
            pass
    with pytest.raises(ZeroDivisionError), store.searching("vs_1", matrix[3], top_k=4):
        raise ZeroDivisionError
    assert store.search("vs_1", matrix[7], top_k=1)[0].chunk_id == "cfile-17"


def test_search_keeps_to_the_named_documents(store):
    matrix = vectors(20)
    store.upsert("vs_1", chunks(10), matrix[:10])
    store.upsert("vs_1", chunks(10, document_id="file-2"), matrix[10:])
    hits = store.search("vs_1", matrix[0], top_k=20, document_ids=["file-2"])
    assert len(hits) == 10 and all(hit.chunk_id.startswith("cfile-2") for hit in hits)
    assert store.search("vs_1", matrix[0], top_k=20, document_ids=[]) == []


def test_add_leaves_what_is_there_and_takes_what_was_deleted(store):
    matrix = vectors(4)
    store.add("vs_1", chunks(2), matrix[:2])
    store.add("vs_1", chunks(3), matrix[1:])
    assert store.count("vs_1") == 3
    found = [store.search("vs_1", matrix[place], top_k=1)[0].chunk_id for place in (0, 1, 3)]
    assert found == ["cfile-10", "cfile-11", "cfile-12"]
    store.delete("vs_1", ["cfile-10"])
    store.add("vs_1", chunks(1), matrix[2:3])
    assert store.search("vs_1", matrix[2], top_k=1)[0].score == pytest.approx(1, abs=1e-4)
    assert store.chunk_ids("vs_1") == {"cfile-10", "cfile-11", "cfile-12"}


def test_upsert_overwrites_and_delete_forgets(store):
    matrix = vectors(4)
    store.upsert("vs_1", chunks(3), matrix[:3])
    store.upsert("vs_1", [dataclasses.replace(chunks(1)[0], text="新")], matrix[3:])
    assert store.count("vs_1") == 3
    assert store.search("vs_1", matrix[3], top_k=1)[0].score == pytest.approx(1, abs=1e-4)
    store.delete("vs_1", ["cfile-10", "unknown"])
    assert store.chunk_ids("vs_1") == {"cfile-11", "cfile-12"}


def test_collections_are_apart_and_dropped_whole(store):
    store.upsert("vs_1", chunks(2), vectors(2))
    store.upsert("vs_2", chunks(3), vectors(3))
    assert store.collection_ids() == {"vs_1", "vs_2"}
    store.drop("vs_1")
    store.drop("vs_1")
    assert store.chunk_ids("vs_1") == set() and store.count("vs_2") == 3


def test_collection_that_is_not_there_is_empty(store):
    assert store.search("vs_0", vectors(1)[0], top_k=3) == [] and store.count("vs_0") == 0
    store.delete("vs_0", ["x"])
    store.check()


def test_stock_langchain_reads_what_we_wrote(tmp_path):
    from langchain_chroma import Chroma

    from tests.fakes import FakeEmbedder

    embedder = FakeEmbedder(DIM)
    listed = chunks(5)
    store = ChromaStore(tmp_path / "chroma")
    store.upsert("vs_1", listed, embedder.embed_batch([chunk.text for chunk in listed]))
    store.close()
    stock = Chroma("vs_1", embedder, persist_directory=str(tmp_path / "chroma"))
    found = stock.similarity_search(listed[3].text, k=1)
    assert found[0].page_content == listed[3].text
    assert found[0].metadata["title"] == "标题𠮷" and found[0].metadata["start"] == 30


@pytest.mark.parametrize("keep_texts", [True, False])
def test_texts_are_kept_for_other_readers_unless_told_otherwise(tmp_path, keep_texts):
    import chromadb

    with open_folder(tmp_path, chroma_texts=keep_texts) as folder:
        Ingestor(folder).ingest_records([TextRecord("假期", "", "年假五天。")])
        assert check(folder).problems == ()
        place = tmp_path / "chroma"
    client = chromadb.PersistentClient(place)
    found = client.get_collection(client.list_collections()[0].name, embedding_function=None).get()
    client.close()
    assert found["documents"] == (["年假五天。"] if keep_texts else [None])
    assert found["metadatas"][0]["source"] == "假期"


def test_records_survive_when_the_store_is_opened_again(tmp_path):
    matrix = vectors(30)
    first = ChromaStore(tmp_path / "chroma")
    first.upsert("vs_1", chunks(30), matrix)
    first.close()
    second = ChromaStore(tmp_path / "chroma")
    assert second.search("vs_1", matrix[4], top_k=1)[0].chunk_id == "cfile-14"
    second.close()


def test_server_that_is_down_is_named(tmp_path):
    with pytest.raises(VectorStoreError) as caught:
        ChromaStore(tmp_path, url="http://127.0.0.1:9")
    assert "Chroma at 'http://127.0.0.1:9' failed: " in str(caught.value)
    assert caught.value.retryable
