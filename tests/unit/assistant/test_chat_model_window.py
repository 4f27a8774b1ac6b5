"""What ChatHuozi does when a prompt leaves too little room for the answer that is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.tools import tool

from assistant import ChatHuozi
from assistant.context_overflow import PromptOverflowError
from assistant.payload import prompt_bound
from tests.scripted_openai import ScriptedOpenAI
from tests.scripted_replies import prompt_tokens

LONG = "年假几天？" * 300


@tool
def look_up(word: str) -> str:
    """Look up a word of the staff handbook, with its article."""
    return word


@pytest.fixture
def server() -> Iterator[ScriptedOpenAI]:
    with ScriptedOpenAI(window=2_048) as running:
        yield running


def model(server: ScriptedOpenAI, **options: Any) -> ChatHuozi:
    return ChatHuozi(base_url=server.base_url, window_tokens=2_048, max_retries=0, **options)


def test_a_prompt_is_refused_before_it_is_sent_when_the_answer_would_be_shortened(server: ScriptedOpenAI) -> None:
    with pytest.raises(PromptOverflowError) as caught:
        model(server, max_tokens=1_000).invoke(LONG)
    assert server.requests == []
    assert caught.value.window == 2_048 and "1,000" in str(caught.value)


async def test_a_prompt_is_refused_when_it_is_streamed_with_tools(server: ScriptedOpenAI) -> None:
    bound = model(server, max_tokens=1_000).bind_tools([look_up])
    with pytest.raises(PromptOverflowError):
        _ = [chunk async for chunk in bound.astream(LONG)]
    with pytest.raises(PromptOverflowError):
        await bound.ainvoke(LONG)
    with pytest.raises(PromptOverflowError):
        _ = list(bound.stream(LONG))
    assert server.requests == []


@pytest.mark.parametrize("options", [{"max_tokens": 300}, {}, {"max_tokens": 1_000, "checks_window": False}])
def test_a_prompt_is_sent_when_the_answer_has_its_room_or_takes_what_is_left(
    server: ScriptedOpenAI, options: dict[str, Any]
) -> None:
    model(server, **options).invoke(LONG)
    assert len(server.requests) == 1


def test_nothing_is_counted_when_the_bytes_show_that_all_fits(server: ScriptedOpenAI) -> None:
    one = model(server, max_tokens=100)
    one._counter.post = lambda body: pytest.fail(f"asked for {body}")
    one.invoke("年假几天？")
    assert len(server.requests) == 1


def test_the_servers_window_counts_when_it_is_smaller_than_the_one_given(server: ScriptedOpenAI) -> None:
    one = ChatHuozi(base_url=server.base_url, max_tokens=32_000, max_retries=0)
    with pytest.raises(PromptOverflowError) as caught:
        one.invoke(LONG)
    assert caught.value.window == 2_048


def test_the_bound_is_wide_enough_when_messages_and_tools_are_counted() -> None:
    body: dict[str, Any] = {
        "messages": [{"role": "user", "content": "𠮷䶮😀" * 20}, {"role": "assistant", "content": "好"}],
        "tools": [{"type": "function", "function": {"name": "查", "description": "查制度", "parameters": {}}}],
    }
    assert prompt_tokens(body) < prompt_bound(body)
