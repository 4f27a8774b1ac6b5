"""What `retrieval.protocols.KeywordIndex` promises, on the real index."""

import dataclasses
import shutil
import threading

import pytest

from retrieval.errors import KeywordIndexError
from retrieval.keyword.index import TantivyIndex
from retrieval.keyword.tokens import query_weights
from retrieval.models import Chunk


def chunk(chunk_id: str, text: str, *, title: str = "制度", document_id: str = "d1") -> Chunk:
    return Chunk(chunk_id, document_id, "v1", 0, title, "a.md", text, 0, len(text))


CHUNKS = [
    chunk("c1", "员工每年享有十天年假。"),
    chunk("c2", "出差住宿費按標準報銷，上限 1,750 元。", document_id="d2"),
    chunk("c3", "服务器型号 RB-2107 的保修期很长。", document_id="d3", title="设备清单"),
]


@pytest.fixture
def index(tmp_path):
    index = TantivyIndex(tmp_path / "keyword")
    yield index
    index.close()


def found(index, question, **options):
    options.setdefault("top_k", 10)
    return [hit.chunk_id for hit in index.search("vs_1", query_weights(question), **options)]


def test_search_finds_what_was_upserted(index):
    index.upsert("vs_1", CHUNKS)
    assert found(index, "年假有几天")[0] == "c1"
    assert found(index, "rb2107保修") == ["c3"]
    assert found(index, "上限１７５０元")[0] == "c2"
    assert found(index, "住宿费标准")[0] == "c2"
    assert found(index, "设备清单") == ["c3"]
    assert found(index, "火星") == []


def test_search_scores_fall_and_ties_go_by_id(index):
    index.upsert("vs_1", [chunk(f"c{number:03}", "完全一样的一句话") for number in reversed(range(60))])
    hits = index.search("vs_1", query_weights("一样"), top_k=5)
    assert [hit.chunk_id for hit in hits] == ["c000", "c001", "c002", "c003", "c004"]
    assert len({hit.score for hit in hits}) == 1


def test_search_weighs_tokens(index):
    index.upsert("vs_1", [chunk("c1", "甲子"), chunk("c2", "乙丑")])
    assert index.search("vs_1", {"甲": 1.0, "乙": 3.0}, top_k=2)[0].chunk_id == "c2"
    assert index.search("vs_1", {"甲": 3.0, "乙": 1.0}, top_k=2)[0].chunk_id == "c1"
    assert index.search("vs_1", {}, top_k=2) == []


def test_search_restricts_to_documents(index):
    index.upsert("vs_1", CHUNKS)
    assert found(index, "年假住宿", document_ids=["d2", "d3"]) == ["c2"]
    assert found(index, "年假", document_ids=[]) == []
    restricted = index.search("vs_1", query_weights("住宿"), top_k=5, document_ids=["d2"])
    assert restricted == index.search("vs_1", query_weights("住宿"), top_k=5)


def test_upsert_overwrites(index):
    index.upsert("vs_1", CHUNKS)
    index.upsert("vs_1", [dataclasses.replace(CHUNKS[0], text="改为病假。")])
    assert found(index, "享有") == []
    assert found(index, "病假") == ["c1"]
    assert index.chunk_ids("vs_1") == {"c1", "c2", "c3"}


def test_upsert_keeps_the_last_when_an_id_comes_twice(index):
    index.upsert("vs_1", [CHUNKS[0], dataclasses.replace(CHUNKS[0], text="后来的")])
    assert found(index, "后来") == ["c1"]
    assert index.frequencies("vs_1", [])[0] == 1


def test_delete_is_final_and_ignores_unknown_ids(index):
    index.upsert("vs_1", CHUNKS)
    index.delete("vs_1", ["c1", "nobody"])
    assert found(index, "年假") == []
    index.delete("vs_none", ["c1"])
    assert index.chunk_ids("vs_none") == set()


def test_collections_do_not_see_each_other(index):
    index.upsert("vs_1", CHUNKS[:1])
    index.upsert("vs_2", CHUNKS[1:])
    assert index.chunk_ids("vs_1") == {"c1"}
    assert index.collection_ids() == {"vs_1", "vs_2"}
    index.drop("vs_2")
    assert index.collection_ids() == {"vs_1"}
    assert index.chunk_ids("vs_2") == set()
    assert found(index, "年假") == ["c1"]


def test_frequencies_count_chunks(index):
    index.upsert("vs_1", CHUNKS)
    n_chunks, counts = index.frequencies("vs_1", ["年", "火星"])
    assert n_chunks == 3
    assert counts == {"年": 1, "火星": 0}
    assert index.frequencies("vs_none", ["年"]) == (0, {"年": 0})


def test_index_is_the_same_after_reopening(index, tmp_path):
    index.upsert("vs_1", CHUNKS)
    before = index.search("vs_1", query_weights("年假"), top_k=3)
    index.close()
    again = TantivyIndex(tmp_path / "keyword")
    assert again.search("vs_1", query_weights("年假"), top_k=3) == before
    again.close()


def test_index_counts_as_empty_when_its_folder_is_lost(index):
    assert found(index, "年假") == []
    assert index.chunk_ids("vs_1") == set()


def test_search_raises_and_drop_mends_when_index_is_damaged(tmp_path):
    first = TantivyIndex(tmp_path)
    first.upsert("vs_1", CHUNKS)
    first.close()
    (tmp_path / "vs_1" / "meta.json").write_text("{", encoding="utf-8")
    index = TantivyIndex(tmp_path)
    with pytest.raises(KeywordIndexError, match=r"Reading the keyword index .* Run: huozi doctor --repair"):
        found(index, "年假")
    assert index.chunk_ids("vs_1") == set()
    index.drop("vs_1")
    index.upsert("vs_1", CHUNKS)
    assert found(index, "年假有几天")[0] == "c1"
    index.close()


def test_index_is_written_when_a_process_was_killed_within_a_commit(tmp_path):
    first = TantivyIndex(tmp_path)
    first.upsert("vs_1", CHUNKS)
    first.close()
    segments = (tmp_path / "vs_1" / "meta.json").read_bytes()
    killed = TantivyIndex(tmp_path)
    killed.delete("vs_1", ["c1"])
    killed.close()
    # The list of segments is written last: without it the file of deletions lies there, and is not known.
    (tmp_path / "vs_1" / "meta.json").write_bytes(segments)

    index = TantivyIndex(tmp_path)
    assert index.chunk_ids("vs_1") == {"c1", "c2", "c3"}
    index.delete("vs_1", ["c1"])
    assert index.chunk_ids("vs_1") == {"c2", "c3"}
    index.close()


def test_writing_raises_when_the_files_were_deleted_meanwhile(index, tmp_path):
    index.upsert("vs_1", CHUNKS)
    shutil.rmtree(tmp_path / "keyword" / "vs_1")
    with pytest.raises(KeywordIndexError, match="its files are gone"):
        index.delete("vs_1", ["c1"])
    assert found(index, "年假有几天")[0] == "c1"  # What is open goes on answering.
    index.drop("vs_1")
    index.upsert("vs_1", CHUNKS)
    assert index.chunk_ids("vs_1") == {"c1", "c2", "c3"}


def test_searches_run_beside_a_writer(index):
    index.upsert("vs_1", CHUNKS)
    failures = []

    def search() -> None:
        for _ in range(50):
            if "c1" not in found(index, "年假"):
                failures.append("lost")

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(5):
        index.upsert("vs_1", [chunk(f"n{number}", "新的一段")])
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(index.chunk_ids("vs_1")) == 8
