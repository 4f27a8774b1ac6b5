"""What ChatHuozi mends: the same server, asked through LangChain's own ChatOpenAI and through ours.

When LangChain mends one of these itself, its line here fails and the override in assistant/chat_model.py can go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import reduce
from operator import add
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_openai import ChatOpenAI

from assistant import ChatHuozi
from tests.scripted_openai import ScriptedOpenAI
from tests.scripted_replies import END

TOOL = {
    "name": "look_up",
    "description": "查一个编号",
    "parameters": {"type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"]},
}


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedOpenAI]:
    with ScriptedOpenAI() as server:
        yield server


def is_ai_message(model: Any) -> bool:
    return isinstance(model.invoke("你好"), AIMessage)


def has_usage(model: Any) -> bool:
    return bool(getattr(model.invoke("你好"), "usage_metadata", None))


def has_usage_streamed(model: Any) -> bool:
    return bool(getattr(reduce(add, list(model.stream("你好"))), "usage_metadata", None))


def calls_tools(model: Any) -> bool:
    return bool(getattr(model.bind_tools([TOOL], tool_choice="any").invoke("用look_up查 7"), "tool_calls", None))


def leaves_no_control_token(model: Any) -> bool:
    return END not in model.bind_tools([TOOL]).invoke("你好").content


def counts_tokens_as_the_server_does(model: Any) -> bool:
    asked = [HumanMessage("年假有多少天？𠮷野家 hello")]
    counted = model.get_num_tokens_from_messages(asked)
    return counted == ChatHuozi(base_url=model.openai_api_base).invoke(asked).usage_metadata["input_tokens"]


MENDED = [is_ai_message, has_usage, has_usage_streamed, calls_tools, leaves_no_control_token]


@pytest.mark.parametrize("holds", [*MENDED, counts_tokens_as_the_server_does])
def test_ours_is_right_when_vllm_says_its_own_role(holds: Callable[[Any], bool], server: ScriptedOpenAI):
    assert holds(ChatHuozi(base_url=server.base_url))


# The stock counter downloads a file first, so it is not asked.
@pytest.mark.parametrize("holds", MENDED)
def test_stock_is_still_wrong_when_vllm_says_its_own_role(holds: Callable[[Any], bool], server: ScriptedOpenAI):
    assert not holds(ChatOpenAI(model="huozi", base_url=server.base_url, api_key="unset"))
