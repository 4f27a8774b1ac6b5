"""Exact token counts from the model server's own tokenizer: `POST /tokenize`, as vLLM has it. Nothing is downloaded.

huozi's template writes each turn between control tokens, so a turn's tokens do not depend on its neighbours, and each
turn needs to be counted once. Other templates may differ, so a trial conversation is counted both ways first.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from threading import Lock
from typing import Any

Json = dict[str, Any]
Post = Callable[[Json], Mapping[str, Any]]

_MAX_CACHED = 4_096
_TRIAL: tuple[Json, ...] = (
    {"role": "system", "content": "你是助手。"},
    {"role": "user", "content": " 年假几天？\n"},
    {"role": "assistant", "content": "5天"},
    {"role": "user", "content": "\n谢谢"},
)
_SYSTEM_ROLES = ("system", "developer")


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a prompt that is counted alone.

    Args:
        messages: OpenAI messages that the template writes together.
        tools: Tool definitions that it writes with them.
    """

    messages: tuple[Json, ...]
    tools: tuple[Any, ...] = ()


@dataclass
class TokenCounter:
    """Counts by asking; remembers the parts.

    Args:
        post: Sends a body to `/tokenize` and returns the reply.
        model: The served model's name.

    Attributes:
        window: The server's window, in tokens; None before the first count.
    """

    post: Post
    model: str
    window: int | None = None
    _counts: OrderedDict[str, int] = field(default_factory=OrderedDict)
    _adds_up: bool | None = None
    _lock: Lock = field(default_factory=Lock)

    def ids(self, text: str) -> list[int]:
        """Return the tokens of a plain text, without a template."""
        reply = self.post({"model": self.model, "prompt": text, "add_special_tokens": False})
        return list(reply["tokens"])

    def count(self, messages: Sequence[Json], tools: Sequence[Any] = ()) -> int:
        """Return the tokens of a whole prompt: tools, all turns, and the beginning of the answer."""
        if self._adds_up is None:
            self._adds_up = self._sum(_TRIAL, ()) == self._asked(_TRIAL, (), opened=True)
        if not self._adds_up:
            return self._cached(messages, tools, opened=True)
        return self._sum(messages, tools)

    def whole(self, messages: Sequence[Json], tools: Sequence[Any] = ()) -> int:
        """Return the same by one request, whatever is remembered of the parts."""
        return self._cached(messages, tools, opened=True)

    def by_part(self, messages: Sequence[Json], tools: Sequence[Any] = ()) -> list[tuple[Part, int]]:
        """Return the tokens of each part of a prompt."""
        return [(part, self._cached(part.messages, part.tools)) for part in parts(messages, tools)]

    def _sum(self, messages: Sequence[Json], tools: Sequence[Any]) -> int:
        opening = self._cached(_TRIAL[1:2], (), opened=True) - self._cached(_TRIAL[1:2], ())
        return sum(count for _, count in self.by_part(messages, tools)) + opening

    def _cached(self, messages: Sequence[Json], tools: Sequence[Any], *, opened: bool = False) -> int:
        key = json.dumps([list(messages), list(tools), opened], ensure_ascii=False, sort_keys=True)
        with self._lock:
            if key in self._counts:
                self._counts.move_to_end(key)
                return self._counts[key]
        count = self._asked(messages, tools, opened=opened)
        with self._lock:
            self._counts[key] = count
            while len(self._counts) > _MAX_CACHED:
                self._counts.popitem(last=False)
        return count

    def _asked(self, messages: Sequence[Json], tools: Sequence[Any], *, opened: bool) -> int:
        body: Json = {"model": self.model, "messages": list(messages), "add_generation_prompt": opened}
        if tools:
            body["tools"] = list(tools)
        reply = self.post(body)
        self.window = reply.get("max_model_len") or self.window
        return int(reply["count"])


def parts(messages: Sequence[Json], tools: Sequence[Any] = ()) -> list[Part]:
    """Cut a conversation where the template begins a turn (pure).

    System messages and tools are one turn, wherever they stand; so are tool results that follow one another.
    """
    system = tuple(message for message in messages if message["role"] in _SYSTEM_ROLES)
    spoken = [message for message in messages if message["role"] not in _SYSTEM_ROLES]
    head = [Part(system or ({"role": "system", "content": ""},), tuple(tools))] if system or tools else []
    turns: list[Part] = []
    for is_result, run in groupby(spoken, key=lambda message: message["role"] in ("tool", "function")):
        together = tuple(run)
        turns += [Part(together)] if is_result else [Part((message,)) for message in together]
    return [*head, *turns]
