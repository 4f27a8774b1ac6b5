from __future__ import annotations

import json
from typing import Any, Literal, TypedDict

import pytest
from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage
from pydantic import BaseModel, Field, field_validator

from assistant import ChatHuozi
from assistant.structured_output import Method, json_schema, response_format
from tests.scripted_openai import ScriptedOpenAI
from tests.servers import Step
from tests.unit.assistant.model_replies import RepliesInTurn, whole


class Leave(BaseModel):
    """年假"""

    name: str
    days: int = Field(ge=1)

    @field_validator("name")
    @classmethod
    def _has_no_digit(cls, name: str) -> str:
        if any(char.isdigit() for char in name):
            raise ValueError("姓名里有数字")
        return name


class LeaveDict(TypedDict):
    """年假"""

    name: str
    days: int


class Tree(BaseModel):
    name: str
    children: list[Tree] = []


SCHEMA = {
    "title": "Leave",
    "type": "object",
    "properties": {"name": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
    "required": ["name", "days"],
}
GOOD = json.dumps({"name": "𠮷野", "days": 5}, ensure_ascii=False)
BAD = json.dumps({"name": "𠮷野", "days": "五"}, ensure_ascii=False)
METHODS: tuple[Method, ...] = ("json_schema", "json_mode", "function_calling")


def said(text: str, method: Method, name: str = "Leave", **options: Any) -> list[Step]:
    """A reply that holds a text where the method has it."""
    if method == "function_calling":
        return [whole(None, calls=[(name, text)], **options)]
    return [whole(text, **options)]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("schema", [Leave, LeaveDict, SCHEMA], ids=["pydantic", "typeddict", "json"])
async def test_value_fits_the_schema_when_the_reply_does(method: Method, schema: Any):
    name = "LeaveDict" if schema is LeaveDict else "Leave"
    with RepliesInTurn(said(GOOD, method, name)) as server:
        chain = ChatHuozi(base_url=server.base_url).with_structured_output(schema, method=method)
        values = [chain.invoke("？"), await chain.ainvoke("？"), *chain.stream("？")]
    wanted = Leave(name="𠮷野", days=5) if schema is Leave else {"name": "𠮷野", "days": 5}
    assert values == [wanted] * 3
    assert len(server.requests) == 3


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("schema", [Leave, SCHEMA], ids=["pydantic", "json"])
async def test_wrong_reply_and_reason_are_sent_back_once_when_it_does_not_fit(method: Method, schema: Any):
    with RepliesInTurn(said(BAD, method), said(GOOD, method)) as server:
        chain = ChatHuozi(base_url=server.base_url).with_structured_output(schema, method=method)
        value = await chain.ainvoke("几天？")
    assert dict(value) == {"name": "𠮷野", "days": 5}
    question, reply, repair = server.requests[1]["messages"]
    assert (question["content"], json.loads(reply["content"])) == ("几天？", json.loads(BAD))
    assert (reply["role"], repair["role"]) == ("assistant", "user")
    assert "days" in repair["content"]
    kept = {"tools", "tool_choice", "response_format"} & server.requests[0].keys()
    assert kept and all(server.requests[1][key] == server.requests[0][key] for key in kept)


def test_what_no_schema_says_is_repaired_too_when_pydantic_checks_it():
    with RepliesInTurn(said('{"name": "7号", "days": 5}', "json_schema"), said(GOOD, "json_schema")) as server:
        value = ChatHuozi(base_url=server.base_url).with_structured_output(Leave).invoke("？")
    assert value == Leave(name="𠮷野", days=5)
    assert "姓名里有数字" in server.requests[1]["messages"][-1]["content"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("text", [BAD, "不是 JSON", "[]", ""])
def test_error_has_reason_and_reply_when_the_second_one_does_not_fit_either(method: Method, text: str):
    with RepliesInTurn(said(text, method)) as server:
        chain = ChatHuozi(base_url=server.base_url).with_structured_output(Leave, method=method)
        with pytest.raises(OutputParserException) as caught:
            chain.invoke("？")
        raw = ChatHuozi(base_url=server.base_url).with_structured_output(Leave, method=method, include_raw=True)
        found = raw.invoke("？")
    assert len(server.requests) == 4
    assert "does not fit the schema" in str(caught.value)
    assert isinstance(found["raw"], AIMessage) and found["parsed"] is None
    assert str(found["parsing_error"]) == str(caught.value)


@pytest.mark.parametrize("method", METHODS)
def test_raw_is_the_repaired_reply_when_it_is_asked_for(method: Method):
    with RepliesInTurn(said(BAD, method), said(GOOD, method)) as server:
        chain = ChatHuozi(base_url=server.base_url).with_structured_output(Leave, method=method, include_raw=True)
        found = chain.invoke("？")
    assert (found["parsed"], found["parsing_error"]) == (Leave(name="𠮷野", days=5), None)
    raw = found["raw"]
    assert (raw.content or json.dumps(raw.tool_calls[0]["args"], ensure_ascii=False)) == GOOD


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_asked_again_when_the_reply_was_cut_off(method: Method):
    with RepliesInTurn(said(GOOD[:-3], method, reason="length")) as server:
        chain = ChatHuozi(base_url=server.base_url).with_structured_output(Leave, method=method)
        with pytest.raises(OutputParserException, match="max_tokens"):
            chain.invoke("？")
    assert len(server.requests) == 1


def test_any_json_is_the_value_when_json_mode_has_no_schema():
    with RepliesInTurn([whole("[1, 2]")]) as server:
        chain = ChatHuozi(base_url=server.base_url).with_structured_output(method="json_mode")
        assert chain.invoke("？") == [1, 2]
    assert server.requests[0]["response_format"] == {"type": "json_object"}


@pytest.mark.parametrize(
    ("schema", "method", "strict"), [(None, "json_schema", None), (SCHEMA, "yaml", None), (SCHEMA, "json_mode", True)]
)
def test_what_cannot_work_is_refused_when_the_chain_is_made(schema: Any, method: Any, strict: bool | None):
    with pytest.raises(ValueError, match="method|schema|strict"):
        ChatHuozi(base_url="http://127.0.0.1:9/v1").with_structured_output(schema, method=method, strict=strict)


def test_what_the_server_does_not_know_is_not_sent_when_it_is_disabled():
    with RepliesInTurn(said(GOOD, "function_calling")) as server:
        model = ChatHuozi(base_url=server.base_url, disabled_params={"parallel_tool_calls": None})
        model.with_structured_output(Leave, method="function_calling").invoke("？")
    assert "parallel_tool_calls" not in server.requests[0]


def test_server_enforces_the_schema_when_the_default_method_is_used():
    with RepliesInTurn([whole('{"name": "根", "children": [{"name": "枝", "children": []}]}')]) as server:
        value = ChatHuozi(base_url=server.base_url).with_structured_output(Tree).invoke("？")
    assert value == Tree(name="根", children=[Tree(name="枝")])
    sent = server.requests[0]["response_format"]["json_schema"]
    assert (sent["name"], sent["schema"]) == ("Tree", Tree.model_json_schema())


def test_a_called_tool_is_no_failure_when_tools_stand_beside_the_schema():
    tool = {"name": "查询", "description": "查", "parameters": {"type": "object", "properties": {}}}
    with RepliesInTurn([whole(None, calls=[("查询", "{}")])]) as server:
        chain = ChatHuozi(base_url=server.base_url).with_structured_output(SCHEMA, tools=[tool], include_raw=True)
        found = chain.invoke("？")
    assert found["parsed"] is None and found["parsing_error"] is None
    assert [call["name"] for call in found["raw"].tool_calls] == ["查询"]


def test_chain_answers_in_the_schema_when_the_server_fills_it():
    class Reply(BaseModel):
        kind: Literal["年假", "病假"]
        days: int = Field(ge=1, le=30)

    with ScriptedOpenAI() as server:
        value = ChatHuozi(base_url=server.base_url).with_structured_output(Reply).invoke("年假几天？")
    assert isinstance(value, Reply)


FORMS = [
    Leave.model_json_schema(),
    {"name": "Leave", "description": "年假", "parameters": SCHEMA},
    {"type": "function", "function": {"name": "Leave", "parameters": SCHEMA}},
    {"name": "Leave", "schema": SCHEMA},
    {"type": "json_schema", "json_schema": {"name": "Leave", "schema": SCHEMA}},
]


@pytest.mark.parametrize("form", FORMS)
def test_schema_is_found_when_it_is_wrapped_in_any_of_openais_ways(form: dict[str, Any]):
    assert json_schema(form)["required"] == ["name", "days"]
    assert response_format(form)["json_schema"]["name"] == "Leave"
