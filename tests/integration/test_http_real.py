"""The service on real parts: catalog, keyword index, assistant and a scripted model server, no embedder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.app import create_app
from api.settings import Settings
from api.sse import decode_events
from api.wiring import build
from assistant.settings import LlmSettings
from tests.servers import Die, FakeModelServer, Wait, free_url
from tests.unit.api.service import running

HANDBOOK = """# 员工手册

## 第一章 总则
本手册适用于全体员工，自2026年1月1日起施行。

## 第二章 休假
第五条 员工累计工作满一年的，每年享受五天带薪年休假；满十年的，享受十天带薪年休假。
第六条 婚假为三天，产假为一百五十八天，陪产假为十五天。

## 第三章 报销
第七条 市内交通费凭发票实报实销，每月不超过三百元。
"""
QUESTION = "工作满十年享受多少天带薪年休假？"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    source = tmp_path / "制度"
    source.mkdir()
    (source / "员工手册.md").write_text(HANDBOOK, "utf-8")
    settings = Settings(data_dir=tmp_path / "data", embedder="none", port=0)
    with build(settings) as built:
        report = built.ingestor.ingest([source], "人事制度")
        assert report.added == 1
    return settings


@pytest.fixture
def address(settings: Settings) -> Iterator[str]:
    with running(create_app(settings)) as url:
        yield url


def ask(url: str, question: str = QUESTION, **body: Any) -> httpx.Response:
    body = {"model": "huozi-rag/人事制度", "messages": [{"role": "user", "content": question}]} | body
    return httpx.post(f"{url}/v1/chat/completions", json=body, timeout=30)


def test_answer_is_quoted_when_there_is_no_model(address: str):
    body = ask(address).json()
    assert (body["mode"], body["refused"]) == ("extractive", False)
    quotes = [one["quote"] for one in body["citations"]]
    assert any("享受十天带薪年休假" in quote for quote in quotes)
    for one in body["citations"]:
        text = httpx.get(
            f"{address}/v1/documents/{one['document_id']}/text",
            params={"start": one["start"], "end": one["end"], "chunk": one["chunk_id"]},
        ).json()
        assert "".join(part["text"] for part in text["segments"] if part["quoted"]) == one["quote"]
        assert text["current"] is True
        assert httpx.get(one["url"]).status_code == 200
        original = httpx.get(f"{address}/v1/files/{one['document_id']}/content")
        assert original.text == HANDBOOK


def test_question_is_refused_when_the_documents_do_not_hold_the_answer(address: str):
    body = ask(address, "火星探测器使用什么燃料推进？").json()
    assert (body["refused"], body["citations"]) == (True, [])


@pytest.mark.parametrize(
    ("question", "status", "code"),
    [("", 400, "bad_question"), ("问" * 100_000, 400, "bad_question")],
    ids=["0 characters", "100,000 characters"],
)
def test_question_is_refused_when_its_length_is_wrong(address: str, question: str, status: int, code: str):
    reply = ask(address, question)
    assert (reply.status_code, reply.json()["error"]["code"]) == (status, code)


def test_collection_is_found_by_id_and_percent_encoded_name(address: str):
    (store,) = httpx.get(f"{address}/v1/vector_stores").json()["data"]
    for model in (f"huozi-rag/{store['id']}", "huozi-rag/%E4%BA%BA%E4%BA%8B%E5%88%B6%E5%BA%A6"):
        assert ask(address, model=model).json()["mode"] == "extractive"
    missing = ask(address, model="huozi-rag")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "collection_not_found")


def test_search_finds_the_article(address: str):
    reply = httpx.post(f"{address}/v1/vector_stores/人事制度/search", json={"query": QUESTION, "max_num_results": 1})
    assert "享受十天带薪年休假" in reply.json()["data"][0]["content"][0]["text"]


def test_everything_is_ready(address: str):
    checks = httpx.get(f"{address}/readyz").json()["checks"]
    assert {name: check["status"] for name, check in checks.items()} == {
        "catalog": "ok",
        "keyword": "ok",
        "vectors": "not_configured",
        "embedder": "not_configured",
        "model_server": "not_configured",
    }


def with_model(settings: Settings, base_url: str, **changes: Any) -> Settings:
    return settings.model_copy(update={"llm": LlmSettings(base_url=base_url, **changes)})


def test_answer_is_generated_and_its_citation_checked_when_there_is_a_model(settings: Settings):
    with (
        FakeModelServer(["工作满十年的，享受十天带薪", "年休假[1]。"]) as server,
        running(create_app(with_model(settings, server.base_url))) as url,
    ):
        reply = ask(url, stream=True, stream_options={"include_usage": True}, messages=[
            {"role": "system", "content": "请简短回答"},
            {"role": "user", "content": "婚假几天？"},
            {"role": "assistant", "content": "三天[1]。"},
            {"role": "user", "content": QUESTION},
        ])  # fmt: skip
    *chunks, usage, done = map(str, decode_events(reply.content))
    last = json.loads(chunks[-1])
    assert done == "[DONE]"
    assert (last["mode"], last["refused"]) == ("generated", False)
    assert "享受十天带薪年休假" in last["citations"][0]["quote"]
    assert json.loads(usage)["usage"]["completion_tokens"] > 0
    sent = server.requests[0]["messages"]
    assert "请简短回答" in sent[0]["content"]
    assert [message["content"] for message in sent[1:3]] == ["婚假几天？", "三天。"]


def test_error_has_its_status_when_the_model_server_is_down(settings: Settings):
    with running(create_app(with_model(settings, free_url()))) as url:
        for stream in (False, True):
            reply = ask(url, stream=stream)
            assert (reply.status_code, reply.json()["error"]["code"]) == (503, "model_server_down")
        assert httpx.get(f"{url}/readyz").status_code == 503


def test_error_is_an_event_when_the_model_server_breaks_off(settings: Settings):
    with (
        FakeModelServer(["工作满十年的，享受十天带薪年休假。[1]婚假", Die()]) as server,
        running(create_app(with_model(settings, server.base_url))) as url,
    ):
        reply = ask(url, stream=True)
    *_, error, done = decode_events(reply.content)
    assert json.loads(error)["error"]["code"] == "model_server_garbage"
    assert done == "[DONE]"


def test_model_server_is_left_when_the_caller_hangs_up(settings: Settings):
    with (
        FakeModelServer(["工作满十年的，享受十天带薪年休假。[1]婚假", Wait(30)]) as server,
        running(create_app(with_model(settings, server.base_url))) as url,
    ):
        body = {"model": "huozi-rag/人事制度", "stream": True, "messages": [{"role": "user", "content": QUESTION}]}
        with httpx.stream("POST", f"{url}/v1/chat/completions", json=body, timeout=30) as reply:
            assert next(reply.iter_bytes())
        assert server.closed_by_client.wait(10)


@pytest.mark.parametrize("streaming", [False, True])
def test_stock_chat_openai_knows_the_model_when_its_server_answers_as_助手(settings: Settings, streaming: bool):
    from langchain_core.messages import AIMessage
    from langchain_openai import ChatOpenAI

    with (
        FakeModelServer(["你好，", "我是活字。"], role="助手") as server,
        running(create_app(with_model(settings, server.base_url))) as url,
    ):
        model = ChatOpenAI(model="huozi", base_url=f"{url}/v1", api_key="none", streaming=streaming, stream_usage=True)  # type: ignore[arg-type]
        reply = model.invoke("你是谁？")
        model.root_client.close()
    assert isinstance(reply, AIMessage)
    assert reply.content == "你好，我是活字。"
    assert reply.usage_metadata is not None and reply.usage_metadata["output_tokens"] > 0


def test_keys_close_the_service_when_one_is_created(settings: Settings):
    with build(settings) as built:
        _, secret = built.folder.catalog.keys.create("test")
    with running(create_app(settings)) as url:
        assert ask(url).status_code == 401
        reply = httpx.get(f"{url}/v1/models", headers={"authorization": f"Bearer {secret}"})
        assert [one["id"] for one in reply.json()["data"]] == ["huozi", "huozi-rag", "huozi-rag/人事制度"]
