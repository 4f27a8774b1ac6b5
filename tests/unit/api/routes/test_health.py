from __future__ import annotations

import pytest

from assistant.settings import LlmSettings
from prompts import chat_template_path
from retrieval.errors import CatalogError, Message, VectorStoreError
from tests.servers import FakeModelServer, free_url
from tests.template_server import TemplateServer
from tests.unit.api.service import FakeFolder, ScriptedAssistant, build, client


def broken(error: Exception):
    def fail(*_: object):
        raise error

    return fail


async def ready(folder: FakeFolder, **changes):
    app = build(folder, ScriptedAssistant(), **changes)
    async with client(app) as http:
        reply = await http.get("/readyz")
    if app.state.model_client is not None:
        await app.state.model_client.aclose()
    return reply


async def test_everything_answers_when_all_is_well(folder: FakeFolder):
    folder.add_collection("default")
    with FakeModelServer() as server:
        reply = await ready(folder, llm=LlmSettings(base_url=server.base_url))
    assert reply.status_code == 200
    assert reply.json()["checks"] == {
        "catalog": {"status": "ok"},
        "keyword": {"status": "ok"},
        "vectors": {"status": "ok"},
        "embedder": {"status": "ok", "name": "e5"},
        "model_server": {"status": "ok", "template": "unknown", "window_tokens": None},
    }


async def test_what_is_not_configured_is_no_failure(folder: FakeFolder):
    folder.vectors = folder.embedder = None
    reply = await ready(folder)
    assert reply.status_code == 200
    assert {one["status"] for one in reply.json()["checks"].values()} == {"ok", "not_configured"}


async def test_the_one_that_fails_is_named(folder: FakeFolder):
    folder.vectors.check = broken(VectorStoreError(Message("down", "停了")))
    reply = await ready(folder)
    assert reply.status_code == 503
    assert reply.json()["checks"]["vectors"] == {"status": "failed", "code": "vector_store_error"}


async def test_catalog_is_named_when_it_cannot_be_read(folder: FakeFolder):
    folder.catalog.list_collections = broken(CatalogError(Message("x", "x")))  # type: ignore[method-assign]
    assert (await ready(folder)).json()["checks"]["catalog"]["status"] == "failed"


async def test_model_server_is_named_when_it_is_down(folder: FakeFolder):
    reply = await ready(folder, llm=LlmSettings(base_url=free_url()))
    assert (reply.status_code, reply.json()["checks"]["model_server"]["status"]) == (503, "failed")


async def test_service_is_ready_but_warns_when_the_servers_window_is_small(folder: FakeFolder):
    with TemplateServer(chat_template_path("huozi"), window=4_096) as server:
        reply = await ready(folder, llm=LlmSettings(base_url=server.base_url))
    assert reply.status_code == 200
    assert reply.json()["checks"]["model_server"] == {
        "status": "warning",
        "code": "window_smaller",
        "template": "ours",
        "window_tokens": 4_096,
    }


@pytest.mark.parametrize(("model", "code"), [("别的", "model_not_served"), ("huozi", "template_missing")])
async def test_service_is_not_ready_when_the_model_server_cannot_answer(folder: FakeFolder, model: str, code: str):
    with TemplateServer(None) as server:
        reply = await ready(folder, llm=LlmSettings(base_url=server.base_url, model=model))
    assert (reply.status_code, reply.json()["checks"]["model_server"]["code"]) == (503, code)


async def test_process_lives(folder: FakeFolder):
    async with client(build(folder, ScriptedAssistant())) as http:
        assert (await http.get("/healthz")).json() == {"status": "ok"}
