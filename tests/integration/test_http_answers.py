"""How answers came about, on real parts: kept over restarts, for a while, with their collection, behind a lock."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from api.app import create_app
from api.settings import Settings
from api.wiring import build
from assistant.settings import LlmSettings, TraceSettings
from tests.integration.cli_process import huozi, service
from tests.servers import Die, FakeModelServer
from tests.unit.api.service import running

HANDBOOK = """# 员工手册

## 第二章 休假
第五条 员工累计工作满一年的，每年享受五天带薪年休假𠮷；满十年的，享受十天带薪年休假😀。
"""
QUESTION = "工作满十年享受多少天带薪年休假？"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "员工手册.md").write_text(HANDBOOK, "utf-8")
    settings = Settings(data_dir=tmp_path / "data", embedder="none", port=0)
    with build(settings) as built:
        assert built.ingestor.ingest([tmp_path / "员工手册.md"], "人事制度").added == 1
    return settings


@pytest.fixture
def address(settings: Settings) -> Iterator[str]:
    with running(create_app(settings)) as url:
        yield url


def ask(url: str, question: str = QUESTION, collection: str = "人事制度", **body: Any) -> httpx.Response:
    body = {"model": f"huozi-rag/{collection}", "messages": [{"role": "user", "content": question}]} | body
    return httpx.post(f"{url}/v1/chat/completions", json=body, timeout=30)


def trace_of(url: str, reply: httpx.Response) -> httpx.Response:
    return httpx.get(f"{url}/v1/answers/{reply.headers['x-request-id']}")


def with_model(settings: Settings, url: str, **trace: Any) -> Settings:
    llm = LlmSettings(base_url=url, max_retries=0)
    return settings.model_copy(update={"llm": llm, "trace": TraceSettings(**trace)})


def test_trace_is_there_as_soon_as_its_answer_is(address: str):
    for _ in range(10):
        reply = ask(address)
        trace = trace_of(address, reply).json()
        assert trace["id"] == reply.json()["id"] == reply.json()["answer_id"]
        assert trace["question"] == QUESTION
        assert trace["retrieval"]["candidates"][0]["title"] == "员工手册"
        assert trace["answer"]["kept"][0]["chunk_id"] == reply.json()["citations"][0]["chunk_id"]


def test_traces_outlive_the_service_and_hold_no_text(settings: Settings):
    with running(create_app(settings)) as url:
        replies = [ask(url), ask(url, "火星探测器使用什么燃料推进？"), ask(url, collection="没有"), ask(url, " ")]
    stored = (settings.data_dir / "catalog.db").read_bytes()
    assert QUESTION.encode() not in stored
    with running(create_app(settings)) as url:
        answered, refused, missing, empty = [trace_of(url, reply).json() for reply in replies]
        listed = httpx.get(f"{url}/v1/answers").json()["data"]
    assert (answered["mode"], refused["mode"]) == ("extractive", "refused")
    assert refused["refusal"]["answerable"] is False
    assert missing["error"] == {"code": "collection_not_found", "step": "retrieve"}
    assert empty["error"]["step"] == "plan"
    assert [one["id"] for one in listed] == [one["id"] for one in (empty, missing, refused, answered)]
    assert not any(word in json.dumps(answered, ensure_ascii=False) for word in ("第五条", "𠮷", "享受五天"))


def test_traces_go_with_their_collection(settings: Settings):
    with running(create_app(settings)) as url:
        gone, kept = [ask(url, collection=name).headers["x-request-id"] for name in ("人事制度", "没有")]
    with build(settings) as built:
        assert [record.answer_id for record in built.folder.catalog.answers.list(9)] == [kept, gone]
        built.folder.delete_collection("人事制度")
        assert [record.answer_id for record in built.folder.catalog.answers.list(9)] == [kept]


def test_nothing_is_kept_when_traces_are_off(settings: Settings):
    with running(create_app(settings)) as url:
        before = ask(url)
    off = settings.model_copy(update={"trace": TraceSettings(days=0)})
    with running(create_app(off)) as url:
        after = ask(url)
        assert [trace_of(url, reply).status_code for reply in (before, after)] == [404, 404]
        assert trace_of(url, after).json()["error"]["code"] == "answer_not_found"


def test_answers_go_on_when_the_catalog_is_locked(settings: Settings, address: str):
    other = sqlite3.connect(settings.data_dir / "catalog.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        reply = ask(address)
        assert reply.json()["mode"] == "extractive"
        assert trace_of(address, reply).json()["mode"] == "extractive"
    finally:
        other.execute("ROLLBACK")
        other.close()
    assert ask(address).status_code == 200


def test_generated_answer_is_traced_with_prompt_and_usage(settings: Settings):
    with (
        FakeModelServer(["满十年的，享受十天带薪年休假", "[1]", "[8]。"]) as server,
        running(create_app(with_model(settings, server.base_url, text=True))) as url,
    ):
        reply = ask(url, max_tokens=99)
        trace = trace_of(url, reply).json()
    sent = [{"role": one["role"], "content": one["content"]} for one in server.requests[0]["messages"]]
    assert trace["prompt"]["messages"] == sent
    assert trace["prompt"]["sampling"]["max_tokens"] == 99
    assert trace["answer"]["text"] == reply.json()["choices"][0]["message"]["content"]
    assert trace["answer"]["usage"]["prompt_tokens"] == reply.json()["usage"]["prompt_tokens"] > 0
    assert "享受十天带薪年休假😀" in trace["retrieval"]["candidates"][0]["text"]
    timings = trace["timings_ms"]
    assert 0 < timings["first_text"] <= timings["total"]


def test_answer_that_broke_off_is_traced_with_the_servers_failure(settings: Settings):
    with (
        FakeModelServer(["满十年的，享受十天。", "带薪", Die()]) as server,
        running(create_app(with_model(settings, server.base_url))) as url,
    ):
        reply = ask(url, stream=True, stream_options={"include_drafts": True})
        trace = trace_of(url, reply).json()
    assert '"error"' in reply.text
    assert trace["error"] == {"code": "model_server_garbage", "step": "answer"}
    assert trace["prompt"]["sha256"] and trace["answer"] is None


def test_sdk_names_the_answer_when_it_fails(settings: Settings):
    with running(create_app(settings)) as url, openai.OpenAI(base_url=f"{url}/v1", api_key="none") as client:
        question: Any = [{"role": "user", "content": QUESTION}]
        reply = client.chat.completions.create(model="huozi-rag/人事制度", messages=question)
        assert reply._request_id == reply.id
        with pytest.raises(openai.NotFoundError) as caught:
            client.chat.completions.create(model="huozi-rag/没有", messages=question)
        trace = httpx.get(f"{url}/v1/answers/{caught.value.request_id}").json()
    assert trace["error"]["code"] == caught.value.code == "collection_not_found"


def test_command_line_tells_the_trace_alone_and_beside_a_service(settings: Settings):
    data = settings.data_dir
    alone = huozi("ask", QUESTION, "-c", "人事制度", "--trace", data=data)
    with service(data) as server:
        beside = huozi("ask", QUESTION, "-c", "人事制度", "--trace", "--json", data=data)
        failed = huozi("ask", QUESTION, "-c", "没有", "--trace", data=data)
        listed = httpx.get(f"{server.url}/v1/answers", trust_env=False).json()["data"]
    assert alone.returncode == beside.returncode == 0, alone.stderr + beside.stderr
    assert "经过 chatcmpl-" in alone.stderr and "检索：" in alone.stderr and "[1] 员工手册" in alone.stderr
    told = json.loads(beside.stdout)
    assert told["trace"]["retrieval"]["candidates"][0]["title"] == "员工手册"
    assert failed.returncode == 1 and "失败：collection_not_found（检索）" in failed.stderr
    assert [one["id"] for one in listed][1] == told["answer_id"]
    assert len(listed) == 3


def test_last_trace_is_written_when_the_service_is_told_to_stop(settings: Settings):
    with service(settings.data_dir) as server:
        ids = [ask(server.url).headers["x-request-id"] for _ in range(3)]
    with build(settings) as built:
        assert [record.answer_id for record in built.folder.catalog.answers.list(9)] == ids[::-1]
