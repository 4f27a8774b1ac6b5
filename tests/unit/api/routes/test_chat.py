from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from api.routes.chat import collection_of
from api.sse import decode_events
from assistant.errors import server_down
from assistant.events import ErrorEvent, SourcesEvent, TextEvent, Turn
from retrieval.errors import CollectionNotFoundError, Message, QuestionError
from tests.unit.api.service import HANDBOOK, QUOTE, FakeFolder, ScriptedAssistant, build, cite, client, forever, script

USER = {"role": "user", "content": "年假有多少天？"}


def ask(model: str = "huozi-rag", **body: Any) -> dict[str, Any]:
    return {"model": model, "messages": [USER]} | body


async def post(app: Any, body: dict[str, Any]):
    async with client(app) as http:
        return await http.post("/v1/chat/completions", json=body)


@pytest.mark.parametrize(
    ("model", "collection"),
    [
        ("huozi-rag", "default"),
        ("huozi-rag/制度", "制度"),
        ("huozi-rag/a/b", "a/b"),
        ("huozi-rag/", None),
        ("huozi", None),
        ("huozi-rag2/x", None),
        ("gpt-4o", None),
    ],
)
def test_collection_is_what_stands_after_the_slash(model: str, collection: str | None):
    assert collection_of(model) == collection


async def test_plain_answer_is_the_stream_collected(folder: FakeFolder):
    chunk = folder.add_document(folder.add_collection("default"), HANDBOOK, page_starts=(0,))
    app = build(folder, ScriptedAssistant(*script("每年", "5 天[1]。", citations=[cite(chunk, QUOTE, page=1)])))
    whole = (await post(app, ask())).json()
    stream = await post(app, ask(stream=True))
    assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
    *events, done = decode_events(stream.content)
    chunks = [json.loads(event) for event in events]
    text = "".join(one["choices"][0]["delta"].get("content", "") for one in chunks)
    assert done == "[DONE]"
    assert whole["choices"][0]["message"] == {"role": "assistant", "content": text, "refusal": None}
    assert whole["object"] == "chat.completion"
    assert whole["usage"] == {"prompt_tokens": 12, "completion_tokens": 7, "total_tokens": 19}
    assert {key: whole[key] for key in ("citations", "refused", "mode", "model")} == {
        key: chunks[-1][key] for key in ("citations", "refused", "mode", "model")
    }
    assert whole["citations"][0]["quote"] == QUOTE
    assert len({one["id"] for one in chunks}) == 1
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}


async def test_usage_is_the_last_chunk_when_asked_for(folder: FakeFolder):
    app = build(folder, ScriptedAssistant(*script("好")))
    reply = await post(app, ask(stream=True, stream_options={"include_usage": True}))
    *_, last, _ = decode_events(reply.content)
    assert json.loads(last)["choices"] == []
    assert json.loads(last)["usage"]["total_tokens"] == 19


async def test_refusal_is_said_beside_the_text(folder: FakeFolder):
    app = build(folder, ScriptedAssistant(*script("文档中没有找到。", mode="refused")))
    body = (await post(app, ask())).json()
    assert (body["refused"], body["mode"], body["citations"]) == (True, "refused", [])


