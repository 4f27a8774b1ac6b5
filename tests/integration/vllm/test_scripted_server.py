"""The scripted server of the other tests speaks as a real vLLM does: same requests, same shapes, same refusals."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.scripted_openai import ScriptedOpenAI

TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "look_up",
        "description": "查一个整数",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"number": {"type": "integer", "minimum": 1, "maximum": 9}},
            "required": ["number"],
            "additionalProperties": False,
        },
    },
}
NAMED = {"type": "function", "function": {"name": "look_up"}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "n", "schema": TOOL["function"]["parameters"]}}
ANSWERED: dict[str, dict[str, Any]] = {
    "text": {},
    "required tool": {"tools": [TOOL], "tool_choice": "required"},
    "named tool": {"tools": [TOOL], "tool_choice": NAMED},
    "no tool": {"tools": [TOOL], "tool_choice": "none"},
    "schema": {"response_format": SCHEMA},
    "all the window's tokens asked": {"max_tokens": 32_768},
}
REFUSED: dict[str, dict[str, Any]] = {
    "unknown model": {"model": "gpt-4o"},
    "over-long": {"messages": [{"role": "user", "content": "问" * 40_000}]},
    "too many tokens asked": {"max_tokens": 40_000},
    "no tools": {"tools": []},
    "choice without tools": {"tool_choice": "required"},
    "unknown choice": {"tools": [TOOL], "tool_choice": "some"},
    "unknown tool": {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "other"}}},
    "no message": {"messages": []},
    "image": {
        "messages": [
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}
        ]
    },
}


@pytest.fixture(scope="module")
def scripted() -> Iterator[ScriptedOpenAI]:
    with ScriptedOpenAI() as server:
        yield server


def ask(base_url: str, options: dict[str, Any]) -> httpx.Response:
    body = {
        "model": "huozi",
        "messages": [{"role": "user", "content": "用look_up查 3"}],
        "max_tokens": 200,
        "temperature": 0,
        "stop_token_ids": [57001],
    }
    return httpx.post(f"{base_url}/chat/completions", json=body | options, timeout=60)


def shape(value: Any) -> Any:
    """Return keys and kinds of values; words and numbers are each server's own."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    return type(value).__name__


def missing(ours: Any, theirs: Any, path: str = "") -> list[str]:
    """Return where our shape is not part of theirs: they may say more, never other things."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return [
            lack
            for key in ours
            for lack in (missing(ours[key], theirs[key], f"{path}.{key}") if key in theirs else [f"{path}.{key}"])
        ]
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        return [lack for one, other in zip(ours, theirs, strict=True) for lack in missing(one, other, path)]
    return [] if ours == theirs else [f"{path}: {ours} is not {theirs}"]


def said(reply: dict[str, Any]) -> Any:
    """Return what a client acts on."""
    choice = reply["choices"][0]
    return choice["message"]["role"], choice["finish_reason"], choice["stop_reason"]


def steps(reply: httpx.Response) -> list[Any]:
    """Return the kinds of a stream's events in order, each once however often it is repeated."""
    lines = [line.removeprefix("data: ") for line in reply.text.split("\n") if line]
    assert lines.pop() == "[DONE]"
    return [kind for kind, _ in itertools.groupby(map(_kind, map(json.loads, lines)))]


def _kind(event: dict[str, Any]) -> Any:
    if not event["choices"]:
        # Details come where the server was started with --enable-prompt-tokens-details.
        return sorted(event["usage"].keys() - {"prompt_tokens_details"})
    (choice,) = event["choices"]
    calls = [(sorted(call), sorted(call["function"])) for call in choice["delta"].get("tool_calls") or ()]
    return sorted(choice["delta"]), choice["delta"].get("role"), calls, choice["finish_reason"]


@pytest.mark.parametrize("name", ANSWERED)
def test_reply_has_the_real_shape_when_it_is_whole(name: str, vllm: Any, scripted: ScriptedOpenAI):
    theirs, ours = (ask(url, ANSWERED[name]).json() for url in (vllm.base_url, scripted.base_url))

    assert missing(shape(ours), shape(theirs)) == []
    assert said(ours) == said(theirs)


@pytest.mark.parametrize("name", ANSWERED)
@pytest.mark.parametrize("counted", [True, False])
def test_events_come_in_the_real_order_when_streamed(name: str, counted: bool, vllm: Any, scripted: ScriptedOpenAI):
    options = ANSWERED[name] | {"stream": True, "stream_options": {"include_usage": counted}}
    theirs, ours = (ask(url, options) for url in (vllm.base_url, scripted.base_url))

    assert steps(ours) == steps(theirs)


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("stream", [True, False])
def test_refusal_is_the_real_one_when_the_request_is_wrong(
    name: str, stream: bool, vllm: Any, scripted: ScriptedOpenAI
):
    theirs, ours = (ask(url, REFUSED[name] | {"stream": stream}) for url in (vllm.base_url, scripted.base_url))
    told, real = ours.json()["error"], theirs.json()["error"]

    assert ours.status_code == theirs.status_code
    assert [told[key] for key in ("type", "param", "code")] == [real[key] for key in ("type", "param", "code")]
    assert told["message"][:30] == real["message"][:30]


@pytest.mark.parametrize("path", ["/tokenize", "/v1/models"])
def test_side_routes_have_the_real_shape_when_asked(path: str, vllm: Any, scripted: ScriptedOpenAI):
    body = {"messages": [{"role": "user", "content": "年假几天？"}]}
    theirs, ours = (
        (httpx.post(url + path, json=body) if path == "/tokenize" else httpx.get(url + path)).json()
        for url in (vllm.root_url, scripted.root_url)
    )
    for reply in (theirs, ours):
        reply.pop("tokens", None)

    assert missing(shape(ours), shape(theirs)) == []
