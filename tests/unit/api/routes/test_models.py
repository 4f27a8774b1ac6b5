from __future__ import annotations

from urllib.parse import quote

from tests.unit.api.service import FakeFolder, ScriptedAssistant, build, client


async def test_models_are_the_model_and_one_for_each_collection(folder: FakeFolder):
    for name in ("制度", "default"):
        folder.add_collection(name)
    async with client(build(folder, ScriptedAssistant())) as http:
        body = (await http.get("/v1/models")).json()
    assert [one["id"] for one in body["data"]] == ["huozi", "huozi-rag", "huozi-rag/default", "huozi-rag/制度"]
    assert {one["object"] for one in body["data"]} == {"model"}


async def test_one_model_is_found_by_its_name(folder: FakeFolder):
    folder.add_collection("制度/a")
    async with client(build(folder, ScriptedAssistant())) as http:
        for name in ("huozi", "huozi-rag", "huozi-rag/制度/a"):
            assert (await http.get(f"/v1/models/{quote(name)}")).json()["id"] == name
        for name in ("gpt-4o", "huozi-rag/无"):
            reply = await http.get(f"/v1/models/{quote(name)}")
            assert (reply.status_code, reply.json()["error"]["code"]) == (404, "model_not_found")
