"""Replies of a model server for tests, one after the other; tests/servers.py sends them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tests.servers import FakeModelServer, Raw, Status, Step

USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}


class RepliesInTurn(FakeModelServer):
    """A server whose n-th request gets the n-th script; the last one again when there are no more."""

    def __init__(self, *scripts: Sequence[Step], role: str = "助手") -> None:
        self._scripts = [tuple(script) for script in scripts]
        super().__init__(role=role)

    @property
    def script(self) -> tuple[Step, ...]:
        return self._scripts[min(max(len(self.requests), 1), len(self._scripts)) - 1]

    @script.setter
    def script(self, _script: tuple[Step, ...]) -> None:
        """The scripts are those of the constructor."""


def whole(content: str | None, *, reason: str = "stop", calls: Sequence[tuple[str, str]] = ()) -> Status:
    """A reply that is not streamed; calls are (name, arguments as text)."""
    message: dict[str, Any] = {"role": "助手", "content": content}
    if calls:
        message["tool_calls"] = [_call(number, *call) for number, call in enumerate(calls)]
    choice = {"index": 0, "message": message, "finish_reason": reason}
    return Status(200, {"id": "1", "object": "chat.completion", "model": "huozi", "choices": [choice], "usage": USAGE})


def streamed_call(number: int, name: str, pieces: Sequence[str]) -> list[Raw]:
    """A tool call in pieces, as vLLM streams it."""
    first = _delta({"tool_calls": [{"index": number, **_call(number, name, "")}]})
    more = [_delta({"tool_calls": [{"index": number, "function": {"arguments": piece}}]}) for piece in pieces]
    return [first, *more]


def _call(number: int, name: str, arguments: str) -> dict[str, Any]:
    return {"id": f"call-{number}", "type": "function", "function": {"name": name, "arguments": arguments}}


def _delta(delta: dict[str, Any]) -> Raw:
    chunk = {"id": "1", "model": "huozi", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    return Raw(f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n".encode())
