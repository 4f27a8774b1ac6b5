"""Answers in a schema: asked for, validated, and repaired once.

The server enforces a JSON schema while it samples, but not every server does, no schema says all that a pydantic class
checks, and a named tool's arguments can be wrong. So the reply is validated here; one that does not fit is sent back
once, with what is wrong about it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from langchain_core.utils.function_calling import convert_to_openai_function, convert_to_openai_tool
from pydantic import BaseModel, ValidationError

import prompts
from assistant.tool_arguments import reason_against

if TYPE_CHECKING:
    from assistant.chat_model import ChatHuozi

Method = Literal["function_calling", "json_mode", "json_schema"]
Json = dict[str, Any]
Steps = Generator[list[BaseMessage], AIMessage, Any]

_MAX_REASON_CHARS = 1_000


class UnfitError(ValueError):
    """A reply that is not what the schema wants.

    Args:
        reason: What is wrong, for the model and for people.
        text: What the model wrote.
        is_final: Whether asking again is of no use.
    """

    def __init__(self, reason: str, text: str, *, is_final: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason[:_MAX_REASON_CHARS]
        self.text = text
        self.is_final = is_final


@dataclass(frozen=True)
class Structured:
    """Asks, reads, and asks once more where the reply does not fit.

    Args:
        model: The chat model; turns what it is given into messages.
        bound: The same with its response format or tool.
        read: Reply -> value.
        include_raw: Whether to return reply, value and error together, as LangChain does.
    """

    model: ChatHuozi
    bound: Runnable[Any, AIMessage]
    read: Callable[[AIMessage], Any]
    include_raw: bool

    def as_runnable(self) -> Runnable[Any, Any]:
        """Return it as LangChain's building block; a stream of it is the whole value, for a part cannot be valid."""
        return RunnableLambda(self._invoke, self._ainvoke, name="structured_output")

    def _invoke(self, asked: Any, config: RunnableConfig) -> Any:
        steps = self._steps(asked)
        messages = next(steps)
        while True:
            try:
                messages = steps.send(self.bound.invoke(messages, config))
            except StopIteration as done:
                return done.value

    async def _ainvoke(self, asked: Any, config: RunnableConfig) -> Any:
        steps = self._steps(asked)
        messages = next(steps)
        while True:
            reply = await self.bound.ainvoke(messages, config)
            try:
                messages = steps.send(reply)
            except StopIteration as done:
                return done.value

    def _steps(self, asked: Any) -> Steps:
        """Yield what to send, take the reply, return the result: the order of things, for both ways of calling."""
        messages = self.model._convert_input(asked).to_messages()
        reply = yield messages
        try:
            return self._result(reply, self.read(reply))
        except UnfitError as error:
            if error.is_final:
                return self._failed(reply, error)
            reply = yield [*messages, *_repair_turns(error)]
        try:
            return self._result(reply, self.read(reply))
        except UnfitError as error:
            return self._failed(reply, error)

    def _result(self, reply: AIMessage, value: Any) -> Any:
        return {"raw": reply, "parsed": value, "parsing_error": None} if self.include_raw else value

    def _failed(self, reply: AIMessage, error: UnfitError) -> Any:
        told = OutputParserException(
            f"The model's reply does not fit the schema: {error.reason}", llm_output=error.text
        )
        told.__cause__ = error
        if not self.include_raw:
            raise told
        return {"raw": reply, "parsed": None, "parsing_error": told}


def structured(
    model: ChatHuozi,
    schema: Any,
    method: Method,
    *,
    include_raw: bool,
    strict: bool | None = None,
    tools: Sequence[Any] | None = None,
    **kwargs: Any,
) -> Runnable[Any, Any]:
    """Return a chain that answers in a schema; the arguments are those of `ChatHuozi.with_structured_output`."""
    if method not in ("json_schema", "function_calling", "json_mode"):
        raise ValueError(f"Unknown method {method!r}: use 'json_schema', 'function_calling' or 'json_mode'.")
    if schema is None and method != "json_mode":
        raise ValueError(f"The method {method!r} needs a schema.")
    if strict is not None and method == "json_mode":
        raise ValueError("strict is not for the method 'json_mode', which enforces no schema.")
    bind = {"ls_structured_output_format": {"kwargs": {"method": method, "strict": strict}, "schema": schema}, **kwargs}
    tool: str | None = None
    bound: Runnable[Any, AIMessage]
    if method == "function_calling":
        tool = convert_to_openai_tool(schema)["function"]["name"]
        wanted = {"tool_choice": tool, "parallel_tool_calls": False, "strict": strict, **bind}
        bound = model.bind_tools([schema], **model._filter_disabled_params(**wanted))
    else:
        form = {"type": "json_object"} if method == "json_mode" else response_format(schema, strict)
        if tools:
            bind["tools"] = [convert_to_openai_tool(one, strict=strict) for one in tools]
        bound = model.bind(response_format=form, **bind)
    return Structured(model, bound, reader(schema, tool=tool, may_call_tools=bool(tools)), include_raw).as_runnable()


