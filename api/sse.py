"""Answer events -> OpenAI's chat completion, streamed or whole (pure)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote as percent_encode
from urllib.parse import urlencode

from api.errors import error_body
from api.objects import citation_object, unsupported_objects, usage_object
from assistant.events import Answer, Citation
from retrieval.errors import HuoziError, Language
from retrieval.models import Chunk

DONE = b"data: [DONE]\n\n"

# Legal in JSON strings, and line ends to clients that split text by str.splitlines.
_LINE_ENDS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def to_json(value: Any) -> str:
    """Return compact JSON on one line, whatever a client takes for a line end."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).translate(_LINE_ENDS)


def to_bytes(text: str) -> bytes:
    """Encode as UTF-8; a lone surrogate, which has no UTF-8, becomes `?`."""
    return text.encode("utf-8", "replace")


def encode_event(data: Any) -> bytes:
    """Return one server-sent event."""
    return to_bytes(f"data: {to_json(data)}\n\n")


def decode_events(stream: bytes) -> Iterator[str]:
    """Yield the data of each event, as the WHATWG rules read them; what an interrupted stream left open is dropped."""
    lines: list[str] = []
    text = stream.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    for line in text.split("\n")[:-1]:
        if line.startswith("data:"):
            lines.append(line[5:].removeprefix(" "))
        elif not line and lines:
            yield "\n".join(lines)
            lines = []


def source_url(base_url: str, chunk: Chunk, start: int, end: int) -> str:
    """Return the address of our source page, opened at a quote; the chunk tells it whether the offsets still hold."""
    query = urlencode({"start": start, "end": end, "chunk": chunk.chunk_id})
    return f"{base_url}/documents/{percent_encode(chunk.document_id, safe='')}?{query}"


def citation_json(citation: Citation, base_url: str) -> dict[str, Any]:
    """Return a citation as clients get it."""
    url = source_url(base_url, citation.source.chunk, citation.start, citation.end)
    return citation_object(citation) | {"url": url}


def answer_fields(answer: Answer, base_url: str) -> dict[str, Any]:
    """Return what rides beside `choices`."""
    return {
        "citations": [citation_json(citation, base_url) for citation in answer.citations],
        "refused": answer.refused,
        "mode": answer.mode,
        "unsupported": unsupported_objects(answer),
        "answer_id": answer.answer_id,
    }


@dataclass(frozen=True, slots=True)
class Envelope:
    """What all chunks of one completion share.

    Args:
        completion_id: `chatcmpl-...`.
        created: Seconds since the epoch.
        model: As the caller named it.
        base_url: Scheme and host as the caller used them, for links.
    """

    completion_id: str
    created: int
    model: str
    base_url: str

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.completion_id, "object": kind, "created": self.created, "model": self.model}

    def _chunk(self, delta: dict[str, str], finish_reason: str | None = None, **beside: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return encode_event(self._head("chat.completion.chunk") | {"choices": [choice]} | beside)

    def opening(self) -> bytes:
        """Return the first chunk, which says the role."""
        return self._chunk({"role": "assistant", "content": ""})

    def text(self, text: str) -> bytes:
        """Return a chunk with more text."""
        return self._chunk({"content": text})

    def draft(self, text: str) -> bytes:
        """Return a chunk with words that are not settled; the next chunk with `content` takes the place of them all."""
        return self._chunk({}, draft=text)

    def closing(self, answer: Answer, *, include_usage: bool) -> bytes:
        """Return the last chunks: why it stopped with the citations, the usage if asked for, and the end mark."""
        last = self._chunk({}, answer.finish_reason, **answer_fields(answer, self.base_url))
        usage = b""
        if include_usage:
            head = self._head("chat.completion.chunk")
            usage = encode_event(head | {"choices": [], "usage": usage_object(answer.usage, answer.cut)})
        return last + usage + DONE

    def failure(self, error: HuoziError, language: Language) -> bytes:
        """Return the events of an answer that broke off after its first byte."""
        return encode_event(error_body(error, language)) + DONE

    def whole(self, answer: Answer) -> bytes:
        """Return the completion that is not streamed."""
        message = {"role": "assistant", "content": answer.text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish_reason}
        body = self._head("chat.completion") | {"choices": [choice], "usage": usage_object(answer.usage, answer.cut)}
        return to_bytes(to_json(body | answer_fields(answer, self.base_url)))
