from typing import Any

from assistant.token_counter import Part, TokenCounter, parts

SYSTEM = {"role": "system", "content": "你是助手。"}
USER = {"role": "user", "content": "年假几天？"}
CALL = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}
RESULT = {"role": "tool", "tool_call_id": "1", "content": "5天"}
TOOL = {"type": "function", "function": {"name": "查询"}}


class Tokenize:
    """Counts as a template would whose turns are independent, or are not."""

    def __init__(self, *, adds_up: bool = True) -> None:
        self.bodies: list[dict[str, Any]] = []
        self._surplus = 0 if adds_up else 1

    def __call__(self, body: dict[str, Any]) -> dict[str, Any]:
        self.bodies.append(body)
        if "prompt" in body:
            return {"count": len(body["prompt"]), "tokens": [ord(char) for char in body["prompt"]]}
        turns = parts(body["messages"], body.get("tools", ()))
        count = sum(len(str(part)) for part in turns) + self._surplus * (len(turns) - 1)
        return {"count": count + 3 * body["add_generation_prompt"], "max_model_len": 1_000}


def test_a_conversation_is_cut_where_turns_begin_when_it_has_tools_and_results():
    later = {"role": "system", "content": "简短"}
    assert parts([SYSTEM, USER, CALL, RESULT, RESULT, later, USER], [TOOL]) == [
        Part((SYSTEM, later), (TOOL,)),
        Part((USER,)),
        Part((CALL,)),
        Part((RESULT, RESULT)),
        Part((USER,)),
    ]


def test_tools_have_a_turn_of_their_own_when_there_is_no_system_message():
    assert parts([USER], [TOOL]) == [Part(({"role": "system", "content": ""},), (TOOL,)), Part((USER,))]


def test_the_sum_is_the_whole_count_when_turns_are_independent():
    server = Tokenize()
    counter = TokenCounter(server, "huozi")
    messages = [SYSTEM, USER, CALL, RESULT, USER]
    whole = server({"messages": messages, "tools": [TOOL], "add_generation_prompt": True})["count"]
    assert counter.count(messages, [TOOL]) == whole
    assert counter.window == 1_000


def test_only_the_new_turn_is_sent_when_the_others_were_counted():
    server = Tokenize()
    counter = TokenCounter(server, "huozi")
    counter.count([SYSTEM, USER])
    server.bodies.clear()
    counter.count([SYSTEM, USER, CALL])
    assert [body["messages"] for body in server.bodies] == [[CALL]]
    server.bodies.clear()
    counter.count([USER, CALL])
    assert server.bodies == []


def test_the_whole_prompt_is_counted_when_turns_do_not_add_up():
    server = Tokenize(adds_up=False)
    counter = TokenCounter(server, "huozi")
    messages = [SYSTEM, USER, CALL, RESULT]
    whole = server({"messages": messages, "add_generation_prompt": True})["count"]
    assert counter.count(messages) == whole
    server.bodies.clear()
    assert counter.count(messages) == whole
    assert server.bodies == []


def test_ids_are_the_servers_when_a_text_is_tokenized():
    server = Tokenize()
    assert TokenCounter(server, "huozi").ids("年假") == [ord("年"), ord("假")]
    assert server.bodies == [{"model": "huozi", "prompt": "年假", "add_special_tokens": False}]
