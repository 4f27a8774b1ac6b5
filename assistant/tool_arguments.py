"""Arguments of tool calls against the tools' schemas: a model that is free to write them writes wrong ones, too.

An invalid call moves from `tool_calls` to `invalid_tool_calls`, with the reason. A stream cannot take back what it has
said, and LangChain adds its pieces up by itself: so the stream's end adds a mark to the wrong arguments, which makes
that sum no JSON object any more (and so an invalid call), and says why.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

_MARK = "/* "
_MARK_END = " */"
_MAX_REASON_CHARS = 300
_NO_OBJECT = "no JSON object"

Json = dict[str, Any]


@dataclass(slots=True)
class _Call:
    """A call as far as its pieces have come."""

    name: str = ""
    id: str | None = None
    arguments: str = ""


@dataclass(slots=True)
class StreamedCalls:
    """The tool calls of one stream.

    Args:
        tools: OpenAI tool definitions of the request.
    """

    tools: Sequence[Any]
    _calls: dict[Any, _Call] = field(default_factory=dict)

    def add(self, pieces: Iterable[Mapping[str, Any]]) -> None:
        """Take LangChain's `tool_call_chunks` of one chunk."""
        for piece in pieces:
            call = self._calls.setdefault(piece.get("index"), _Call())
            call.name += piece.get("name") or ""
            call.id = call.id or piece.get("id")
            call.arguments += piece.get("args") or ""

    def marks(self) -> list[tuple[Any, str]]:
        """Return index and mark of each call whose arguments are wrong; a mark is one more piece of its arguments."""
        schemas = schemas_of(self.tools)
        found = []
        for index, call in self._calls.items():
            arguments = _object(call.arguments)
            reason = _NO_OBJECT if arguments is None else reason_against(schemas.get(call.name), arguments)
            if reason is not None:
                said = reason.replace(_MARK_END, "* /")
                found.append((index, f"{_wrong_end(call.arguments)}{_MARK}{said}{_MARK_END}"))
        return found


def sorted_calls(calls: Sequence[Any], invalid: Sequence[Any], tools: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Return LangChain's valid and invalid tool calls, sorted again by the tools' schemas.

    Args:
        calls: `tool_calls` of a message.
        invalid: Its `invalid_tool_calls`; a mark among their arguments becomes their error.
        tools: OpenAI tool definitions. A tool that is not among them has no schema, so its call stays as it is:
            LangGraph answers it with the names there are.
    """
    schemas = schemas_of(tools)
    reasons = [reason_against(schemas.get(call["name"]), call["args"]) for call in calls]
    kept = [call for call, reason in zip(calls, reasons, strict=True) if reason is None]
    moved = [_invalid(call, reason) for call, reason in zip(calls, reasons, strict=True) if reason is not None]
    return kept, [*map(_unmarked, invalid), *moved]


def marked_unless_object(arguments: str) -> str:
    """Return a call's arguments, marked if they are JSON but no object: LangChain would fail on the whole reply."""
    try:
        value = json.loads(arguments)
    except ValueError:
        return arguments  # LangChain makes an invalid call of these by itself
    return arguments if isinstance(value, dict) else f"{arguments}{_wrong_end(arguments)}{_MARK}{_NO_OBJECT}{_MARK_END}"


def plain_arguments(arguments: str) -> str:
    """Return arguments that a server can read back: without a mark, and always a JSON object."""
    text, _ = _parted(arguments)
    return text if _object(text) is not None else json.dumps({"invalid_arguments": text}, ensure_ascii=False)


def as_strict(tool: Any) -> Any:
    """Return an OpenAI tool definition that asks the server to hold the arguments to their schema, as it stands.

    vLLM does so for such tools alone; a caller's own `strict` stays. LangChain's `strict=True` would change the schema.
    """
    function = tool.get("function") if isinstance(tool, Mapping) else None
    return {**tool, "function": {"strict": True, **function}} if isinstance(function, Mapping) else tool


def schemas_of(tools: Sequence[Any]) -> dict[str, Json]:
    """Return name -> JSON schema of the arguments, for OpenAI tool definitions."""
    functions = [tool.get("function", tool) for tool in tools if isinstance(tool, Mapping)]
    return {
        function["name"]: function.get("parameters") or {}
        for function in functions
        if isinstance(function, Mapping)
        if "name" in function
    }


def reason_against(schema: Json | None, value: Any) -> str | None:
    """Say why a value does not fit a JSON schema; None if it does, or if there is no schema.

    Returns:
        E.g. `'days': 'five' is not of type 'integer'`, at most three of them.
    """
    if not schema:
        return None
    errors = sorted(_validator(json.dumps(schema, sort_keys=True, default=str)).iter_errors(value), key=str)
    return "; ".join(map(_told, errors[:3])) if errors else None


@lru_cache(maxsize=256)
def _validator(schema: str) -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(json.loads(schema))


def _told(error: Any) -> str:
    place = ".".join(map(str, error.absolute_path))
    told = f"{place!r}: {error.message}" if place else str(error.message)
    return told if len(told) <= _MAX_REASON_CHARS else f"{told[:_MAX_REASON_CHARS]}…"


def _object(arguments: str) -> Json | None:
    if not arguments:
        return {}
    try:
        value = json.loads(arguments)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _invalid(call: Mapping[str, Any], reason: str) -> Json:
    arguments = json.dumps(call["args"], ensure_ascii=False)
    return {"type": "invalid_tool_call", "name": call["name"], "args": arguments, "id": call["id"], "error": reason}


def _unmarked(call: Mapping[str, Any]) -> Json:
    arguments, reason = _parted(call.get("args") or "")
    return {**call, "args": arguments, "error": reason or call.get("error")}


def _wrong_end(text: str) -> str:
    """Return what makes the beginning of a JSON text wrong for good: a bracket that closes what is not open."""
    opened, in_string, escaped = [], False, False
    for char in text:
        if in_string:
            in_string = escaped or char != '"'
            escaped = char == "\\" and not escaped
        elif char == '"':
            in_string = True
        elif char in "{[":
            opened.append(char)
        elif char in "}]" and opened:
            opened.pop()
    closed = ("\\" if escaped else "") + '"' if in_string else ""
    return closed + ("]" if opened and opened[-1] == "{" else "}")


def _parted(arguments: str) -> tuple[str, str | None]:
    """Return arguments and reason; of arguments that broke off in a string, with the string's end."""
    text, mark, reason = arguments.rpartition(_MARK)
    if mark and reason.endswith(_MARK_END):
        return text[:-1], reason.removesuffix(_MARK_END)
    return arguments, None
