"""Chat completions of the real server, as any OpenAI client asks for them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.tiny_mixtral import END_ID, LONG
from tests.vllm_server import VllmServer

QUESTION = [{"role": "user", "content": "年假有几天？"}]


@pytest.fixture(scope="module")
def client(vllm: VllmServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=vllm.base_url, timeout=60) as opened:
        yield opened


def ask(client: httpx.Client, **options: Any) -> Any:
    body = {"model": "huozi", "messages": QUESTION, "temperature": 0, "stop_token_ids": [END_ID], **options}
    reply = client.post("/chat/completions", json=body)
    assert reply.is_success, reply.text
    return reply.json()


def test_the_answer_stops_at_the_end_of_utterance_when_its_id_is_a_stop_id(client: httpx.Client) -> None:
    choice = ask(client)["choices"][0]

    assert (choice["finish_reason"], choice["stop_reason"]) == ("stop", END_ID)
    assert choice["message"]["content"].endswith("[1]。")
    assert choice["message"]["role"] == "助手"


def test_the_answer_ends_with_the_turn_all_the_same_when_no_stop_id_is_sent(client: httpx.Client) -> None:
    # `huozi model serve` gives the server a generation config that says so.
    stopped, unasked = ask(client), ask(client, stop_token_ids=[])

    assert unasked["choices"][0]["stop_reason"] == END_ID
    assert unasked["usage"] == stopped["usage"]


def test_the_stream_has_the_text_and_usage_of_the_whole_reply_when_both_are_greedy(client: httpx.Client) -> None:
    whole = ask(client)
    body = {"model": "huozi", "messages": QUESTION, "temperature": 0, "stop_token_ids": [END_ID], "stream": True}
    with client.stream("POST", "/chat/completions", json=body | {"stream_options": {"include_usage": True}}) as reply:
        lines = [line.removeprefix("data: ") for line in reply.iter_lines() if line]
    assert lines.pop() == "[DONE]"
    events = [json.loads(line) for line in lines]
    pieces = [event["choices"][0]["delta"].get("content") or "" for event in events if event["choices"]]

    assert "".join(pieces) == whole["choices"][0]["message"]["content"]
    # A busy server sends several tokens in one event.
    assert len(pieces) > 3
    assert events[-1]["choices"] == []
    counted = ("prompt_tokens", "completion_tokens", "total_tokens")
    assert [events[-1]["usage"][name] for name in counted] == [whole["usage"][name] for name in counted]


def test_the_usage_is_that_of_tokenize_when_a_prompt_is_counted_both_ways(
    client: httpx.Client, vllm: VllmServer
) -> None:
    messages = [{"role": "system", "content": "简短。𠮷"}, *QUESTION]

    assert ask(client, messages=messages)["usage"]["prompt_tokens"] == len(vllm.token_ids({"messages": messages}))


def test_the_answer_has_as_many_tokens_as_allowed_when_it_would_never_end(client: httpx.Client) -> None:
    reply = ask(client, messages=[{"role": "user", "content": f"写{LONG}"}], max_tokens=120)

    assert reply["choices"][0]["finish_reason"] == "length"
    assert reply["usage"]["completion_tokens"] == 120