def reader(schema: Any, *, tool: str | None = None, may_call_tools: bool = False) -> Callable[[AIMessage], Any]:
    """Return what turns a reply into the value of a schema, or raises `UnfitError`.

    Args:
        schema: Pydantic class, TypedDict, JSON schema or OpenAI function; None takes any JSON.
        tool: The tool whose arguments are the value; without it, the reply's text is.
        may_call_tools: Whether a reply that calls tools instead is no failure; its value is None.
    """
    check = _checker(schema)

    def read(reply: AIMessage) -> Any:
        if may_call_tools and reply.tool_calls:
            return None
        try:
            return check(_arguments(reply, tool) if tool else reply.text)
        except UnfitError as error:
            if reply.response_metadata.get("finish_reason") == "length":
                raise UnfitError("it was cut off at max_tokens; raise that", error.text, is_final=True) from error
            raise

    return read


def response_format(schema: Any, strict: bool | None = None) -> Json:
    """Return OpenAI's `response_format` that makes the server enforce a schema."""
    if isinstance(schema, Mapping) and schema.get("type") in ("json_schema", "json_object", "text"):
        return dict(schema)
    form = {"name": _name(schema), "schema": json_schema(schema)}
    return {"type": "json_schema", "json_schema": form if strict is None else {**form, "strict": strict}}


def json_schema(schema: Any) -> Json:
    """Return the JSON schema of a pydantic class, TypedDict, OpenAI function or JSON schema."""
    if _is_model(schema):
        return dict(schema.model_json_schema())
    if isinstance(schema, Mapping):
        inner = schema.get("json_schema", schema)
        for key in ("schema", "parameters"):
            if "name" in inner and key in inner:
                return dict(inner[key])
        if "function" in inner:
            return dict(inner["function"].get("parameters") or {})
        if inner.keys() & {"properties", "type", "$ref", "anyOf", "oneOf", "allOf", "enum"}:
            return dict(inner)
    return dict(convert_to_openai_function(schema)["parameters"])


def _checker(schema: Any) -> Callable[[str], Any]:
    if _is_model(schema):
        return lambda text: _modelled(schema, text)
    if isinstance(schema, type) and hasattr(schema, "parse_obj"):  # pydantic's first version
        return lambda text: _modelled_v1(schema, text)
    wanted = json_schema(schema) if schema is not None else {}
    return lambda text: _matched(wanted, text)


def _modelled(schema: type[BaseModel], text: str) -> BaseModel:
    try:
        return schema.model_validate_json(text)
    except ValidationError as error:
        told = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'JSON'}: {one['msg']}" for one in error.errors()[:5])
        raise UnfitError(told, text) from error


def _modelled_v1(schema: Any, text: str) -> Any:
    try:
        return schema.parse_obj(_parsed(text))
    except ValueError as error:
        raise UnfitError(" ".join(str(error).split()), text) from error


def _matched(schema: Json, text: str) -> Any:
    value = _parsed(text)
    reason = reason_against(schema, value)
    if reason is not None:
        raise UnfitError(reason, text)
    return value


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise UnfitError(f"it is no JSON: {error}", text) from error


def _arguments(reply: AIMessage, tool: str) -> str:
    for call in reply.tool_calls:
        if call["name"] == tool:
            return json.dumps(call["args"], ensure_ascii=False)
    for wrong in reply.invalid_tool_calls:
        raise UnfitError(wrong["error"] or "the arguments are no JSON object", wrong["args"] or "")
    raise UnfitError(f"it does not call the tool {tool!r}", reply.text)


def _repair_turns(error: UnfitError) -> Sequence[BaseMessage]:
    # As plain text, for a wrong tool call would want a tool's result after it.
    return AIMessage(error.text), HumanMessage(prompts.load("repair").fill(reason=error.reason))


def _is_model(schema: Any) -> bool:
    return isinstance(schema, type) and issubclass(schema, BaseModel)


def _name(schema: Any) -> str:
    if isinstance(schema, Mapping):
        function = schema.get("function", schema)
        return str(function.get("name") or function.get("title") or "answer")
    return str(getattr(schema, "__name__", "answer"))
