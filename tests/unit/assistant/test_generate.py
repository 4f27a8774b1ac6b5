"""The model's answer as a whole text, over a real socket."""

import asyncio

import pytest

from assistant.errors import ModelServerError, PromptTooLongError
from assistant.events import Turn, Usage
from assistant.generate import Generator, Piece, Sampling, _piece, most_chars
from assistant.settings import LlmSettings
from tests.scripted_openai import ScriptedOpenAI
from tests.servers import FakeModelServer, Wait

QUESTION = (Turn("user", "年假为5天。年假有几天？"),)


async def test_complete_returns_the_whole_text_when_the_server_streams() -> None:
    with ScriptedOpenAI() as server:
        generator = Generator(LlmSettings(base_url=server.base_url))
        assert await generator.complete(QUESTION) == "年假为5天。"
        await generator.aclose()
        assert "response_format" not in server.requests[-1]


async def test_complete_asks_for_one_of_the_choices_when_some_are_given() -> None:
    with ScriptedOpenAI() as server:
        generator = Generator(LlmSettings(base_url=server.base_url))
        said = await generator.complete(QUESTION, Sampling(max_tokens=8, choices=("yes", "no")))
        await generator.aclose()
        assert said in ('"yes"', '"no"')
        assert server.requests[-1]["response_format"]["json_schema"]["schema"] == {"enum": ["yes", "no"]}
        assert server.requests[-1]["max_tokens"] == 8


async def test_complete_raises_when_the_server_is_down() -> None:
    with ScriptedOpenAI() as server:
        settings = LlmSettings(base_url=server.base_url, max_retries=0)
    generator = Generator(settings)
    with pytest.raises(ModelServerError):
        await generator.complete(QUESTION)
    await generator.aclose()


async def pieces(generator: Generator, sampling: Sampling) -> list[Piece]:
    return [piece async for piece in generator.stream(QUESTION, sampling)]


@pytest.mark.parametrize(("configured", "asked"), [(10, None), (4096, 10)])
async def test_stream_ends_with_length_when_the_server_ignores_how_long_it_may_be(configured, asked) -> None:
    script = [*["年假为五天，"] * 100, Wait(60)]
    with FakeModelServer(script) as server:
        generator = Generator(LlmSettings(base_url=server.base_url, max_tokens=configured))
        got = await pieces(generator, Sampling(max_tokens=asked))
        assert await asyncio.to_thread(server.closed_by_client.wait, 10)
        await generator.aclose()
    assert got[-1].finish_reason == "length"
    assert most_chars(10) < sum(len(piece.text) for piece in got) <= most_chars(10) + 6


async def test_stream_keeps_its_reason_when_it_is_as_long_as_it_may_be() -> None:
    with FakeModelServer(["字" * most_chars(10)]) as server:
        generator = Generator(LlmSettings(base_url=server.base_url, max_tokens=10))
        got = await pieces(generator, Sampling())
        await generator.aclose()
    assert [piece.finish_reason for piece in got if piece.finish_reason] == ["stop"]


@pytest.mark.parametrize("cached_tokens", [None, 0, 128])
async def test_cached_tokens_are_told_when_the_server_tells_them(cached_tokens: int | None) -> None:
    with ScriptedOpenAI(cached_tokens=cached_tokens) as server:
        generator = Generator(LlmSettings(base_url=server.base_url))
        usages = [piece.usage async for piece in generator.stream(QUESTION) if piece.usage is not None]
        await generator.aclose()
    assert [usage.cached_tokens for usage in usages] == [cached_tokens]


async def test_the_window_is_noted_when_a_prompt_is_refused_for_its_length() -> None:
    with ScriptedOpenAI(window=600) as server:
        generator = Generator(LlmSettings(base_url=server.base_url, max_retries=0))
        with pytest.raises(PromptTooLongError):
            await generator.complete((Turn("user", "年假" * 400),), Sampling(max_tokens=10))
        await generator.aclose()
    assert (generator.overflows, generator.told_window) == (1, 600)


def chunk(text: str | None = None, reason: str | None = None, **beside: object) -> dict[str, object]:
    delta = {} if text is None else {"content": text}
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}], **beside}


def test_chunks_make_one_piece_when_they_came_together() -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}}
    chunks = [chunk("𠮷"), chunk(), chunk("野家。"), chunk(reason="stop"), {"choices": [], "usage": usage}]
    assert _piece(chunks, 100) == (Piece("𠮷野家。", Usage(7, 2, 4), "stop"), False)


def test_a_piece_ends_where_the_room_ends_when_the_server_does_not_count() -> None:
    assert _piece([chunk("一二"), chunk("三四"), chunk("五六")], 3) == (Piece("一二三四", None, "length"), True)


def test_a_piece_is_whole_when_it_ends_the_answer() -> None:
    assert _piece([chunk("一二"), chunk("三四", "length")], 3) == (Piece("一二三四", None, "length"), False)
    assert _piece([chunk("一二三四")], None) == (Piece("一二三四"), False)


@pytest.mark.parametrize("broken", [{"choices": [{}]}, {"choices": [None]}, {"choices": [{"delta": 5}]}, {"usage": 5}])
def test_a_chunk_of_the_wrong_shape_is_an_error_when_it_is_read(broken: dict[str, object]) -> None:
    with pytest.raises((AttributeError, KeyError, TypeError)):
        _piece([broken], 100)