async def test_history_and_system_messages_reach_the_assistant(folder: FakeFolder):
    assistant = ScriptedAssistant(*script("好"))
    messages = [
        {"role": "system", "content": "简短回答"},
        {"role": "developer", "content": [{"type": "text", "text": "只说"}, {"type": "text", "text": "中文"}]},
        {"role": "user", "content": "年假？"},
        {"role": "assistant", "content": "5 天[1]。"},
        {"role": "assistant", "content": None},
        {"role": "user", "content": [{"type": "text", "text": "那病假呢？"}]},
    ]
    await post(build(folder, assistant), ask("huozi-rag/制度", messages=messages))
    assert assistant.calls == [
        (
            "那病假呢？",
            (Turn("user", "年假？"), Turn("assistant", "5 天[1]。"), Turn("assistant", "")),
            "制度",
        )
    ]
    assert assistant.options[0]["system"] == "简短回答\n\n只说\n中文"


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        ({}, {"system": None, "max_tokens": None, "temperature": None, "stop": []}),
        ({"max_tokens": 9, "temperature": 0.5, "stop": "。"}, {"max_tokens": 9, "temperature": 0.5, "stop": ["。"]}),
        ({"max_tokens": 9, "max_completion_tokens": 7, "stop": ["a", "b"]}, {"max_tokens": 7, "stop": ["a", "b"]}),
    ],
)
async def test_sampling_reaches_the_assistant(folder: FakeFolder, given: Any, passed: Any):
    assistant = ScriptedAssistant(*script("好"))
    await post(build(folder, assistant), ask(**given))
    assert assistant.options[0] == assistant.options[0] | passed


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("huozi-rag/人事制度", "人事制度"),
        ("huozi-rag/%E4%BA%BA%E4%BA%8B%E5%88%B6%E5%BA%A6", "人事制度"),
        ("huozi-rag/100%25", "100%25"),
        ("huozi-rag/50%", "50%"),
        ("huozi-rag/𠮷䶮😀", "𠮷䶮😀"),
    ],
)
async def test_collection_is_found_by_any_name(folder: FakeFolder, model: str, name: str):
    folder.add_collection("人事制度")
    folder.add_collection("100%25")
    assistant = ScriptedAssistant(*script("好"))
    assert (await post(build(folder, assistant), ask(model))).status_code == 200
    assert assistant.calls[0][2] == name


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (ask(n=2), "n"),
        (ask(tools=[{"type": "function", "function": {"name": "f"}}]), "tools"),
        (ask(functions=[{"name": "f"}]), "functions"),
        (ask(modalities=["text", "audio"]), "modalities"),
        (ask(audio={"voice": "alloy"}), "modalities"),
        (ask(response_format={"type": "json_object"}), "response_format"),
        (ask(logprobs=True), "logprobs"),
        (ask(stop=[5]), "stop"),
        (ask(temperature=3), "temperature"),
        (ask(max_tokens=0), "max_tokens"),
        (ask(messages=[]), "messages"),
        (ask(messages="年假"), "messages"),
        (ask(messages=[{"role": "robot", "content": "x"}]), "messages[0].role"),
        (ask(messages=[USER, {"role": "tool", "content": "x"}, USER]), "messages[1].role"),
        (ask(messages=[USER, {"role": "assistant", "content": "x"}]), "messages[1].role"),
        (ask(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]), "messages[0].content"),
        ({"messages": [USER]}, "model"),
        ({"model": 5, "messages": [USER]}, "model"),
    ],
    ids=str,
)
async def test_request_is_refused_when_it_asks_for_what_is_not_offered(folder: FakeFolder, body: Any, param: str):
    assistant = ScriptedAssistant(*script("好"))
    async with client(build(folder, assistant)) as http:
        reply = await http.post("/v1/chat/completions", content=json.dumps(body))
    error = reply.json()["error"]
    assert (reply.status_code, error["type"]) == (400, "invalid_request_error")
    assert error["param"].startswith(param)
    assert assistant.calls == []


async def test_request_passes_when_options_have_their_defaults(folder: FakeFolder):
    body = ask(
        n=1, tools=[], modalities=["text"], response_format={"type": "text"}, stop=None, temperature=0.3,
        max_tokens=100, user="u", stream_options=None, stream=None, logprobs=False,
    )  # fmt: skip
    assert (await post(build(folder, ScriptedAssistant(*script("好"))), body)).status_code == 200


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"x"', b"\xff\xfe", b"[" * 100_000, b'{"model": "\\ud800"}'])
async def test_request_is_refused_when_it_is_no_json_object(folder: FakeFolder, content: bytes):
    async with client(build(folder, ScriptedAssistant())) as http:
        reply = await http.post("/v1/chat/completions", content=content)
    assert reply.status_code == 400
    assert reply.json()["error"]["code"] == "invalid_request"


