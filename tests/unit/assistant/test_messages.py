import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage, ToolMessage

from assistant.events import Turn
from assistant.messages import to_messages, to_turns

TURNS = (Turn("system", "你是助手。"), Turn("user", "年假幾天？𠮷"), Turn("assistant", "５天😀"), Turn("user", ""))


def test_turns_are_the_same_when_they_go_there_and_back():
    messages = to_messages(TURNS)
    assert [type(message) for message in messages] == [SystemMessage, HumanMessage, AIMessage, HumanMessage]
    assert to_turns(messages) == TURNS


def test_a_streamed_message_is_the_assistants_turn_when_it_is_taken_back():
    assert to_turns([AIMessageChunk(content="5天")]) == (Turn("assistant", "5天"),)


def test_parts_are_one_text_when_content_is_a_list():
    assert to_turns([HumanMessage([{"type": "text", "text": "年假"}, {"type": "text", "text": "几天"}])]) == (
        Turn("user", "年假几天"),
    )


def test_a_tools_result_is_refused_when_turns_are_made():
    with pytest.raises(ValueError, match="'tool' is no turn"):
        to_turns([ToolMessage("5天", tool_call_id="1")])
