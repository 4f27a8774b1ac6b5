"""Ollama's API as far as a client of its OpenAI form sees it: `/api/version`, `/v1/models`, `/v1/chat/completions`.

Where it differs from vLLM: `object` and `system_fingerprint` of its own (`fp_ollama`), ids `chatcmpl-NNN`, tool calls
whole in one delta with an `index`, a last delta with empty content and the finish reason, usage in a chunk of its own
with `choices: []`, no `/tokenize`, unknown fields (`stop_token_ids`) ignored, errors as `{"error": {"message", ...}}`.

Source: Ollama's documentation of OpenAI compatibility.
"""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.loopback import JsonHandler, LoopbackServer

ANSWER = ("年假", "为 5 天", "[1]。")


class OllamaServer(LoopbackServer):
    """An Ollama on a free loopback port that knows the model `huozi`; every answer is `ANSWER`.

    Attributes:
        requests: Bodies of chat completions.
    """

    def __init__(self) -> None:
        super().__init__(_handler_of(self))
        self.requests: list[dict[str, Any]] = []


def _handler_of(fake: OllamaServer) -> type[BaseHTTPRequestHandler]:
    class Handler(JsonHandler):
        def do_GET(self) -> None:
            models = {"object": "list", "data": [{"id": "huozi:latest", "object": "model", "owned_by": "library"}]}
            found = {"/api/version": {"version": "0.12.0"}, "/v1/models": models}.get(self.path)
            self.reply(200 if found else 404, found or {"error": "not found"})

        def do_POST(self) -> None:
            body = self.read_json()
            if self.path != "/v1/chat/completions":
                # Plain text, as Go's router answers.
                self.reply_bytes(404, b"404 page not found", "text/plain")
            elif body["model"].removesuffix(":latest") != "huozi":
                message = f'model "{body["model"]}" not found, try pulling it first'
                error = {"message": message, "type": "api_error", "param": None, "code": None}
                self.reply(404, {"error": error})
            else:
                fake.requests.append(body)
                self._stream(body) if body.get("stream") else self._whole()

        def _whole(self) -> None:
            message = {"role": "assistant", "content": "".join(ANSWER)}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            self.reply(200, {**_envelope("chat.completion"), "choices": [choice], "usage": _USAGE})

        def _stream(self, body: dict[str, Any]) -> None:
            chunks = [_chunk({"role": "assistant", "content": text}) for text in ANSWER]
            chunks.append(_chunk({"role": "assistant", "content": ""}, "stop"))
            if (body.get("stream_options") or {}).get("include_usage"):
                chunks.append({**_envelope("chat.completion.chunk"), "choices": [], "usage": _USAGE})
            events = [f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n" for chunk in chunks]
            self.reply_bytes(200, ("".join(events) + "data: [DONE]\n\n").encode(), "text/event-stream")

    return Handler


_USAGE = {"prompt_tokens": 26, "completion_tokens": 8, "total_tokens": 34}


def _envelope(kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-552", "object": kind, "created": 1, "model": "huozi", "system_fingerprint": "fp_ollama"}


def _chunk(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {**_envelope("chat.completion.chunk"), "choices": [choice]}