async def test_request_is_refused_when_it_is_too_large(folder: FakeFolder):
    async with client(build(folder, ScriptedAssistant())) as http:
        reply = await http.post("/v1/chat/completions", content=b" " * (8 * 1024 * 1024 + 1))
    assert (reply.status_code, reply.json()["error"]["code"]) == (413, "request_too_large")


async def test_unknown_model_is_404(folder: FakeFolder):
    reply = await post(build(folder, ScriptedAssistant()), ask("gpt-4o"))
    error = reply.json()["error"]
    assert (reply.status_code, error["code"], error["param"]) == (404, "model_not_found", "model")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (CollectionNotFoundError(Message("No 'x'.", "没有 'x'。")), 404),
        (QuestionError(Message("Empty.", "问题为空。")), 400),
        (server_down("http://127.0.0.1:1/v1"), 503),
    ],
)
@pytest.mark.parametrize("how", ["raised", "event"])
async def test_failure_has_its_status_when_no_text_was_sent(
    folder: FakeFolder, stream: bool, error: Any, status: int, how: str
):
    steps = [SourcesEvent((), "generated"), error if how == "raised" else ErrorEvent(error)]
    reply = await post(build(folder, ScriptedAssistant(*steps)), ask(stream=stream))
    assert reply.status_code == status
    assert reply.json()["error"]["message"] == error.render("zh")


@pytest.mark.parametrize("error", [server_down("http://127.0.0.1:1/v1"), RuntimeError("secret")])
async def test_failure_is_an_event_when_text_was_sent(folder: FakeFolder, error: Exception):
    reply = await post(build(folder, ScriptedAssistant(TextEvent("每年"), error)), ask(stream=True))
    assert reply.status_code == 200
    *_, last, done = decode_events(reply.content)
    assert set(json.loads(last)) == {"error"}
    assert done == "[DONE]"
    assert "secret" not in reply.text


@pytest.mark.parametrize("stream", [False, True])
async def test_defect_is_500_and_says_nothing_when_no_text_was_sent(folder: FakeFolder, stream: bool):
    reply = await post(build(folder, ScriptedAssistant(RuntimeError("secret /path"))), ask(stream=stream))
    assert reply.status_code == 500
    assert reply.json()["error"]["code"] == "internal_error"
    assert "secret" not in reply.text


async def test_stream_without_an_end_is_an_error(folder: FakeFolder):
    reply = await post(build(folder, ScriptedAssistant(TextEvent("每年"))), ask(stream=True))
    *_, last, _ = decode_events(reply.content)
    assert json.loads(last)["error"]["code"] == "internal_error"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("steps", [(forever,), (TextEvent("每年"), forever)], ids=["before text", "after text"])
async def test_work_is_cancelled_when_the_caller_hangs_up(folder: FakeFolder, stream: bool, steps: Any):
    assistant = ScriptedAssistant(*steps)
    app = build(folder, assistant)
    body = json.dumps(ask(stream=stream)).encode()
    scope = {
        "type": "http", "method": "POST", "path": "/v1/chat/completions", "raw_path": b"", "query_string": b"",
        "headers": [(b"host", b"127.0.0.1")], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
        "scheme": "http", "http_version": "1.1", "root_path": "", "asgi": {"version": "3.0"},
    }  # fmt: skip
    hang_up = asyncio.Event()
    inbox = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive():
        for message in inbox:
            return message
        await hang_up.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any):
        assert message["type"].startswith("http.response")

    serving = asyncio.create_task(app(scope, receive, send))
    await asyncio.to_thread(assistant.started.wait, 5)
    assert not assistant.closed.is_set()
    hang_up.set()
    await asyncio.wait_for(serving, 5)
    assert assistant.closed.is_set()
