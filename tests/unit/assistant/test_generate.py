"""The model's answer as a whole text, over a real socket."""

import pytest

from assistant.errors import ModelServerError
from assistant.events import Turn
from assistant.generate import Generator, Sampling
from assistant.settings import LlmSettings
from tests.scripted_openai import ScriptedOpenAI

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
