from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from assistant.errors import PromptTooLongError
from assistant.events import Turn
from assistant.generate import Generator, Sampling
from assistant.settings import AnswerSettings, LlmSettings
from assistant.sources.source import Source
from assistant.window.draft import draft
from assistant.window.packer import Packer
from retrieval.errors import SettingsError
from tests.tokenize_server import Shape, TokenizeServer
from tests.unit.assistant.builders import source
from tests.window_cases import known_texts, passage

WORDS = "年假五天，病假须有证明。The leave is five days. 員工須於三日前申請；𠮷野家、䶮、龘😀ａｂｃ１２３\n\n｜表｜格｜"


@pytest.fixture
def server(tokenizer: Path) -> Iterator[TokenizeServer]:
    with TokenizeServer(tokenizer) as running:
        yield running


@asynccontextmanager
async def packer(server: TokenizeServer, **options: object) -> AsyncIterator[Packer]:
    settings = LlmSettings.model_validate({"base_url": server.base_url, "max_retries": 0, **options})
    generator = Generator(settings)
    yield Packer(settings, AnswerSettings(), generator)
    await generator.aclose()


def text(rng: random.Random, most: int) -> str:
    return "".join(rng.choice(WORDS) for _ in range(rng.randint(1, most)))


def sentences(rng: random.Random, most: int) -> str:
    return "".join(text(rng, 30) + "。" for _ in range(rng.randint(1, max(1, most // 16))))


def some_sources(rng: random.Random, n: int, most: int) -> list[Source]:
    return [Source(n + 1, (source(sentences(rng, most), name=f"{n}.txt"),), rng.uniform(0.1, 1)) for n in range(n)]


def history(rng: random.Random, n: int, most: int) -> list[Turn]:
    return [Turn("assistant" if number % 2 else "user", text(rng, most)) for number in range(n)]


@pytest.mark.parametrize("shape", ["vllm", "llama.cpp"])
async def test_no_window_is_overfull_when_anything_is_sent(tokenizer: Path, shape: Shape) -> None:
    rng = random.Random(11)
    with TokenizeServer(tokenizer, shape) as server:
        for window_tokens in (2_048, 4_096):
            async with packer(server, window_tokens=window_tokens, max_tokens=512) as one:
                for _ in range(40):
                    before = len(server.calls)
                    sources = some_sources(rng, rng.randint(0, 12), 800)
                    window = await one.pack(
                        text(rng, 60), history(rng, rng.randint(0, 8), 200), sources, sampling=Sampling()
                    )
                    tokens = window.cut.tokens
                    assert server.size(window.messages) <= tokens.budget == window_tokens - 512
                    assert len(server.calls) - before <= 2 + (shape == "llama.cpp")
                    assert window.cut.counted == "server"
                    if window.cut.dropped_sources:
                        assert server.size(window.messages) >= 0.97 * tokens.budget


async def test_a_tokenizer_file_counts_when_the_server_cannot(tokenizer: Path) -> None:
    rng = random.Random(12)
    with TokenizeServer(tokenizer, "none") as server:
        async with packer(server, window_tokens=2_048, max_tokens=512, tokenizer=tokenizer) as one:
            for _ in range(10):
                window = await one.pack(
                    "年假几天？", history(rng, 4, 200), some_sources(rng, 9, 800), sampling=Sampling()
                )
                assert window.cut.counted == "file"
                assert 0.97 * 1_536 <= server.size(window.messages) <= 1_536


async def test_bounds_count_when_nobody_can(tokenizer: Path) -> None:
    rng = random.Random(13)
    with TokenizeServer(tokenizer, "none") as server:
        async with packer(server, window_tokens=4_096, max_tokens=512) as one:
            for _ in range(10):
                window = await one.pack(
                    "年假几天？", history(rng, 6, 200), some_sources(rng, 9, 800), sampling=Sampling()
                )
                assert (window.cut.counted, window.cut.calls) == ("bound", window.cut.calls)
                assert server.size(window.messages) <= 3_584


async def test_the_second_prompt_asks_nothing_when_it_has_the_same_parts(server: TokenizeServer) -> None:
    async with packer(server) as one:
        arguments = "年假几天？", [Turn("user", "你好")], some_sources(random.Random(1), 3, 300)
        first = await one.pack(*arguments, sampling=Sampling())
        asked = len(server.calls)
        second = await one.pack(*arguments, sampling=Sampling())
    assert len(server.calls) == asked == 2
    assert second.messages == first.messages and second.cut.calls == 0
    # Two line ends between sources are counted for the first one too.
    assert second.cut.tokens.total == server.size(second.messages) + 2


async def test_the_smaller_window_counts_when_the_server_has_one(tokenizer: Path) -> None:
    with TokenizeServer(tokenizer, window=2_048) as server:
        async with packer(server, window_tokens=32_768, max_tokens=512) as one:
            window = await one.pack("问", (), some_sources(random.Random(2), 20, 900), sampling=Sampling())
    assert window.cut.tokens.budget == 1_536


async def test_the_window_is_learnt_anew_when_the_server_refused_a_prompt(server: TokenizeServer) -> None:
    settings = LlmSettings(base_url=server.base_url)
    generator = Generator(settings)
    one = Packer(settings, AnswerSettings(), generator)
    first = await one.pack("问", (), (), sampling=Sampling())
    server.window = 4_096
    same = await one.pack("问", (), (), sampling=Sampling())
    generator.overflows += 1
    third = await one.pack("问", (), (), sampling=Sampling())
    await generator.aclose()
    assert [window.cut.tokens.budget for window in (first, same, third)] == [31_744, 31_744, 3_072]


async def test_bounds_count_for_a_while_when_the_server_does_not_answer(server: TokenizeServer) -> None:
    async with packer(server) as one:
        server.down = True
        during = await one.pack("问", (), some_sources(random.Random(4), 3, 300), sampling=Sampling())
        server.down = False
        after = await one.pack("问", (), some_sources(random.Random(4), 3, 300), sampling=Sampling())
        server.down = True
        again = await one.pack("另一个问题", (), some_sources(random.Random(5), 3, 300), sampling=Sampling())
    assert [window.cut.counted for window in (during, after, again)] == ["bound", "server", "bound"]


async def test_the_window_is_not_overfull_when_the_parts_do_not_add_up(server: TokenizeServer) -> None:
    """The server's count of the whole decides, though each part was counted."""
    rng = random.Random(6)
    async with packer(server, window_tokens=2_048, max_tokens=512) as one:
        await one.pack("问", (), (), sampling=Sampling())
        server.seams = 25
        windows = [await one.pack("问", (), some_sources(rng, 9, 600), sampling=Sampling()) for _ in range(5)]
    assert all(server.size(window.messages) + 25 <= 1_536 for window in windows)


async def test_a_question_is_refused_when_it_fits_by_its_parts_alone(server: TokenizeServer) -> None:
    rest = server.size(draft("问", (), (), None).messages(0, ()))
    async with packer(server, window_tokens=2_048, max_tokens=512) as one:
        await one.pack("问", (), (), sampling=Sampling())
        server.seams = 25
        with pytest.raises(PromptTooLongError):
            await one.pack("䶮" * ((1_536 - rest - 5) // 3), (), (), sampling=Sampling())


async def test_a_far_longer_prompt_is_counted_in_two_calls_when_little_was_learnt(server: TokenizeServer) -> None:
    """Rare characters take four times what was learnt from ordinary text."""
    rare = [Source(n + 1, (source("𠮷䶮😀。" * 200, name=f"{n}"),)) for n in range(4)]
    async with packer(server, window_tokens=8_192, max_tokens=512) as one:
        for seed in range(4):
            await one.pack("问", (), some_sources(random.Random(seed), 3, 300), sampling=Sampling())
        before = len(server.calls)
        window = await one.pack("问", (), rare, sampling=Sampling())
    assert len(server.calls) - before <= 2
    assert 0.97 * 7_680 <= server.size(window.messages) <= 7_680


async def test_the_error_is_clear_when_the_question_has_thousands_of_tokens(server: TokenizeServer) -> None:
    async with packer(server, window_tokens=32_768) as one:
        with pytest.raises(PromptTooLongError, match="The question takes 32,0") as caught:
            await one.pack("𠮷" * 8_000, (), (), sampling=Sampling())
    assert "比模型 32,768 个词元的窗口多出" in caught.value.render("zh")


async def test_two_hundred_turns_fit_when_most_are_dropped(server: TokenizeServer) -> None:
    async with packer(server, window_tokens=4_096) as one:
        window = await one.pack(
            "问", history(random.Random(7), 200, 400), some_sources(random.Random(8), 6, 400), sampling=Sampling()
        )
    assert window.cut.dropped_turns == 200 - (len(window.messages) - 2)
    assert server.size(window.messages) <= 3_072


async def test_the_setting_is_named_when_the_tokenizer_file_is_broken(tokenizer: Path, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with TokenizeServer(tokenizer, "none") as server:
        async with packer(server, tokenizer=tmp_path / "tokenizer.json") as one:
            with pytest.raises(SettingsError, match="HUOZI_LLM__TOKENIZER"):
                await one.pack("问", (), (), sampling=Sampling())


def write_other(tokenizer: Path, folder: Path) -> None:
    other = json.loads(tokenizer.read_text())
    other["model"]["merges"] = other["model"]["merges"][:40]
    (folder / "other.json").write_text(json.dumps(other))
    (folder / "broken.json").write_text("{}")


@pytest.mark.parametrize("shape", ["vllm", "llama.cpp"])
async def test_the_file_counts_when_it_cuts_as_the_server_does(tokenizer: Path, shape: Shape) -> None:
    rng = random.Random(3)
    with TokenizeServer(tokenizer, shape) as server:
        async with packer(server, window_tokens=4_096, max_tokens=512, tokenizer=tokenizer) as one:
            sent = [
                await one.pack("问", history(rng, 6, 200), some_sources(rng, 9, 900), sampling=Sampling())
                for _ in range(5)
            ]
            assert [window.cut.counted for window in sent] == ["file"] * 5
            assert all(0.97 * 3_584 <= server.size(window.messages) <= 3_584 for window in sent)
        # A trial conversation and a probe, once; llama.cpp is asked as vLLM first.
        assert len(server.calls) == (2 if shape == "vllm" else 3)


async def test_the_server_counts_when_the_file_cuts_otherwise(
    server: TokenizeServer, tokenizer: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_other(tokenizer, tmp_path)
    for name, told in (
        ("other.json", "cuts other tokens than the model server"),
        ("broken.json", "HUOZI_LLM__TOKENIZER"),
    ):
        async with packer(server, tokenizer=tmp_path / name) as one:
            window = await one.pack("年假几天？", (), (), sampling=Sampling())
        assert window.cut.counted == "server"
        assert told in caplog.text


async def test_a_small_window_is_full_when_pieces_take_more_than_the_whole(server: TokenizeServer) -> None:
    rng = random.Random(5)
    n_shortened = 0
    async with packer(server, window_tokens=2_048, max_tokens=1_024) as one:
        for number in range(12):
            long = Source(1, (source(passage(rng, known_texts(), 3_000)),))
            window = await one.pack(f"年假几天？{number}", [], [long], sampling=Sampling())
            cut = window.cut
            if cut.shortened_sources:
                n_shortened += 1
                size = server.size(window.messages)
                assert 0.97 * cut.tokens.budget <= size <= cut.tokens.budget
                # What the trace tells is the whole prompt's count.
                assert abs(cut.tokens.total - size) <= 0.01 * size
    assert n_shortened > 3
