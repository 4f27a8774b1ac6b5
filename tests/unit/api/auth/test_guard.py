from __future__ import annotations

import pytest

from retrieval.errors import CatalogError, Message
from tests.unit.api.service import KEY, FakeFolder, ScriptedAssistant, build, client, script

ASK = {"model": "huozi-rag", "messages": [{"role": "user", "content": "年假？"}]}


@pytest.fixture
def app(folder: FakeFolder):
    folder.add_collection("default", 1)
    return build(folder, ScriptedAssistant(*script("好")))


@pytest.fixture
def keyed(app, folder: FakeFolder):
    folder.catalog.keys.tokens.add(KEY)
    return app


@pytest.mark.parametrize("host", ["evil.com", "127.0.0.1.evil.com", "10.0.0.5:8080", ""])
@pytest.mark.parametrize("path", ["/", "/v1/models", "/documents/doc_1", "/static/app.js"])
async def test_foreign_host_is_refused_when_there_are_no_keys(app, host: str, path: str):
    async with client(app) as http:
        reply = await http.get(path, headers={"host": host})
    assert reply.status_code == 403
    assert reply.json()["error"]["code"] == "foreign_origin"


async def test_foreign_caller_is_refused_when_there_are_no_keys(app):
    import httpx

    transport = httpx.ASGITransport(app=app, client=("192.168.1.7", 5000))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        assert (await http.get("/v1/models")).status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:8080", "[::1]:8080"])
async def test_this_machine_may_ask_when_there_are_no_keys(app, host: str):
    async with client(app) as http:
        reply = await http.post("/v1/chat/completions", json=ASK, headers={"host": host, "origin": f"http://{host}"})
    assert reply.status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.com", "null", "http://127.0.0.1:9999"])
async def test_foreign_page_is_refused_when_it_posts(app, origin: str):
    async with client(app) as http:
        reply = await http.post("/v1/chat/completions", json=ASK, headers={"origin": origin})
    assert reply.status_code == 403


async def test_health_answers_by_any_name_when_there_are_no_keys(app):
    async with client(app) as http:
        assert (await http.get("/healthz", headers={"host": "pod-7"})).status_code == 200


@pytest.mark.parametrize("path", ["/v1/models", "/v1/files/doc_1/content", "/v1/documents/doc_1/text", "/anything"])
async def test_key_is_asked_for_when_one_exists(keyed, path: str):
    async with client(keyed) as http:
        reply = await http.get(path)
    assert reply.status_code == 401
    assert reply.headers["www-authenticate"] == "Bearer"
    assert reply.json()["error"] == {
        "message": "访问本服务需要 API 密钥。请用 `Authorization: Bearer hz-...` 头。",
        "type": "authentication_error",
        "code": "invalid_api_key",
        "param": None,
    }


async def test_wrong_key_is_refused_without_repeating_it(keyed):
    async with client(keyed, headers={"authorization": "Bearer hz-wrong"}) as http:
        reply = await http.get("/v1/models")
    assert reply.status_code == 401
    assert "hz-wrong" not in reply.text


async def test_probes_answer_when_the_catalog_does_not(app, folder: FakeFolder):
    def fail() -> bool:
        raise CatalogError(Message("Damaged.", "目录库损坏。"))

    folder.catalog.keys.any = fail  # type: ignore[method-assign]
    async with client(app) as http:
        assert (await http.get("/healthz")).status_code == 200
        assert (await http.get("/readyz")).status_code == 200
        reply = await http.get("/v1/models")
    assert (reply.status_code, reply.json()["error"]["message"]) == (503, "目录库损坏。")


async def test_key_opens_from_any_host_when_it_is_right(keyed):
    headers = {"authorization": f"Bearer {KEY}", "host": "docs.example.com"}
    async with client(keyed, headers=headers) as http:
        assert (await http.get("/v1/models")).status_code == 200
        assert (await http.post("/v1/chat/completions", json=ASK)).status_code == 200


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/static/app.js", "/documents/doc_1", "/docs"])
async def test_page_needs_no_key_when_it_holds_no_documents(keyed, path: str):
    async with client(keyed) as http:
        assert (await http.get(path)).status_code == 200


async def test_owner_token_opens_when_the_command_line_shows_it(keyed):
    async with client(keyed, headers={"authorization": "Bearer owner-secret"}) as http:
        assert (await http.get("/v1/models")).status_code == 200


async def test_cookie_opens_until_its_key_is_revoked(keyed, folder: FakeFolder):
    async with client(keyed) as http:
        opened = await http.post("/session", json={"key": KEY})
        assert opened.status_code == 204
        cookie = opened.headers["set-cookie"]
        assert "HttpOnly" in cookie and "SameSite=strict" in cookie and KEY not in cookie
        assert (await http.get("/v1/models")).status_code == 200
        folder.catalog.keys.tokens.remove(KEY)
        folder.catalog.keys.tokens.add("hz-other")
        assert (await http.get("/v1/models")).status_code == 401


async def test_cookie_is_not_enough_when_a_foreign_page_posts(keyed):
    async with client(keyed) as http:
        await http.post("/session", json={"key": KEY})
        reply = await http.post("/v1/chat/completions", json=ASK, headers={"origin": "https://evil.com"})
        assert reply.status_code == 403


async def test_no_session_opens_when_the_key_is_wrong(keyed):
    async with client(keyed) as http:
        reply = await http.post("/session", json={"key": "hz-wrong"})
        assert reply.status_code == 401
        assert "set-cookie" not in reply.headers
        assert (await http.post("/session", json={})).status_code == 400


async def test_session_ends_when_it_is_closed(keyed):
    async with client(keyed) as http:
        await http.post("/session", json={"key": KEY})
        assert (await http.delete("/session")).status_code == 204
        assert (await http.get("/v1/models")).status_code == 401
