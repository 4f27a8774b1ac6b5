import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk

from assistant.tool_arguments import StreamedCalls, plain_arguments, reason_against, schemas_of, sorted_calls

SCHEMA = {
    "type": "object",
    "properties": {"问题": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
    "required": ["问题"],
}
TOOL = {"type": "function", "function": {"name": "查询", "parameters": SCHEMA}}
GOOD = {"问题": "年假𠮷", "days": 5}
BAD = [{}, {"问题": 5}, {"问题": "年假", "days": "五"}, {"问题": "年假", "days": 0}]


def call(arguments: Any, name: str = "查询") -> dict[str, Any]:
    return {"type": "tool_call", "name": name, "args": arguments, "id": "1"}


def added_up(text: str) -> AIMessageChunk:
    """What LangChain makes of a call's arguments as they stream, with the mark of the stream's end."""
    calls = StreamedCalls([TOOL])
    whole = AIMessageChunk(content="")
    for at in range(0, max(len(text), 1), 7):
        piece = tool_call_chunk(name=None if at else "查询", args=text[at : at + 7], id=None if at else "1", index=0)
        calls.add([piece])
        whole += AIMessageChunk(content="", tool_call_chunks=[piece])
    for index, mark in calls.marks():
        whole += AIMessageChunk(content="", tool_call_chunks=[tool_call_chunk(args=mark, index=index)])
    return whole


def test_a_call_stays_when_its_arguments_fit():
    assert sorted_calls([call(GOOD)], [], [TOOL]) == ([call(GOOD)], [])


@pytest.mark.parametrize("arguments", BAD)
def test_a_call_is_invalid_with_the_reason_when_its_arguments_do_not_fit(arguments: dict[str, Any]):
    kept, invalid = sorted_calls([call(arguments), call(GOOD)], [], [TOOL])
    assert kept == [call(GOOD)]
    assert json.loads(invalid[0]["args"]) == arguments
    assert (invalid[0]["name"], invalid[0]["id"]) == ("查询", "1")
    assert "问题" in invalid[0]["error"] or "days" in invalid[0]["error"]


def test_a_call_stays_when_nobody_knows_its_tool():
    assert sorted_calls([call({"x": 1}, name="别的")], [], [TOOL]) == ([call({"x": 1}, name="别的")], [])


def test_schemas_are_found_when_a_tool_is_no_function():
    assert schemas_of([TOOL, {"type": "web_search"}, {"name": "裸", "parameters": {}}]) == {"查询": SCHEMA, "裸": {}}


def test_the_reason_names_place_and_value_when_a_value_does_not_fit():
    assert reason_against(SCHEMA, {"问题": "x", "days": "五"}) == "'days': '五' is not of type 'integer'"
    assert reason_against(SCHEMA, GOOD) is None
    assert reason_against({}, object()) is None


def test_the_reason_is_short_when_the_value_is_long():
    reason = reason_against(SCHEMA, {"问题": ["长" * 5_000]})
    assert reason is not None and len(reason) < 320


def test_a_streamed_call_stays_when_its_arguments_fit():
    whole = added_up(json.dumps(GOOD, ensure_ascii=False))
    assert [one["args"] for one in whole.tool_calls] == [GOOD] and not whole.invalid_tool_calls


@pytest.mark.parametrize("arguments", BAD)
def test_a_streamed_call_is_invalid_when_its_pieces_add_up_to_what_does_not_fit(arguments: dict[str, Any]):
    text = json.dumps(arguments, ensure_ascii=False)
    whole = added_up(text)
    kept, invalid = sorted_calls(whole.tool_calls, whole.invalid_tool_calls, [TOOL])
    assert (whole.tool_calls, kept) == ([], [])
    assert invalid[0]["args"] == text
    assert invalid[0]["error"] == reason_against(SCHEMA, arguments)


NESTED = st.recursive(
    st.none() | st.integers() | st.text(alphabet='ab"\\{}[]/*, 年𠮷'),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet='a"\\年', max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(deadline=None, max_examples=50)
@given(arguments=st.dictionaries(st.text(max_size=5), NESTED, max_size=3), cut=st.integers(min_value=1, max_value=60))
def test_a_streamed_call_is_invalid_when_its_arguments_break_off_anywhere(arguments: dict[str, Any], cut: int):
    text = json.dumps(arguments, ensure_ascii=False)[:-cut]
    whole = added_up(text)
    assert whole.tool_calls == []
    assert len(whole.invalid_tool_calls) == 1


@settings(deadline=None, max_examples=50)
@given(arguments=st.dictionaries(st.text(max_size=5), NESTED, max_size=3))
def test_arguments_can_be_sent_back_when_they_were_marked(arguments: dict[str, Any]):
    text = json.dumps({**arguments, "问题": 1}, ensure_ascii=False)
    marked = added_up(text).invalid_tool_calls[0]["args"]
    assert marked is not None and marked != text
    assert plain_arguments(marked) == text


@pytest.mark.parametrize("text", ["{", "[1]", "年假", '{"a": "b'])
def test_arguments_are_an_object_when_what_the_model_wrote_is_none(text: str):
    assert json.loads(plain_arguments(text)) == {"invalid_arguments": text}


def test_arguments_are_as_they_were_when_they_are_fine():
    assert plain_arguments('{"a":  1}') == '{"a":  1}'
