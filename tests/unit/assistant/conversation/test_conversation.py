"""Turns of a conversation through the whole assistant."""

from __future__ import annotations

import pytest

from assistant import Assistant, LlmSettings, Turn
from assistant.settings import AnswerSettings
from tests.servers import FakeModelServer
from tests.unit.assistant.builders import FakeRetriever, source

LEAVE = source("总则。年休假为5天。", start=10)
HISTORY = [Turn("user", "年休假有几天？"), Turn("assistant", "年休假为5天。[1]")]


@pytest.mark.parametrize("message", ["你好", "谢谢！", "Who are you?", "再見👋"])
async def test_nothing_is_looked_up_when_the_message_is_small_talk(message: str) -> None:
    retriever = FakeRetriever((LEAVE,))
    with FakeModelServer() as server:
        assistant = Assistant(retriever, llm=LlmSettings(base_url=server.base_url))
        answer = await assistant.aask(message, HISTORY)
    assert (answer.mode, answer.question, answer.citations) == ("spoken", message, ())
    assert retriever.asked == server.requests == []


async def test_the_question_before_is_searched_when_only_more_is_asked_for() -> None:
    retriever = FakeRetriever((LEAVE,))
    answer = await Assistant(retriever).aask("继续", HISTORY)
    assert [asked["question"] for asked in retriever.asked] == ["年休假有几天？"]
    assert answer.question == "继续"
    assert "年休假为5天。" in answer.text


async def test_a_rewriting_is_searched_beside_the_question_when_a_model_is_set() -> None:
    retriever = FakeRetriever((LEAVE,))
    with FakeModelServer(["它的年休假有几天？"]) as server:
        assistant = Assistant(retriever, llm=LlmSettings(base_url=server.base_url))
        await assistant.aask("它怎么申请？", [Turn("user", "病假证明在哪里开？"), Turn("assistant", "在医院")])
        assert [asked["question"] for asked in retriever.asked] == ["它怎么申请？"]
        server.script = ("病假证明怎么申请？",)
        await assistant.aask("它怎么申请？", [Turn("user", "病假证明在哪里开？"), Turn("assistant", "在医院")])
        await assistant.aclose()
    assert [asked["question"] for asked in retriever.asked][1:] == ["它怎么申请？", "病假证明怎么申请？"]
    assert len(server.requests) == 4


async def test_no_rewriting_is_asked_for_when_it_is_off() -> None:
    retriever = FakeRetriever((LEAVE,))
    with FakeModelServer(["年休假为5天。[1]"]) as server:
        assistant = Assistant(
            retriever, llm=LlmSettings(base_url=server.base_url), settings=AnswerSettings(rewrite="off")
        )
        await assistant.aask("它怎么申请？", HISTORY)
        await assistant.aclose()
    assert len(server.requests) == 1
