"""What the scripted model says: a request of the OpenAI protocol in, its reply out, by rule and not by test.

- The last turn is a tool's result: the sentence of it that answers the question.
- Tools may or must be used: a call with arguments that fit the tool's schema, in the words of the question.
- A response format: an instance of the schema.
- Otherwise: the sentence of the prompt that answers the question, or the question itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tests.schema_instance import Clues, closest, instance, quoted, sentences

Json = dict[str, Any]

TURN_TOKENS = 4
"""What a turn's role and control tokens cost."""
END = "<|endofutterance|>"
_TOKEN = re.compile(r"[A-Za-z]+|\d|\s+|.", re.DOTALL)
_NAMES = re.compile(r"[a-z]+|[A-Z][a-z]*")
_QUESTION = re.compile(r"[?？]")


@dataclass(frozen=True)
class Call:
    """A tool call: the tool's name and its arguments as JSON."""

    name: str
    arguments: str


@dataclass(frozen=True)
class Reply:
    """What the model says.

    Args:
        text: Its words.
        calls: Its tool calls.
        finish_reason: `stop`, `length` or `tool_calls`.
        stop_reason: The stop string that ended it, or the id of the stop token where the request names some.
    """

    text: str = ""
    calls: tuple[Call, ...] = ()
    finish_reason: str = "stop"
    stop_reason: str | int | None = None

    @property
    def tokens(self) -> int:
        """What it costs, with the token that ends it."""
        return 1 + sum(len(tokens(said)) for said in (self.text, *(call.arguments for call in self.calls)))


def tokens(text: str) -> list[str]:
    """Cut a text into tokens: a word, a digit, a run of blanks, or any other character."""
    return _TOKEN.findall(text)


def prompt_tokens(body: Mapping[str, Any]) -> int:
    """Count a request's prompt, with what the chat template writes of the tools."""
    turns = [text_of(turn) + json.dumps(turn.get("tool_calls") or "", ensure_ascii=False) for turn in body["messages"]]
    functions = [tool["function"] for tool in body.get("tools") or ()]
    tools = [{key: one.get(key) for key in ("name", "description", "parameters")} for one in functions]
    told = json.dumps(tools or "", ensure_ascii=False)
    return sum(len(tokens(text)) + TURN_TOKENS for text in [*turns, told])


def text_of(turn: Mapping[str, Any]) -> str:
    """Return a message's text, whether it is a string or a list of parts."""
    content = turn.get("content") or ""
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def reply_to(body: Mapping[str, Any]) -> Reply:
    """Return the model's reply to a request."""
    turns: Sequence[Json] = body["messages"]
    question = next((text_of(turn) for turn in reversed(turns) if turn["role"] in ("user", "用户")), "")
    calls = _calls(body, question)
    ended_by = next(iter(body.get("stop_token_ids") or ()), None)
    if calls:
        named = isinstance(body.get("tool_choice"), dict)
        return Reply(calls=calls, finish_reason="stop" if named else "tool_calls", stop_reason=ended_by)
    text = _formatted(body, question) or _answer(turns, question)
    if ended_by is None and body.get("tools") and body.get("tool_choice") != "none":
        # vLLM's hermes parser keeps special tokens in the text, the last one too; a stop id alone takes it out.
        text += END
    return _cut(Reply(text, stop_reason=ended_by), body)


def _calls(body: Mapping[str, Any], question: str) -> tuple[Call, ...]:
    tools = {tool["function"]["name"]: tool["function"] for tool in body.get("tools") or ()}
    choice = body.get("tool_choice") or "auto"
    if not tools or choice == "none":
        return ()
    if isinstance(choice, dict):
        chosen = [choice["function"]["name"]]
    elif choice == "required" or (body["messages"][-1]["role"] in ("user", "用户")):
        chosen = _chosen(tools, question, forced=choice == "required")
    else:
        return ()
    if body.get("parallel_tool_calls") is False:
        chosen = chosen[:1]
    return tuple(_call(tools[name], question) for name in chosen)


def _chosen(tools: Mapping[str, Json], question: str, *, forced: bool) -> list[str]:
    """Return the tools that the text names, in its order; for a question or by force, the one that fits best."""
    named = sorted((name for name in tools if _position(name, question) >= 0), key=lambda n: _position(n, question))
    if named or not (forced or _QUESTION.search(question)):
        return named
    about = {f"{' '.join(_NAMES.findall(name))} {tool.get('description', '')}": name for name, tool in tools.items()}
    return [about[closest(question, list(about)) or next(iter(about))]]


def _position(name: str, text: str) -> int:
    found = re.search(rf"(?<![A-Za-z0-9_]){re.escape(name)}(?![A-Za-z0-9_])", text)
    return found.start() if found else -1


def _call(tool: Json, question: str) -> Call:
    schema = tool.get("parameters") or {"type": "object", "properties": {}}
    return Call(tool["name"], json.dumps(instance(schema, Clues(question)), ensure_ascii=False))


def _formatted(body: Mapping[str, Any], question: str) -> str | None:
    wanted = body.get("response_format") or {"type": "text"}
    if wanted["type"] == "json_schema":
        return json.dumps(instance(wanted["json_schema"]["schema"], Clues(question)), ensure_ascii=False)
    if wanted["type"] == "json_object":
        # Without a schema, the keys are what the prompt quotes: "a JSON with 'setup' and 'punchline' keys".
        keys = [key for key in quoted(question) if key.isidentifier()]
        return json.dumps(dict.fromkeys(keys, question), ensure_ascii=False)
    return None


def _answer(turns: Sequence[Json], question: str) -> str:
    asked = next((one for one in reversed(sentences(question)) if _QUESTION.search(one)), question)
    known = [one for turn in turns if turn["role"] not in ("assistant", "助手") for one in sentences(text_of(turn))]
    others = [one for one in known if one != asked and not _QUESTION.search(one)]
    if turns[-1]["role"] == "tool":
        others = sentences(text_of(turns[-1]))
    return closest(asked, others) or (others[0] if turns[-1]["role"] == "tool" and others else f"你说的是：{asked}")


def _cut(reply: Reply, body: Mapping[str, Any]) -> Reply:
    stops = body.get("stop") or ()
    for stop in [stops] if isinstance(stops, str) else stops:
        before, found, _ = reply.text.partition(stop)
        if found:
            reply = replace(reply, text=before, stop_reason=stop)
    most = body.get("max_completion_tokens") or body.get("max_tokens")
    said = tokens(reply.text)
    if most is not None and len(said) > most:
        return replace(reply, text="".join(said[:most]), finish_reason="length", stop_reason=None)
    return reply
