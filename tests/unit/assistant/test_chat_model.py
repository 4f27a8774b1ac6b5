from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from functools import reduce
from operator import add
from typing import Any

import openai
import pytest
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.exceptions import ContextOverflowError, ModelConnectionError, ModelRateLimitError
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage

from assistant import ChatHuozi
from assistant.errors import ProfileError, PromptTooLongError, TokenizeUnsupportedError
from retrieval.errors import SettingsError
from tests.loopback import JsonHandler, LoopbackServer
from tests.scripted_openai import ScriptedOpenAI
from tests.servers import Die, EndWithoutFinish, FakeModelServer, Raw, Status, Wait, free_url
from tests.unit.assistant.model_replies import RepliesInTurn, streamed_call, whole

TEXT = ["年假", "为５天。", "𠮷😀", "\n\n", "data: [DONE]"]
TOOL = {
    "name": "查询",
    "description": "查",
    "parameters": {
        "type": "object",
        "properties": {"问题": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["问题"],
    },
}


@pytest.fixture(autouse=True)
def nothing_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("BASE_URL", "MODEL", "API_KEY", "PROFILE", "MAX_TOKENS", "TEMPERATURE", "MAX_RETRIES"):
        monkeypatch.delenv(f"HUOZI_LLM__{name}", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-belongs-to-somebody-else")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")


async def collected(model: Any, asked: Any) -> AIMessageChunk:
    return reduce(add, [chunk async for chunk in model.astream(asked)])


# --- what fills it ---


def test_an_address_is_demanded_when_neither_argument_nor_environment_has_one():
    with pytest.raises(SettingsError, match="HUOZI_LLM__BASE_URL"):
        ChatHuozi()


def test_the_environment_fills_what_is_left_out_when_it_is_set(monkeypatch: pytest.MonkeyPatch):
    for name, value in {"BASE_URL": "http://10.0.0.1:8000/v1", "MODEL": "活字", "TEMPERATURE": "0.3"}.items():
        monkeypatch.setenv(f"HUOZI_LLM__{name}", value)
    model = ChatHuozi(model="huozi")
    assert (model.model_name, model.openai_api_base) == ("huozi", "http://10.0.0.1:8000/v1")
    assert (model.temperature, model.max_tokens) == (0.3, None)


def test_the_profiles_window_is_langchains_when_agents_ask_for_it():
    assert ChatHuozi(base_url=free_url()).profile == {
        "max_input_tokens": 32_768,
        "text_inputs": True,
        "text_outputs": True,
        "tool_calling": True,
        "tool_choice": True,
        "structured_output": False,
    }


def test_another_key_is_not_sent_when_none_is_given():
    with FakeModelServer() as server:
        ChatHuozi(base_url=server.base_url).invoke("年假？")
        assert {key.lower(): value for key, value in server.headers[0].items()}["authorization"] == "Bearer unset"


# --- what is sent ---


@pytest.mark.parametrize("stream", [False, True])
def test_stop_ids_are_sent_when_the_caller_has_stops_of_his_own(stream: bool):
    with FakeModelServer() as server:
        model = ChatHuozi(base_url=server.base_url, extra_body={"stop_token_ids": [7, 57001], "top_k": 5})
        (list(model.stream("？", stop=["完"])) if stream else model.invoke("？", stop=["完"]))
        (list(model.stream("？", extra_body={"min_p": 0})) if stream else model.invoke("？", extra_body={"min_p": 0}))
    first, second = server.requests
    assert (first["stop_token_ids"], first["top_k"], first["stop"]) == ([57001, 7], 5, ["完"])
    assert (second["stop_token_ids"], second["min_p"]) == ([57001], 0)


def test_stop_strings_are_sent_when_the_profile_knows_no_ids():
    with FakeModelServer() as server:
        model = ChatHuozi(base_url=server.base_url, huozi_profile="huozi-7b-sft")
        model.invoke("？", stop=["完"])
    assert (server.requests[0]["stop"], server.requests[0]["stop_token_ids"]) == (["完", "<|endofutterance|>"], [])
    assert model.profile is not None and model.profile["max_input_tokens"] == 2_048


def test_a_profile_is_refused_when_nobody_knows_it():
    with pytest.raises(ProfileError, match="huozi9"):
        ChatHuozi(base_url=free_url(), huozi_profile="huozi9")


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_max_tokens_has_the_name_every_server_knows_when_it_is_given(name: str):
    with FakeModelServer() as server:
        ChatHuozi(base_url=server.base_url, **{name: 9}).invoke("？")
        ChatHuozi(base_url=server.base_url).invoke("？", **{name: 9})
    assert [(sent["max_tokens"], "max_completion_tokens" in sent) for sent in server.requests] == [(9, False)] * 2


@pytest.mark.parametrize("own", [None, True, False])
def test_the_server_is_asked_to_hold_arguments_to_the_schema_when_the_caller_says_nothing(own: bool | None):
    tool = {"type": "function", "function": TOOL if own is None else {**TOOL, "strict": own}}
    with FakeModelServer() as server:
        ChatHuozi(base_url=server.base_url).bind_tools([tool]).invoke("？")
    (sent,) = server.requests[0]["tools"]
    assert sent["function"] == {**TOOL, "strict": own is not False}


def test_a_wrong_call_can_stand_in_the_history_when_it_is_sent_back():
    wrong = {"type": "invalid_tool_call", "name": "查询", "args": '{"问题": ', "id": "1", "error": "broken"}
    history = [HumanMessage("？"), AIMessage("", invalid_tool_calls=[wrong]), ToolMessage("broken", tool_call_id="1")]
    with FakeModelServer() as server:
        ChatHuozi(base_url=server.base_url).invoke(history)
    arguments = server.requests[0]["messages"][1]["tool_calls"][0]["function"]["arguments"]
    assert json.loads(arguments) == {"invalid_arguments": '{"问题": '}


# --- what comes back ---


@pytest.mark.parametrize("role", ["助手", "assistant"])
async def test_reply_is_whole_when_the_server_has_a_role_of_its_own(role: str):
    with FakeModelServer(TEXT, role=role) as server:
        model = ChatHuozi(base_url=server.base_url)
        replies = [
            model.invoke("年假？"),
            await model.ainvoke("年假？"),
            reduce(add, model.stream("年假？")),
            await collected(model, "年假？"),
        ]
    for reply in replies:
        assert isinstance(reply, AIMessage)
        assert reply.content == "".join(TEXT)
        assert reply.usage_metadata["output_tokens"] == sum(map(len, TEXT))
        assert reply.response_metadata["finish_reason"] == "stop"
        assert reply.response_metadata["model_name"] == "huozi"


async def test_every_piece_is_passed_on_at_once_when_it_streams():
    with FakeModelServer(TEXT) as server:
        model = ChatHuozi(base_url=server.base_url)
        assert [chunk.content for chunk in model.stream("？") if chunk.content] == TEXT
        assert [chunk.content async for chunk in model.astream("？") if chunk.content] == TEXT


async def test_headers_are_there_when_they_are_asked_for():
    with FakeModelServer(TEXT, role="助手") as server:
        model = ChatHuozi(base_url=server.base_url, include_response_headers=True)
        replies = [
            model.invoke("？"),
            await model.ainvoke("？"),
            reduce(add, model.stream("？")),
            await collected(model, "？"),
        ]
    for reply in replies:
        assert (reply.content, "content-type" in reply.response_metadata["headers"]) == ("".join(TEXT), True)


async def test_callbacks_hear_every_token_when_it_streams():
    heard: list[Any] = []

    class Ears(AsyncCallbackHandler):
        async def on_llm_new_token(self, token: Any, **kwargs: Any) -> None:
            heard.append(token)

        async def on_llm_end(self, response: Any, **kwargs: Any) -> None:
            heard.append(response.generations[0][0].message)

    with FakeModelServer(TEXT) as server:
        model = ChatHuozi(base_url=server.base_url, callbacks=[Ears()])
        await collected(model, "？")
    assert [token for token in heard[:-1] if token] == TEXT
    assert heard[-1].content == "".join(TEXT)


async def test_events_carry_the_tokens_when_a_chain_is_watched():
    with FakeModelServer(TEXT) as server:
        model = ChatHuozi(base_url=server.base_url)
        found = [event async for event in model.astream_events("？", version="v2")]
    said = [event["data"]["chunk"].content for event in found if event["event"] == "on_chat_model_stream"]
    assert [text for text in said if text] == TEXT
    assert found[-1]["data"]["output"].usage_metadata["output_tokens"] == sum(map(len, TEXT))


@pytest.mark.parametrize(
    "arguments",
    ['{"问题": 5}', "{}", '{"问题": "年假", "days": "五"}', "true", "null", "5", '"年假𠮷"', "[1]"],
)
async def test_a_wrong_call_is_invalid_with_its_reason_when_it_does_not_fit_the_schema(arguments: str):
    pieces = [arguments[:4], arguments[4:]]
    with RepliesInTurn([whole(None, calls=[("查询", arguments)])], streamed_call(0, "查询", pieces)) as server:
        model = ChatHuozi(base_url=server.base_url).bind_tools([TOOL])
        plain = model.invoke("？")
        streamed = reduce(add, model.stream("？"))
        pulled = await collected(model, "？")
    for reply in (plain, streamed, pulled):
        assert reply.tool_calls == []
        assert [call["name"] for call in reply.invalid_tool_calls] == ["查询"]
    assert plain.invalid_tool_calls[0]["args"] == arguments
    assert plain.invalid_tool_calls[0]["error"]
    assert plain.invalid_tool_calls[0]["error"] in streamed.invalid_tool_calls[0]["args"]


async def test_a_wrong_call_has_its_reason_when_an_agent_streams_under_invoke():
    with RepliesInTurn(streamed_call(0, "查询", ['{"问题"', ": 5}"])) as server:
        model = ChatHuozi(base_url=server.base_url).bind_tools([TOOL])
        events = [event async for event in model.astream_events("？", version="v2")]
        streaming = ChatHuozi(base_url=server.base_url, streaming=True).bind_tools([TOOL])
        for reply in (streaming.invoke("？"), await streaming.ainvoke("？")):
            assert type(reply) is AIMessage
            assert reply.tool_calls == []
            assert reply.invalid_tool_calls[0]["args"] == '{"问题": 5}'
            assert reply.invalid_tool_calls[0]["error"] == "'问题': 5 is not of type 'string'"
    assert events[-1]["data"]["output"].tool_calls == []


async def test_calls_are_apart_when_several_stream_at_once():
    script = [*streamed_call(0, "查询", ['{"问题": "年', '假"}']), *streamed_call(1, "查询", ['{"问题"', ": 1}"])]
    with RepliesInTurn(script) as server:
        model = ChatHuozi(base_url=server.base_url, streaming=True).bind_tools([TOOL])
        reply = await model.ainvoke("？")
    assert [call["args"] for call in reply.tool_calls] == [{"问题": "年假"}]
    assert [call["args"] for call in reply.invalid_tool_calls] == ['{"问题": 1}']


# --- tokens and the window ---


def test_tokens_are_the_servers_when_they_are_counted():
    with ScriptedOpenAI() as server:
        model = ChatHuozi(base_url=server.base_url)
        assert model.get_num_tokens("年假几天？") == len(model.get_token_ids("年假几天？")) > 0
        messages = [HumanMessage("年假几天？"), AIMessage("５天。"), HumanMessage("谢谢𠮷")]
        counted = model.get_num_tokens_from_messages(messages, [TOOL])
        assert counted > model.get_num_tokens_from_messages(messages) > 0
        reply = model.bind_tools([TOOL]).invoke(messages)
    assert counted == reply.usage_metadata["input_tokens"]


class LlamaCpp(JsonHandler):
    """A server whose /tokenize means something else."""

    def do_POST(self) -> None:
        self.read_json()
        self.reply(200, {"tokens": [1, 2]})


def test_counting_says_what_is_missing_when_the_server_has_no_tokenize():
    with FakeModelServer() as server, pytest.raises(TokenizeUnsupportedError, match="/tokenize"):
        ChatHuozi(base_url=server.base_url).get_num_tokens_from_messages([HumanMessage("？")])


def test_counting_says_what_is_missing_when_tokenize_means_something_else():
    with LoopbackServer(LlamaCpp) as server:
        model = ChatHuozi(base_url=f"http://user:secret@127.0.0.1:{server.port}/v1")
        with pytest.raises(TokenizeUnsupportedError, match="/tokenize") as caught:
            model.get_num_tokens_from_messages([HumanMessage("？")])
    assert "secret" not in str(caught.value)


async def test_error_names_tokens_window_and_what_to_cut_when_the_prompt_is_too_long():
    prompt = [HumanMessage("短"), AIMessage("好"), HumanMessage("年假𠮷" * 300)]
    with ScriptedOpenAI(window=600) as server:
        model = ChatHuozi(base_url=server.base_url, max_tokens=50)
        tokens = model.get_num_tokens_from_messages(prompt)
        errors = []
        for attempt in (model.invoke, lambda asked: list(model.stream(asked))):
            with pytest.raises(PromptTooLongError) as caught:
                attempt(prompt)
            errors.append(caught.value)
        for waiting in (model.ainvoke(prompt), collected(model, prompt)):
            with pytest.raises(ContextOverflowError) as overflowed:
                await waiting
            errors.append(overflowed.value)
    for error in errors:
        assert (error.tokens, error.window) == (tokens, 600)
        assert f"Cut at least {tokens + 50 - 600:,} tokens" in str(error)
        assert "turn 3 (user)" in str(error) and "turn 1" not in str(error)
        assert f"{tokens:,}" in error.render("zh") and "第 3 轮" in error.render("zh")


def test_error_keeps_the_servers_words_when_it_cannot_count():
    refused = {"error": {"message": "the request exceeds the available context", "type": "exceed_context_size_error"}}
    with FakeModelServer([Status(400, refused)]) as server, pytest.raises(PromptTooLongError, match="the available"):
        ChatHuozi(base_url=server.base_url).invoke("？")


def test_error_has_llama_cpps_numbers_when_it_gives_them():
    body = {"message": "too long", "type": "exceed_context_size_error", "n_prompt_tokens": 5_000, "n_ctx": 4_096}
    with FakeModelServer([Status(400, {"error": body})]) as server, pytest.raises(PromptTooLongError, match="5,000"):
        ChatHuozi(base_url=server.base_url).invoke("？")


def test_another_refusal_stays_the_sdks_when_the_prompt_is_not_too_long():
    refused = {"error": {"message": "no such thing", "param": "tools"}}
    with FakeModelServer([Status(400, refused)]) as server, pytest.raises(openai.BadRequestError, match="no such"):
        ChatHuozi(base_url=server.base_url).invoke("？")


# --- when it goes wrong ---


@pytest.mark.parametrize("script", [["年假", Die()], ["年假", EndWithoutFinish()]])
async def test_a_broken_stream_is_an_error_when_the_server_dies_in_it(script: list[Any]):
    with FakeModelServer(script) as server:
        model = ChatHuozi(base_url=server.base_url)
        with pytest.raises(openai.APIConnectionError):
            list(model.stream("？"))
        with pytest.raises(ModelConnectionError):
            await collected(model, "？")


async def test_the_servers_words_are_the_error_when_it_sends_one_in_the_stream():
    with FakeModelServer([Raw(b'data: {"error": {"message": "out of blocks"}}\n\n')]) as server:
        model = ChatHuozi(base_url=server.base_url)
        with pytest.raises(openai.APIError, match="out of blocks"):
            list(model.stream("？"))
        with pytest.raises(openai.APIError, match="out of blocks"):
            await collected(model, "？")


async def test_silence_is_an_error_when_it_is_longer_than_the_time_out():
    with FakeModelServer(["年", Wait(5), "假"]) as server:
        model = ChatHuozi(base_url=server.base_url, timeout=(1, 0.1, 1, 1), max_retries=0)
        with pytest.raises(openai.APITimeoutError):
            list(model.stream("？"))
        with pytest.raises(openai.APITimeoutError):
            await collected(model, "？")


@pytest.mark.parametrize(("retries", "requests"), [(0, 1), (1, 2)])
def test_a_busy_server_is_asked_again_when_retries_are_allowed(retries: int, requests: int):
    with FakeModelServer([Status(429, {"error": {"message": "busy"}})]) as server:
        with pytest.raises(ModelRateLimitError):
            ChatHuozi(base_url=server.base_url, max_retries=retries).invoke("？")
        assert len(server.requests) == requests


def test_the_connection_error_is_langchains_when_nobody_listens():
    with pytest.raises(ModelConnectionError):
        ChatHuozi(base_url=free_url(), max_retries=0).invoke("？")


@pytest.mark.parametrize("how", ["cancel", "close", "break"])
async def test_the_servers_work_ends_when_the_reader_leaves(how: str):
    with FakeModelServer(["年", Wait(30), "假"]) as server:
        chunks: AsyncIterator[Any] = ChatHuozi(base_url=server.base_url).astream("？")
        if how == "cancel":
            task = asyncio.ensure_future(_exhausted(chunks))
            await asyncio.to_thread(server.asked.wait, 5)
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            async for chunk in chunks:
                if chunk.content:
                    break
            if how == "close":
                await chunks.aclose()  # type: ignore[attr-defined]
            del chunks
        assert await asyncio.to_thread(server.closed_by_client.wait, 5)


async def _exhausted(chunks: AsyncIterator[Any]) -> None:
    async for _ in chunks:
        pass


def test_every_event_loop_has_its_connections_when_a_model_is_used_from_several():
    with FakeModelServer(TEXT) as server:
        model = ChatHuozi(base_url=server.base_url, max_retries=0)
        replies = [asyncio.run(ask(model)) for _ in range(3) for ask in (_invoked, _streamed)]
    assert replies == ["".join(TEXT)] * 6


async def test_connections_are_closed_when_they_are_asked_to_be():
    with FakeModelServer(TEXT) as server:
        model = ChatHuozi(base_url=server.base_url, max_retries=0)
        assert await _invoked(model) == await _streamed(model)
        await model.aclose()
        assert await _streamed(model) == "".join(TEXT)
        await model.aclose()
        await model.aclose()


async def _invoked(model: ChatHuozi) -> Any:
    return (await model.ainvoke("？")).content


async def _streamed(model: ChatHuozi) -> Any:
    return (await collected(model, "？")).content
