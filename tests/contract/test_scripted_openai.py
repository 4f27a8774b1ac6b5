"""The scripted server keeps the protocol, seen by the plain `openai` client: what is built on it rests on that."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema
import openai
import pytest

from tests.schema_instance import Clues, NoInstanceError, instance
from tests.scripted_openai import ScriptedOpenAI

NOTICE = "《放假通知》：国庆节放假 7 天，联系人“李文静𠮷”。P20 压力表照常检定。"
TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": description,
            "parameters": {
                "type": "object",
                "properties": {"query": {"type": "string"}},
                "required": ["query"],
                "additionalProperties": False,
            },
        },
    }
    for name, description in (("search_documents", "检索公司文件"), ("get_weather", "查询某地的天气"))
]


@pytest.fixture
def server() -> Iterator[ScriptedOpenAI]:
    with ScriptedOpenAI(window=2_000) as server:
        yield server


@pytest.fixture
def client(server: ScriptedOpenAI) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.base_url, api_key="unset", max_retries=0) as client:
        yield client


def ask(client: openai.OpenAI, question: str, **options: Any) -> Any:
    return client.chat.completions.create(
        model="huozi", messages=[{"role": "user", "content": question}], **options
    ).choices[0]


@pytest.mark.parametrize(
    ("choice", "question", "called"),
    [
        ("auto", "明天上海的天气怎么样？", ["get_weather"]),
        ("auto", "公司文件里年假几天？", ["search_documents"]),
        ("auto", "你好", []),
        ("none", "明天上海的天气怎么样？", []),
        ("required", "你好", ["search_documents"]),
        ({"type": "function", "function": {"name": "get_weather"}}, "你好", ["get_weather"]),
        ("auto", "先用get_weather，再用search_documents", ["get_weather", "search_documents"]),
    ],
)
def test_tool_is_called_when_the_request_asks_for_it(
    client: openai.OpenAI, choice: Any, question: str, called: list[str]
):
    reply = ask(client, question, tools=TOOLS, tool_choice=choice)

    assert [call.function.name for call in reply.message.tool_calls or ()] == called
    for call in reply.message.tool_calls or ():
        jsonschema.validate(json.loads(call.function.arguments), TOOLS[0]["function"]["parameters"])
    assert reply.finish_reason == ("tool_calls" if called and not isinstance(choice, dict) else "stop")


def test_one_tool_is_called_when_parallel_calls_are_off(client: openai.OpenAI):
    question = "先用get_weather，再用search_documents"
    reply = ask(client, question, tools=TOOLS, parallel_tool_calls=False)

    assert [call.function.name for call in reply.message.tool_calls] == ["get_weather"]


def test_answer_is_the_sentence_of_the_result_when_a_tool_has_answered(client: openai.OpenAI):
    asked = ask(client, "雷达液位计保修多久？", tools=TOOLS)
    reply = client.chat.completions.create(
        model="huozi",
        messages=[
            {"role": "user", "content": "雷达液位计保修多久？"},
            {"role": "assistant", "tool_calls": [call.model_dump() for call in asked.message.tool_calls]},
            {"role": "tool", "tool_call_id": asked.message.tool_calls[0].id, "content": "运费自理。液位计保修18个月。"},
        ],
        tools=TOOLS,
        extra_body={"stop_token_ids": [57001]},
    )

    assert reply.choices[0].message.content == "液位计保修18个月。"
    assert reply.choices[0].model_extra["stop_reason"] == 57001


@pytest.mark.parametrize("counted", [True, False])
def test_stream_adds_up_to_the_whole_reply_when_streamed(client: openai.OpenAI, counted: bool):
    question, options = "用get_weather查：上海天气", {"tools": TOOLS}
    whole = ask(client, question, **options)
    chunks: list[Any] = list(
        client.chat.completions.create(
            model="huozi",
            messages=[{"role": "user", "content": question}],
            stream=True,
            stream_options={"include_usage": counted},
            tools=TOOLS,
        )
    )
    pieces = [call for chunk in chunks if chunk.choices for call in chunk.choices[0].delta.tool_calls or ()]

    assert chunks[0].choices[0].delta.role == "助手"
    assert [piece.function.name for piece in pieces if piece.function.name] == ["get_weather"]
    assert "".join(piece.function.arguments or "" for piece in pieces) == whole.message.tool_calls[0].function.arguments
    assert [bool(chunk.usage) for chunk in chunks] == [False] * (len(chunks) - 1) + [counted]


def test_text_is_cut_when_a_stop_or_the_length_is_reached(client: openai.OpenAI):
    whole = ask(client, "请说你好")
    stopped = ask(client, "请说你好", stop=["你好"])
    short = ask(client, "请说你好", max_tokens=3)

    assert whole.message.content == "你说的是：请说你好"
    assert (stopped.message.content, stopped.finish_reason) == ("你说的是：请说", "stop")
    assert (short.message.content, short.finish_reason) == ("你说的", "length")


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"model": "gpt-4o"}, 404, "model"),
        ({"messages": [{"role": "user", "content": "问" * 2_001}]}, 400, "input_tokens"),
        ({"messages": []}, 400, None),
        ({"tools": []}, 400, "tools"),
        ({"tool_choice": "required"}, 400, "tool_choice"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}, 400, None),
    ],
)
def test_request_is_refused_as_vllm_refuses_it_when_it_is_wrong(
    server: ScriptedOpenAI, body: dict[str, Any], status: int, param: str | None
):
    request = {"model": "huozi", "messages": [{"role": "user", "content": "你好"}]} | body
    reply = httpx.post(f"{server.base_url}/chat/completions", json=request)

    assert (reply.status_code, reply.json()["error"]["code"]) == (status, status)
    assert reply.json()["error"]["param"] == param


def test_failures_come_first_when_they_are_scripted(client: openai.OpenAI, server: ScriptedOpenAI):
    server.failures[:] = [500]

    with pytest.raises(openai.InternalServerError):
        ask(client, "你好")
    assert ask(client, "你好").message.content == "你说的是：你好"


def test_tokenize_counts_what_usage_counts_when_asked(client: openai.OpenAI, server: ScriptedOpenAI):
    messages: Any = [{"role": "system", "content": "简短"}, {"role": "user", "content": "年假12天，𠮷 hello"}]
    counted = httpx.post(f"{server.root_url}/tokenize", json={"messages": messages, "tools": TOOLS}).json()
    reply = client.chat.completions.create(model="huozi", messages=messages, tools=TOOLS)

    assert counted["count"] == reply.usage.prompt_tokens
    assert counted["max_model_len"] == 2_000


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "integer", "description": "放假几天"}, 7),
        ({"type": "integer", "exclusiveMaximum": 5}, 4),
        ({"type": "string", "enum": ["春节", "国庆节"]}, "国庆节"),
        ({"anyOf": [{"type": "null"}, {"type": "boolean"}]}, True),
        ({"type": "string", "pattern": r"^P\d+$"}, "P20"),
        ({"type": "string", "maxLength": 4}, "放假通知"),
        ({"type": "array", "items": {"type": "string"}, "minItems": 2}, ["放假通知", "李文静𠮷"]),
        ({"$ref": "#/$defs/D", "$defs": {"D": {"type": "object", "properties": {"days": {"const": 7}}}}}, {"days": 7}),
    ],
)
def test_value_is_in_the_words_of_the_text_when_a_schema_is_given(schema: dict[str, Any], expected: Any):
    assert instance(schema, Clues(NOTICE)) == expected


def test_recursive_schema_ends_when_it_need_not_go_on():
    node: dict[str, Any] = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
    node["properties"]["children"] = {"type": "array", "items": {"$ref": "#/$defs/N"}}
    schema = {"$ref": "#/$defs/N", "$defs": {"N": node}}

    assert "children" in instance(schema, Clues(NOTICE))


def test_schema_is_refused_when_no_rule_fills_it():
    with pytest.raises(NoInstanceError):
        instance({"type": "string", "pattern": "^X{9}$"}, Clues(NOTICE))
