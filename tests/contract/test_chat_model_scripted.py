"""LangChain's standard integration suite on ChatHuozi, against a server that can think by rule.

Twice: straight, and through this service's own `/v1/chat/completions` with `model: "huozi"`, which any agent may use in
the server's place. What a real vLLM says is in tests/integration/vllm.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from operator import add
from typing import Any

import openai
import pytest
from langchain_core.messages import AIMessage

from api.app import create_app
from api.settings import Settings
from assistant import ChatHuozi
from assistant.settings import LlmSettings
from tests.contract.chat_model_suite import ChatHuoziSuite
from tests.scripted_openai import ScriptedOpenAI
from tests.unit.api.service import running


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedOpenAI]:
    with ScriptedOpenAI(aliases=["huozi-awq"]) as server:
        yield server


class TestScripted(ChatHuoziSuite):
    @pytest.fixture
    def base_url(self, server: ScriptedOpenAI) -> str:
        return server.base_url

    @property
    def model_override_value(self) -> str:
        return "huozi-awq"


@pytest.fixture(scope="module")
def service_url(server: ScriptedOpenAI, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    data = tmp_path_factory.mktemp("service") / "data"
    app = create_app(Settings(data_dir=data, embedder="none", port=0, llm=LlmSettings(base_url=server.base_url)))
    with running(app) as address:
        yield f"{address}/v1"


class TestThroughTheService(ChatHuoziSuite):
    @pytest.fixture
    def base_url(self, service_url: str) -> str:
        return service_url


LOOKUP = {
    "name": "lookup",
    "description": "在通讯录里找人",
    "parameters": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
}


@pytest.mark.parametrize("role", ["助手", "assistant"])
async def test_reply_is_the_same_when_it_is_whole_streamed_or_awaited(role: str):
    question = "用lookup查：“员工𠮷野家”几人？"
    async with openai.DefaultAsyncHttpxClient() as http:
        with ScriptedOpenAI(role=role) as server:
            model = ChatHuozi(base_url=server.base_url, http_async_client=http).bind_tools([LOOKUP])
            whole = model.invoke(question)
            awaited = await model.ainvoke(question)
            streamed = _sum(list(model.stream(question)))
            pulled = _sum([chunk async for chunk in model.astream(question)])

    for reply in (whole, awaited, streamed, pulled):
        assert isinstance(reply, AIMessage)
        assert [(call["name"], call["args"]) for call in reply.tool_calls] == [("lookup", {"name": "员工𠮷野家"})]
        assert reply.usage_metadata == whole.usage_metadata
        assert reply.usage_metadata["output_tokens"] > 0
        assert reply.response_metadata["finish_reason"] == "tool_calls"
        assert reply.response_metadata["model_name"] == "huozi"


def _sum(chunks: Sequence[Any]) -> Any:
    return reduce(add, chunks)
