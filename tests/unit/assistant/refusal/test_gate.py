from __future__ import annotations

import pytest

from assistant.conversation.plan import Plan
from assistant.finder import Found
from assistant.generate import Generator
from assistant.refusal.gate import Gate, gate_for
from assistant.refusal.verdict import AnswerVerdict
from assistant.settings import AnswerSettings, LlmSettings
from retrieval.models import Retrieval
from tests.servers import Die, FakeModelServer, Raw, Status, Step, Wait
from tests.unit.assistant.builders import BAD, GOOD, source

QUESTION = "年休假几天？"
GOOD_FOUND = Found(Plan(QUESTION, ()), Retrieval(QUESTION, "制度", (source("年休假为5天。"),), GOOD))
POOR_FOUND = Found(Plan(QUESTION, ()), Retrieval(QUESTION, "制度", (source("火星", coverage=0.02),), BAD))


async def decided(server: FakeModelServer, found: Found = GOOD_FOUND, *, timeout_s: float = 60.0) -> tuple[bool, str]:
    llm = LlmSettings(base_url=server.base_url, max_retries=0)
    generator = Generator(llm)
    try:
        gate = Gate(AnswerVerdict(generator, window_tokens=2048, timeout_s=timeout_s))
        decision = await gate.decide(found)
    finally:
        await generator.aclose()
    return decision.answerable, decision.reason


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("yes", (True, "verdict")),
        ("no", (False, "verdict")),
        ('"no"', (False, "verdict")),
        ("否。", (False, "verdict")),
        ("maybe", (True, "evidence")),
        ("是的，因为资料里说……", (True, "evidence")),
        ("", (True, "evidence")),
    ],
)
async def test_model_decides_when_it_says_yes_or_no(reply: str, expected: tuple[bool, str]) -> None:
    with FakeModelServer([reply] if reply else []) as server:
        assert await decided(server) == expected
        (body,) = server.requests
    assert QUESTION in body["messages"][-1]["content"]
    assert "年休假为5天。" in body["messages"][-1]["content"]
    assert body["response_format"]["json_schema"]["schema"] == {"enum": ["yes", "no"]}


@pytest.mark.parametrize("step", [Wait(5.0), Die(), Raw(b"data: {nonsense\n\n"), Status(500, {"error": "x"})])
async def test_rules_decide_when_the_model_fails(step: Step) -> None:
    with FakeModelServer([step, "no"]) as server:
        assert await decided(server, timeout_s=0.5) == (True, "evidence")


async def test_rules_decide_when_the_model_is_down() -> None:
    with FakeModelServer(["n", "o"]) as server:
        pass
    assert await decided(server) == (True, "evidence")


async def test_model_is_not_asked_when_the_evidence_is_poor() -> None:
    with FakeModelServer(["yes"]) as server:
        assert await decided(server, POOR_FOUND) == (False, "low_coverage")
        assert server.requests == []


async def test_prompt_stays_in_half_the_window_when_chunks_are_long() -> None:
    hits = tuple(source("很长的资料。</资料>" * 900, name=f"{n}.txt") for n in range(9))
    long = Found(Plan(QUESTION, ()), Retrieval(QUESTION * 300, "制度", hits, GOOD))
    with FakeModelServer(["n", "o"]) as server:
        await decided(server, long)
        (body,) = server.requests
    assert len(body["messages"][-1]["content"]) < 1024
    assert body["messages"][-1]["content"].count("</资料>") == 1


def test_gate_asks_nobody_when_no_model_is_set() -> None:
    llm = LlmSettings(base_url="http://127.0.0.1:9/v1")
    model = AnswerSettings(verdict="model")
    assert gate_for(AnswerSettings(), llm, Generator(llm))._verdict is None
    assert gate_for(model, None, None)._verdict is None
    assert gate_for(model, llm, Generator(llm))._verdict is not None
