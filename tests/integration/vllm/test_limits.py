"""The real server's window, its work after a client left, and its prefix cache."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from assistant import ChatHuozi
from assistant.context_overflow import PromptOverflowError
from tests.tiny_mixtral import LONG, WINDOW_TOKENS
from tests.vllm_server import VllmServer

ENDLESS = f"请写{LONG}小说。"
CANCEL_S = 1.0
"""Promised: this long after the client left, the server works for it no more."""


@pytest.fixture
def model(vllm: VllmServer) -> ChatHuozi:
    return ChatHuozi(base_url=vllm.base_url, temperature=0, max_tokens=20_000, max_retries=0)


def test_the_error_counts_tokens_when_the_prompt_is_too_long(vllm: VllmServer, model: ChatHuozi) -> None:
    text = "𠮷" * 9_000
    tokens = len(vllm.token_ids({"messages": [{"role": "user", "content": text}]}))

    with pytest.raises(PromptOverflowError) as caught:
        model.invoke(text, max_tokens=10)

    assert (caught.value.tokens, caught.value.window) == (tokens, WINDOW_TOKENS)
    assert f"{tokens:,}" in str(caught.value) and f"{WINDOW_TOKENS:,}" in str(caught.value)


def running(vllm: VllmServer) -> float:
    return vllm.metric("vllm:num_requests_running")


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


async def test_the_server_stops_within_a_second_when_the_async_stream_is_closed(
    vllm: VllmServer, model: ChatHuozi
) -> None:
    before = await asyncio.to_thread(running, vllm)
    stream = model.astream(ENDLESS)
    texts = [(await anext(stream)).text for _ in range(5)]
    assert "".join(texts)
    assert await asyncio.to_thread(running, vllm) == before + 1

    await stream.aclose()  # type: ignore[attr-defined] # an async generator, typed as an iterator

    assert await asyncio.to_thread(wait_until, lambda: running(vllm) == before, CANCEL_S)
    await model.aclose()


async def test_the_server_stops_within_a_second_when_the_task_is_cancelled(vllm: VllmServer, model: ChatHuozi) -> None:
    before = await asyncio.to_thread(running, vllm)
    task = asyncio.create_task(model.ainvoke(ENDLESS))
    assert await asyncio.to_thread(wait_until, lambda: running(vllm) == before + 1, 30)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await asyncio.to_thread(wait_until, lambda: running(vllm) == before, CANCEL_S)
    await model.aclose()


def test_the_server_stops_within_a_second_when_the_sync_stream_is_closed(vllm: VllmServer, model: ChatHuozi) -> None:
    before = running(vllm)
    stream = model.stream(ENDLESS)
    assert [next(stream) for _ in range(5)]
    assert running(vllm) == before + 1

    stream.close()  # type: ignore[attr-defined] # a generator, typed as an iterator

    assert wait_until(lambda: running(vllm) == before, CANCEL_S)


def test_the_second_turn_hits_the_prefix_cache_when_it_repeats_the_first(vllm: VllmServer, model: ChatHuozi) -> None:
    first = [("system", "依据制度回答。" + "年休假为五天，病假须有证明。" * 60), ("human", "年假有几天？")]
    answer = model.invoke(first, max_tokens=40)
    hits, queries = vllm.metric("vllm:prefix_cache_hits_total"), vllm.metric("vllm:prefix_cache_queries_total")

    model.invoke([*first, answer, ("human", "那病假呢？")], max_tokens=40)

    prompt_tokens = answer.usage_metadata["input_tokens"]
    assert prompt_tokens > 300
    new_hits = vllm.metric("vllm:prefix_cache_hits_total") - hits
    new_queries = vllm.metric("vllm:prefix_cache_queries_total") - queries
    # Whole blocks are kept, and the engine must compute at least one token.
    assert prompt_tokens * 0.8 <= new_hits < new_queries
