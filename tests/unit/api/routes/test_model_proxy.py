from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from api.model_proxy import with_stops
from api.sse import decode_events
from assistant.serving.profile import load_profile
from assistant.settings import LlmSettings
from tests.scripted_openai import ScriptedOpenAI
from tests.servers import Die, FakeModelServer, Status, free_url
from tests.unit.api.service import FakeFolder, ScriptedAssistant, build, client

ASK = {"model": "huozi", "messages": [{"role": "user", "content": "你好"}], "temperature": 0.3, "tools": [{"x": 1}]}


def app_of(folder: FakeFolder, base_url: str | None, *, model: str = "served-name"):
    llm = LlmSettings(base_url=base_url, model=model, api_key=SecretStr("their-key"))
    return build(folder, ScriptedAssistant(), llm=llm)


async def ask(app, body=ASK):
    async with client(app, headers={"authorization": "Bearer hz-ours"}) as http:
        reply = await http.post("/v1/chat/completions", json=body)
    if app.state.model_client is not None:
        await app.state.model_client.aclose()
    return reply


async def test_request_is_passed_on_with_their_name_and_key(folder: FakeFolder):
    with FakeModelServer(["你", "好"]) as server:
        reply = await ask(app_of(folder, server.base_url))
    assert reply.status_code == 200
    assert reply.json()["choices"][0]["message"]["content"] == "你好"
    assert server.requests == [ASK | {"model": "served-name", "stop_token_ids": [57001]}]
    headers = {name.lower(): value for name, value in server.headers[0].items()}
    assert headers["authorization"] == "Bearer their-key"
    assert "hz-ours" not in str(headers)


async def test_end_token_is_kept_out_of_the_text_when_a_request_has_tools(folder: FakeFolder):
    tool = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}
    with ScriptedOpenAI() as server:
        async with httpx.AsyncClient() as http:
            straight = await http.post(f"{server.base_url}/chat/completions", json=ASK | {"tools": [tool]})
        reply = await ask(app_of(folder, server.base_url, model="huozi"), ASK | {"tools": [tool], "stop": "？"})
    assert straight.json()["choices"][0]["message"]["content"].endswith("<|endofutterance|>")
    assert reply.json()["choices"][0]["message"]["content"] == "你说的是：你好"
    assert server.requests[-1]["stop"] == "？"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({}, {"stop_token_ids": [57001], "stop": ["</s>"]}),
        ({"stop_token_ids": [5, 57001], "stop": "完"}, {"stop_token_ids": [57001, 5], "stop": ["</s>", "完"]}),
        ({"stop_token_ids": "5", "stop": 7}, {"stop_token_ids": "5", "stop": 7}),
    ],
)
def test_stops_of_the_profile_join_the_callers_when_a_request_is_passed_on(asked: dict[str, Any], told: dict[str, Any]):
    profile = replace(load_profile("huozi3.5"), stop=("</s>",))
    assert with_stops(asked, profile) == told
    assert "stop_token_ids" not in with_stops({}, profile, send_ids=False)


async def test_stream_is_passed_through(folder: FakeFolder):
    with FakeModelServer(["你", "好😀"]) as server:
        reply = await ask(app_of(folder, server.base_url), ASK | {"stream": True})
    *chunks, done = decode_events(reply.content)
    texts = [json.loads(chunk)["choices"][0]["delta"].get("content", "") for chunk in chunks]
    assert ("".join(texts), done) == ("你好😀", "[DONE]")


async def test_stream_ends_with_an_error_event_when_the_server_breaks_off(folder: FakeFolder):
    with FakeModelServer(["你", Die()]) as server:
        reply = await ask(app_of(folder, server.base_url), ASK | {"stream": True})
    *_, error, done = decode_events(reply.content)
    assert json.loads(error)["error"]["code"] == "model_server_garbage"
    assert done == "[DONE]"


async def test_their_error_is_passed_through(folder: FakeFolder):
    with FakeModelServer([Status(400, {"error": {"message": "too long", "param": "input_tokens"}})]) as server:
        reply = await ask(app_of(folder, server.base_url))
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "input_tokens")


async def test_error_says_so_when_no_server_is_configured(folder: FakeFolder):
    reply = await ask(app_of(folder, None))
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "no_model_server")


async def test_error_says_so_when_the_server_is_down(folder: FakeFolder):
    reply = await ask(app_of(folder, free_url()))
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "model_server_down")
