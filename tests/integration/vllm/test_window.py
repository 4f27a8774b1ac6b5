"""Prompts against the real server: none is too long, a full window is full, and the prefix cache serves what it can."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import httpx
import pytest

from assistant.events import Turn, Usage
from assistant.generate import Generator, Sampling
from assistant.settings import AnswerSettings, LlmSettings
from assistant.sources.source import Source
from assistant.window.context import ContextWindow
from assistant.window.packer import Packer
from tests.vllm_server import VllmServer
from tests.window_cases import case
from tests.window_checks import Checker

N_CASES = 150
QUESTIONS = (
    "年休假有几天？",
    "病假要什么证明？",
    "出差住宿的上限是多少？",
    "加班怎么调休？",
    "谁来审批报销？",
    "试用期是多久？",
)


@pytest.fixture
async def checker(vllm: VllmServer) -> AsyncIterator[Checker]:
    made = Checker(vllm.base_url)
    yield made
    await made.aclose()


async def test_no_prompt_is_too_long_and_full_windows_are_full_when_cases_are_random(checker: Checker) -> None:
    fitted = [await checker.fit(case(seed)) for seed in range(N_CASES)]
    sent = [one for one in fitted if one.window is not None]
    assert len(sent) > 0.9 * N_CASES
    assert [one for one in sent if one.tokens > one.budget or one.calls > 2] == []
    cut = [one for one in sent if one.was_cut]
    # The few that are not are small windows whose last sentence found no room by some tokens.
    assert len(cut) > N_CASES / 3 and sum(one.fill >= 0.97 for one in cut) >= 0.97 * len(cut)
    assert min(one.fill for one in cut) > 0.9


async def test_prompt_and_answer_fit_when_the_model_answers(checker: Checker) -> None:
    n_answered = 0
    for seed in (0, 3, 6, 1, 4, 7, 2):
        made = case(seed)
        fitted = await checker.fit(made)
        if fitted.window is not None:
            usage = await checker.complete(made, fitted.window)
            assert usage.prompt_tokens == fitted.tokens
            assert usage.prompt_tokens + made.answer_tokens <= made.window_tokens
            n_answered += 1
    assert n_answered >= 5


async def test_tools_fit_or_are_refused_when_they_are_sent_to_the_model(checker: Checker) -> None:
    made = [case(seed) for seed in range(100, 108)]
    sent = [await checker.ask_with_tools(one) for one in made]
    assert all(tokens is None or tokens <= one.window_tokens for tokens, one in zip(sent, made, strict=True))
    assert sum(tokens is not None for tokens in sent) > 0


def common(ids: list[int], sent: list[list[int]]) -> int:
    """Return how many tokens some earlier prompt began with as well."""
    most = 0
    for other in sent:
        same = next((at for at, (one, two) in enumerate(zip(ids, other, strict=False)) if one != two), None)
        most = max(most, same if same is not None else min(len(ids), len(other)))
    return most


def block_size(vllm: VllmServer) -> int:
    found = re.search(
        r'vllm:cache_config_info\{[^}]*[{,]block_size="(\d+)"', httpx.get(f"{vllm.root_url}/metrics").text
    )
    assert found is not None
    return int(found[1])


async def answered(generator: Generator, window: ContextWindow) -> tuple[str, Usage]:
    text, usage = "", Usage()
    async for piece in generator.stream(window.messages, Sampling(max_tokens=40)):
        text, usage = text + piece.text, piece.usage or usage
    return text, usage


async def test_the_prefix_cache_serves_what_it_can_when_a_conversation_goes_on(vllm: VllmServer) -> None:
    """Of six turns, by the server's own counter, and as it tells with each answer."""
    settings = LlmSettings(base_url=vllm.base_url, temperature=0)
    generator = Generator(settings)
    packer = Packer(settings, AnswerSettings(), generator)
    hits = vllm.metric("vllm:prefix_cache_hits_total")
    block, history, sent, possible, told = block_size(vllm), list[Turn](), list[list[int]](), 0, 0
    # Words that no other test sends first, or the cache would know them.
    system = "这是一次六轮的对话，请用敬语回答。" * 12
    for number, question in enumerate(QUESTIONS):
        sources: tuple[Source, ...] = case(300 + number, window_tokens=8_192).sources[:4]
        window = await packer.pack(question, history, sources, system=system, sampling=Sampling(max_tokens=40))
        ids = vllm.token_ids({"messages": [{"role": turn.role, "content": turn.text} for turn in window.messages]})
        possible += common(ids, sent) // block * block
        text, usage = await answered(generator, window)
        told += usage.cached_tokens or 0
        sent.append(ids)
        history += [Turn("user", question), Turn("assistant", text + "具体规定请见员工手册。" * 15)]
    await generator.aclose()

    served = vllm.metric("vllm:prefix_cache_hits_total") - hits
    assert possible > 2_000
    assert served >= 0.9 * possible
    assert told in (0, served), "the server tells with each answer what its counter counts, or does not tell"
