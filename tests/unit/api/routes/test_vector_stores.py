from __future__ import annotations

import pytest

from retrieval.models import ScoredChunk
from tests.unit.api.service import HANDBOOK, FakeFolder, ScriptedAssistant, build, client


async def test_collections_are_listed_a_page_at_a_time(folder: FakeFolder):
    for name in ("甲", "乙", "丙"):
        folder.add_collection(name, 2)
    async with client(build(folder, ScriptedAssistant())) as http:
        first = (await http.get("/v1/vector_stores?limit=2&order=asc")).json()
        second = (await http.get(f"/v1/vector_stores?limit=2&order=asc&after={first['last_id']}")).json()
        newest = (await http.get("/v1/vector_stores")).json()
    assert [one["name"] for one in first["data"]] == ["甲", "乙"]
    assert (first["has_more"], second["has_more"]) == (True, False)
    assert [one["name"] for one in second["data"]] == ["丙"]
    assert newest["data"][0]["name"] == "丙"
    assert first["data"][0]["file_counts"] == {
        "in_progress": 0, "completed": 2, "failed": 0, "cancelled": 0, "total": 2,
    }  # fmt: skip


async def test_one_collection_is_found_by_name_or_id(folder: FakeFolder):
    one = folder.add_collection("制度", 1)
    async with client(build(folder, ScriptedAssistant())) as http:
        for name in ("制度", one.collection_id):
            assert (await http.get(f"/v1/vector_stores/{name}")).json()["id"] == one.collection_id
        reply = await http.get("/v1/vector_stores/无")
    assert (reply.status_code, reply.json()["error"]["message"]) == (404, "没有名为 '无' 的集合。")


async def test_search_gives_openais_fields_and_ours(folder: FakeFolder):
    chunk = folder.add_document(folder.add_collection("制度"), HANDBOOK)
    folder.retriever.hits = (ScoredChunk(chunk, 0.9), ScoredChunk(chunk, 0.2))
    body = {
        "query": ["年假", "天数"],
        "max_num_results": 5,
        "ranking_options": {"score_threshold": 0.5},
        "filters": {"type": "and", "filters": [{"type": "eq", "key": "author", "value": "张三"}]},
    }
    async with client(build(folder, ScriptedAssistant())) as http:
        found = (await http.post("/v1/vector_stores/制度/search", json=body)).json()
    assert folder.retriever.calls == [
        {"question": "年假 天数", "collection": "制度", "top_k": 5, "filters": {"author": "张三"}}
    ]
    assert (found["object"], found["search_query"]) == ("vector_store.search_results.page", ["年假", "天数"])
    (hit,) = found["data"]
    assert (hit["file_id"], hit["filename"], hit["score"]) == (chunk.document_id, chunk.source, 0.9)
    assert hit["content"] == [{"type": "text", "text": HANDBOOK}]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "query"),
        ({"query": "x", "max_num_results": 0}, "max_num_results"),
        ({"query": "x", "filters": {"type": "or", "filters": []}}, "filters"),
        ({"query": "x", "filters": {"type": "and", "filters": ["x"]}}, "filters"),
    ],
)
async def test_search_is_refused_when_it_cannot_be_done(folder: FakeFolder, body: dict, param: str):
    folder.add_collection("制度")
    async with client(build(folder, ScriptedAssistant())) as http:
        reply = await http.post("/v1/vector_stores/制度/search", json=body)
    assert reply.status_code == 400
    assert reply.json()["error"]["param"].startswith(param)
