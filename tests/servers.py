"""A scripted OpenAI-compatible model server: a real socket on a free loopback port, no model.

    with FakeModelServer(["年假为5天。", "[1]"]) as server:
        settings = LlmSettings(base_url=server.base_url)
        ...
        server.requests[0]["messages"]

What it does is told by `script`: strings are streamed as deltas, and the marks below act between them.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.loopback import JsonHandler, LoopbackServer


@dataclass(frozen=True)
class Wait:
    """Stay silent for so long, in seconds; ends early when the server is closed."""

    seconds: float


@dataclass(frozen=True)
class Raw:
    """Send these bytes as they are."""

    data: bytes


class Die:
    """Cut the connection without ending the stream."""


class EndWithoutFinish:
    """End the stream politely, but without a finish reason."""


@dataclass(frozen=True)
class Status:
    """Answer with this status and body instead of a stream; must stand first."""

    code: int
    body: dict[str, Any] = field(default_factory=dict)


Step = str | Wait | Raw | Die | EndWithoutFinish | Status


class FakeModelServer(LoopbackServer):
    """An OpenAI-compatible server that follows a script for every request.

    Args:
        script: What each chat completion does.
        model: Name in `/v1/models` and in replies.
        role: Role of the first delta.
        finish_reason: Reason at the end of the stream.

    Attributes:
        requests: Bodies of all chat completions received, in order.
        headers: Their headers.
        asked: Set when the first of them came.
        closed_by_client: Set when a client closed its stream before the end.
    """

    def __init__(
        self,
        script: Sequence[Step] = ("好的。",),
        *,
        model: str = "huozi",
        role: str = "assistant",
        finish_reason: str = "stop",
    ) -> None:
        super().__init__(_handler_of(self))
        self.script = tuple(script)
        self.model = model
        self.role = role
        self.finish_reason = finish_reason
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.asked = threading.Event()
        self.closed_by_client = threading.Event()

    def usage(self) -> dict[str, int]:
        """The counts that every reply carries: one token a character."""
        prompt = sum(len(str(message.get("content", ""))) for message in self.requests[-1]["messages"])
        completion = sum(len(step) for step in self.script if isinstance(step, str))
        return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def free_url() -> str:
    """Return a loopback URL at which nobody answers."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        return f"http://127.0.0.1:{server.server_address[1]}/v1"


def _handler_of(fake: FakeModelServer) -> type[BaseHTTPRequestHandler]:
    class Handler(JsonHandler):
        def do_GET(self) -> None:
            found = {"/v1/models": {"object": "list", "data": [{"id": fake.model, "object": "model"}]}, "/health": {}}
            body = found.get(self.path)
            self.reply(200 if body is not None else 404, body or {})

        def do_POST(self) -> None:
            body = self.read_json()
            if self.path != "/v1/chat/completions":
                self.reply(404, {"error": {"message": f"no route {self.path}", "type": "not_found"}})
                return
            fake.requests.append(body)
            fake.headers.append(dict(self.headers))
            fake.asked.set()
            first = fake.script[0] if fake.script else ""
            if isinstance(first, Status):
                self.reply(first.code, first.body)
            elif body.get("stream"):
                self._stream(body)
            else:
                self._whole()

        def _whole(self) -> None:
            text = "".join(step for step in fake.script if isinstance(step, str))
            message = {"role": fake.role, "content": text}
            choice = {"index": 0, "message": message, "finish_reason": fake.finish_reason}
            self.reply(200, {**_envelope(fake.model, "chat.completion"), "choices": [choice], "usage": fake.usage()})

        def _stream(self, body: dict[str, Any]) -> None:
            self.begin_stream()
            try:
                if self._play():
                    self._finish(bool((body.get("stream_options") or {}).get("include_usage")))
            except OSError:
                fake.closed_by_client.set()
                self.close_connection = True

        def _play(self) -> bool:
            """Follow the script; whether the stream shall end in the normal way."""
            self._delta({"role": fake.role, "content": ""})
            for step in fake.script:
                if isinstance(step, str):
                    self._delta({"content": step})
                elif isinstance(step, Raw):
                    self.chunk(step.data)
                elif isinstance(step, Wait):
                    self.stay_silent(step.seconds, fake.stopping)
                elif isinstance(step, EndWithoutFinish):
                    self.chunk(b"")
                    return False
                elif isinstance(step, Die):
                    self.close_connection = True
                    self.connection.close()
                    return False
            return True

        def _finish(self, with_usage: bool) -> None:
            self._delta({}, fake.finish_reason)
            if with_usage:
                self.event({**_envelope(fake.model), "choices": [], "usage": fake.usage()})
            self.end_stream()

        def _delta(self, delta: dict[str, Any], finish_reason: str | None = None) -> None:
            choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
            self.event({**_envelope(fake.model), "choices": [choice]})

    return Handler


def _envelope(model: str, kind: str = "chat.completion.chunk") -> dict[str, Any]:
    return {"id": "chatcmpl-fake", "object": kind, "created": 1, "model": model}
