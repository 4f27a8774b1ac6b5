from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from assistant import Assistant, LlmSettings, Turn
from assistant.errors import ModelServerGarbageError
from assistant.events import DoneEvent, ErrorEvent, TextEvent
from assistant.settings import AnswerSettings, TraceSettings
from assistant.trace import STOPPED, Trace, new_answer_id, prompt_hash
from retrieval.catalog import TraceRecord
from retrieval.errors import CollectionNotFoundError, Message
from tests.servers import Die, FakeModelServer
from tests.unit.assistant.builders import BAD, FakeRetriever, source

LEAVE = source("总则。年休假为5天。𠮷野家不在此列😀。", start=10, page=1)
TRAVEL = source("住宿费每天不超过400元。", name="差旅.docx", title="差旅制度")
SECRETS = ("𠮷野家", "住宿费", "总则", "为5天", "😀")
QUESTION = "年休假有几天？"


class Traces:
    """Remembers the traces of answers that ended."""

    def __init__(self, **settings: Any) -> None:
        self.settings = TraceSettings(**settings)
        self.bodies: list[dict[str, Any]] = []

    def keep(self, trace: Trace) -> None:
        self.bodies.append(trace.body())

    def get(self, answer_id: str) -> TraceRecord:
        raise NotImplementedError

    def list(self, limit: int, *, after: str | None = None) -> list[TraceRecord]:
        raise NotImplementedError


def extractive(traces: Traces, retriever: FakeRetriever | None = None) -> Assistant:
    return Assistant(retriever or FakeRetriever([LEAVE, TRAVEL]), traces=traces)


async def test_trace_tells_each_step_when_a_model_answers() -> None:
    traces = Traces()
    with FakeModelServer(["年休假", "为5天", "[1]", "[9]。"]) as server:
        llm = LlmSettings(base_url=server.base_url)
        assistant = Assistant(FakeRetriever([LEAVE]), llm=llm, traces=traces)
        history = [Turn("user", "你好"), Turn("assistant", "您好")]
        answer = await assistant.aask(QUESTION, history, "人事", answer_id="chatcmpl-1", max_tokens=77)
        await assistant.aclose()
    (body,) = traces.bodies
    assert answer.answer_id == body["id"] == "chatcmpl-1"
    assert answer.trace == body
    assert (body["question"], body["collection"], body["mode"], body["error"]) == (QUESTION, "人事", "generated", None)
    assert body["plan"]["turns"] == 2 and body["plan"]["searches"][0]["question"] == QUESTION
    (first,) = body["retrieval"]["candidates"]
    assert (first["chunk_id"], first["document_id"], first["keyword"]) == ("手册.pdf#10", "file_手册.pdf", 20.0)
    assert (first["source"], first["coverage"], first["score"]) == (1, 0.9, 1.0)
    assert body["refusal"]["answerable"] is True and body["refusal"]["reason"] == "evidence"
    assert [(one["number"], one["packed"]) for one in body["sources"]] == [(1, True)]
    assert body["prompt"]["sampling"] == {"max_tokens": 77, "temperature": 0.0, "stop": []}
    (kept,) = body["answer"]["kept"]
    assert (kept["index"], kept["chunk_id"]) == (1, "手册.pdf#10")
    assert "年休假为5天" in LEAVE.chunk.text[kept["start"] - 10 : kept["end"] - 10]
    assert body["answer"]["usage"]["completion_tokens"] == answer.usage.completion_tokens
    assert {"plan", "retrieve", "decide", "select", "pack", "first_text", "answer", "total"} <= set(body["timings_ms"])
    assert json.loads(json.dumps(body)) == body


