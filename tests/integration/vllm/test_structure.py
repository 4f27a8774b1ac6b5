"""What the real server enforces: a JSON schema, and calls of tools."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema
import pytest
from langchain_core.messages import HumanMessage
from pydantic import BaseModel, Field

from assistant import ChatHuozi
from tests.tiny_mixtral import END_ID
from tests.vllm_server import VllmServer

SEARCH = {
    "name": "search",
    "description": "在公司制度里查找。",
    "parameters": {
        "type": "object",
        "properties": {"question": {"type": "string"}, "k": {"type": "integer"}},
        "required": ["question", "k"],
        "additionalProperties": False,
    },
}
LEAVE = {
    "type": "object",
    "properties": {
        "类型": {"type": "string", "enum": ["年假", "病假"]},
        "天数": {"type": "integer"},
        "需审批": {"type": "boolean"},
        "说明": {"type": "array", "items": {"type": "string"}, "maxItems": 3},
    },
    "required": ["类型", "天数", "需审批", "说明"],
    "additionalProperties": False,
}


class Leave(BaseModel):
    """A kind of leave."""

    kind: str = Field(description="年假、病假等")
    days: int
    notes: list[str]


@pytest.fixture(scope="module")
def client(vllm: VllmServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=vllm.base_url, timeout=120) as opened:
        yield opened


def choice(client: httpx.Client, **options: Any) -> dict[str, Any]:
    """Return the only choice of a whole reply."""
    asked = {"role": "user", "content": "年假有几天？𠮷"}
    body = {"model": "huozi", "messages": [asked], "stop_token_ids": [END_ID], "max_tokens": 400, **options}
    reply = client.post("/chat/completions", json=body)
    assert reply.is_success, reply.text
    (only,) = reply.json()["choices"]
    return dict(only)


@pytest.mark.parametrize("temperature", [0, 1])
def test_the_text_fits_the_schema_when_a_random_model_must_keep_to_it(client: httpx.Client, temperature: int) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "leave", "schema": LEAVE, "strict": True}}

    found = choice(client, response_format=wanted, temperature=temperature, seed=7)

    assert found["finish_reason"] == "stop"
    jsonschema.validate(json.loads(found["message"]["content"]), LEAVE)


def test_an_object_comes_back_when_chat_huozi_is_given_a_schema(vllm: VllmServer) -> None:
    model = ChatHuozi(base_url=vllm.base_url, temperature=0, max_tokens=400)

    found = model.with_structured_output(Leave).invoke("年假有几天？")

    assert isinstance(found, Leave)


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_is_read_when_the_model_writes_it_as_the_template_says(client: httpx.Client, stream: bool) -> None:
    """A grammar makes the random model write one certain call; the parser's part is what is tested."""
    text = r'<tool_call>\n\{"name": "search", "arguments": \{"question": "年假", "k": 3\}\}\n</tool_call>'
    options = {"tools": [{"type": "function", "function": SEARCH}], "structured_outputs": {"regex": text}}
    if stream:
        calls, reason = streamed_calls(client, options)
    else:
        found = choice(client, **options)
        calls, reason = found["message"]["tool_calls"], found["finish_reason"]

    assert reason == "tool_calls"
    assert [(call["function"]["name"], json.loads(call["function"]["arguments"])) for call in calls] == [
        ("search", {"question": "年假", "k": 3})
    ]


def streamed_calls(client: httpx.Client, options: dict[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """Return the calls, put together from a stream's deltas, and why it ended."""
    asked = {"role": "user", "content": "年假有几天？𠮷"}
    body = {"model": "huozi", "messages": [asked], "stop_token_ids": [END_ID], "stream": True, **options}
    calls: dict[int, dict[str, Any]] = {}
    reason = ""
    with client.stream("POST", "/chat/completions", json=body) as reply:
        for line in reply.iter_lines():
            if not line or line == "data: [DONE]":
                continue
            (one,) = json.loads(line.removeprefix("data: "))["choices"]
            reason = one["finish_reason"] or reason
            for delta in one["delta"].get("tool_calls") or ():
                call = calls.setdefault(delta["index"], {"function": {"name": "", "arguments": ""}})
                call["function"]["name"] += delta["function"].get("name") or ""
                call["function"]["arguments"] += delta["function"].get("arguments") or ""
    return list(calls.values()), reason


@pytest.mark.parametrize("wanted", ["required", {"type": "function", "function": {"name": "search"}}])
def test_arguments_fit_their_schema_when_the_tool_is_strict(client: httpx.Client, wanted: Any) -> None:
    tools = [{"type": "function", "function": SEARCH | {"strict": True}}]

    found = choice(client, tools=tools, tool_choice=wanted, temperature=0)

    (call,) = found["message"]["tool_calls"]
    assert call["function"]["name"] == "search"
    jsonschema.validate(json.loads(call["function"]["arguments"]), SEARCH["parameters"])


def test_a_call_reaches_langchain_when_chat_huozi_must_use_a_tool(vllm: VllmServer) -> None:
    model = ChatHuozi(base_url=vllm.base_url, temperature=0, max_tokens=400)

    said = model.bind_tools([SEARCH], tool_choice="search", strict=True).invoke([HumanMessage("年假有几天？")])

    assert [call["name"] for call in said.tool_calls] == ["search"]
    assert said.invalid_tool_calls == []
