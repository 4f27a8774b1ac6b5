"""The real llama.cpp counts the parts of a prompt. `make test-llama-cpp` runs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import aclosing

import pytest

from assistant.events import Usage
from assistant.generate import Generator, Sampling
from assistant.settings import AnswerSettings, LlmSettings
from assistant.window.packer import Packer
from tests.integration.engines.served import Served, served
from tests.integration.engines.test_llama_cpp import LLAMA_CPP, convert
from tests.tiny_mixtral import build
from tests.window_cases import case

pytestmark = pytest.mark.llama_cpp

WINDOW = 4_096


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    assert (LLAMA_CPP / ".built").exists(), "llama.cpp is not there: make llama-cpp"
    folder = tmp_path_factory.mktemp("llama-cpp-window")
    build(folder / "tiny")
    words = ["--source", str(convert(folder, "f32")), "--env", str(LLAMA_CPP), "--window", str(WINDOW)]
    with served(folder / "data", *words) as one:
        yield one


async def test_prompts_fill_the_servers_own_window_when_llama_cpp_counts(model: Served) -> None:
    settings = LlmSettings(base_url=f"{model.url}/v1", temperature=0)
    generator = Generator(settings)
    packer = Packer(settings, AnswerSettings(), generator)
    for seed in range(6):
        made = case(seed, window_tokens=2 * WINDOW)
        window = await packer.pack(made.question, made.history, made.sources, sampling=Sampling(max_tokens=256))
        usage = Usage()
        async with aclosing(generator.stream(window.messages, Sampling(max_tokens=256))) as pieces:
            async for piece in pieces:
                usage = piece.usage or usage
        tokens = window.cut.tokens
        assert (window.cut.counted, tokens.budget) == ("server", WINDOW - 256)
        assert usage.prompt_tokens <= tokens.budget
        assert tokens.total - 0.02 * tokens.budget <= usage.prompt_tokens <= tokens.total
    await generator.aclose()