async def test_prompt_hash_is_of_the_messages_as_the_server_got_them() -> None:
    with FakeModelServer(["好"]) as server:
        assistant = Assistant(FakeRetriever([LEAVE]), llm=LlmSettings(base_url=server.base_url))
        answer = await assistant.aask(QUESTION)
        await assistant.aclose()
    sent = [{"role": one["role"], "content": one["content"]} for one in server.requests[0]["messages"]]
    expected = hashlib.sha256(json.dumps(sent, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()
    assert answer.trace["prompt"]["sha256"] == expected
    assert prompt_hash([Turn("user", "a")]) != prompt_hash([Turn("user", "b")])


async def test_prompt_hash_is_of_what_was_sent_when_the_model_answers_from_memory() -> None:
    traces = Traces(text=True)
    far = source("年休假为5天。", coverage=0.05)
    with FakeModelServer(["火星上没有人。"]) as server:
        llm, helpful = LlmSettings(base_url=server.base_url), AnswerSettings(mode="helpful")
        assistant = Assistant(FakeRetriever([far], BAD), llm=llm, settings=helpful, traces=traces)
        answer = await assistant.aask("火星上有几个人？")
        await assistant.aclose()
    sent = [{"role": one["role"], "content": one["content"]} for one in server.requests[0]["messages"]]
    (body,) = traces.bodies
    assert body["prompt"]["messages"] == sent
    assert body["answer"]["unsupported"] == [list(span) for span in answer.unsupported] != []
    assert [one["packed"] for one in body["sources"]] == [False]


async def test_no_document_text_is_kept_unless_asked_for() -> None:
    bare, full = Traces(), Traces(text=True)
    for traces in (bare, full):
        with FakeModelServer(["年休假为5天。[1][9]"]) as server:
            llm = LlmSettings(base_url=server.base_url)
            assistant = Assistant(FakeRetriever([LEAVE]), llm=llm, traces=traces)
            await assistant.aask(QUESTION)
            await assistant.aclose()
        await extractive(traces).aask(QUESTION)
    for body in bare.bodies:
        assert not any(secret in json.dumps(body, ensure_ascii=False) for secret in SECRETS)
    generated, quoted = full.bodies
    assert generated["retrieval"]["candidates"][0]["text"] == LEAVE.chunk.text
    assert generated["answer"]["text"].startswith("年休假为5天")
    assert generated["prompt"]["messages"][-1]["role"] == "user"
    assert quoted["answer"]["kept"][0]["quote"] in LEAVE.chunk.text + TRAVEL.chunk.text


async def test_question_is_left_out_when_the_settings_say_so() -> None:
    traces = Traces(question=False)
    await extractive(traces).aask(QUESTION, [Turn("user", "年休假的规定")])
    (body,) = traces.bodies
    assert "年休假" not in json.dumps(body, ensure_ascii=False)
    assert body["question"] is None and body["plan"]["n_searches"] == 1


async def test_refused_question_has_its_signals_and_no_prompt() -> None:
    traces = Traces()
    far = source("年休假为5天。", coverage=0.05)
    answer = await extractive(traces, FakeRetriever([far], BAD)).aask("火星上有几个人？")
    (body,) = traces.bodies
    assert answer.refused and body["mode"] == "refused"
    assert body["refusal"]["answerable"] is False and body["refusal"]["reason"]
    assert body["prompt"] is None


@pytest.mark.parametrize(
    ("question", "error", "step"),
    [("  ", None, "plan"), (QUESTION, CollectionNotFoundError(Message("No.", "没有。")), "retrieve")],
)
async def test_failed_answer_has_its_error_and_step(
    question: str, error: CollectionNotFoundError | None, step: str
) -> None:
    traces = Traces()
    events = [event async for event in extractive(traces, FakeRetriever(error=error)).astream(question)]
    (body,) = traces.bodies
    assert isinstance(events[-1], ErrorEvent)
    assert body["error"] == {"code": events[-1].error.code, "step": step}
    assert body["answer"] is None and body["retrieval"] is None


async def test_broken_model_stream_is_traced_with_what_came_before() -> None:
    traces = Traces()
    with FakeModelServer(["年休假", Die()]) as server:
        llm = LlmSettings(base_url=server.base_url, max_retries=0)
        assistant = Assistant(FakeRetriever([LEAVE]), llm=llm, traces=traces)
        with pytest.raises(ModelServerGarbageError):
            await assistant.aask(QUESTION)
        await assistant.aclose()
    (body,) = traces.bodies
    assert body["error"] == {"code": "model_server_garbage", "step": "answer"}
    assert body["prompt"]["sha256"] and body["mode"] is None


async def test_answer_that_the_reader_left_is_traced_as_stopped() -> None:
    traces = Traces()
    events: AsyncGenerator[Any, None] = extractive(traces).astream(QUESTION)
    async for event in events:
        if isinstance(event, TextEvent):
            break
    await events.aclose()
    assert traces.bodies[0]["error"] == {"code": STOPPED, "step": "answer"}


async def test_answer_is_whole_when_the_reader_leaves_after_done() -> None:
    traces = Traces()
    events: AsyncGenerator[Any, None] = extractive(traces).astream(QUESTION)
    async for event in events:
        if isinstance(event, DoneEvent):
            break
    await events.aclose()
    assert (traces.bodies[0]["error"], traces.bodies[0]["mode"]) == (None, "extractive")


async def test_long_question_is_cut_when_traced() -> None:
    traces = Traces()
    async for _ in extractive(traces).astream("长" * 50_000):
        pass
    assert len(traces.bodies[0]["question"]) == 4_000


async def test_answer_has_an_id_when_nobody_gives_one() -> None:
    first, second = [await extractive(Traces()).aask(QUESTION) for _ in range(2)]
    assert first.answer_id.startswith("chatcmpl-") and first.answer_id != second.answer_id
    assert new_answer_id() != new_answer_id()
