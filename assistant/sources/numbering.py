"""The numbers of sources, the same throughout a conversation.

A conversation comes from its client as plain text, so what `[2]` stood for is looked up by the answer's own words: the
numbers of the last answers are kept in memory, for as many answers as there is room. Where an answer is not known (the
service was started again, another one wrote it, the client changed it), its markers would point at other sources than
they did; they are taken out of the text that a model is sent.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from hashlib import sha256
from threading import Lock

from assistant.events import AnswerEvent, DoneEvent, SourcesEvent, Turn
from assistant.sources.source import Source
from retrieval.models import ScoredChunk

MAX_NUMBER = 999
"""Markers have three digits at most; a conversation that needs more sources begins to use free numbers again."""

MAX_ANSWERS = 1_000
"""Answers remembered; each takes some ten kilobytes at most."""

MAX_CARRIED = 200
"""Older numbers kept with each answer, for clients that send only the end of a conversation."""

_NUMBERS = r"(?:资料|来源)?\s*[1-9]\d{0,2}(?:\s*[,，、]\s*(?:资料|来源)?\s*[1-9]\d{0,2})*\s*"
_MARKER = re.compile(rf"[\[【［]\s*({_NUMBERS})[\]】］]")


@dataclass(frozen=True, slots=True)
class Conversation:
    """What a conversation's numbers stand for.

    Args:
        collection: The collection that it asks.
        history: Its turns, without markers that nobody can tell the meaning of.
        numbers: Chunk id -> number.
    """

    collection: str
    history: tuple[Turn, ...] = ()
    numbers: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Remembered:
    """The numbers of one answer's own sources, and those of answers before it."""

    own: Mapping[str, int]
    carried: Mapping[str, int]


class Numbering:
    """Remembers which numbers the sources of the last answers had. Safe to share between threads.

    Args:
        max_answers: Answers to remember; the one not asked for longest is forgotten first.
    """

    def __init__(self, max_answers: int = MAX_ANSWERS) -> None:
        self._max_answers = max_answers
        self._answers: OrderedDict[bytes, _Remembered] = OrderedDict()
        self._lock = Lock()

    def recall(self, collection: str, history: Sequence[Turn]) -> Conversation:
        """Return what is known of a conversation.

        Args:
            collection: The same numbers mean something else in another.
            history: Its turns as the client sent them, oldest first.
        """
        turns: list[Turn] = []
        known: list[_Remembered] = []
        for turn in history:
            remembered = self._find(collection, turn.text) if turn.role == "assistant" else None
            if remembered is not None:
                known.append(remembered)
            kept = set(remembered.own.values()) if remembered is not None else set()
            turns.append(turn if turn.role != "assistant" else replace(turn, text=_without_unknown(turn.text, kept)))
        numbers: dict[str, int] = {}
        # An answer's own numbers are certain. Those it carried are of a conversation with the same words, which may be
        # another one: they only fill in what a shortened history lacks.
        for mapping in [*(one.own for one in known), *(one.carried for one in reversed(known))]:
            for chunk_id, number in mapping.items():
                numbers.setdefault(chunk_id, number)
        return Conversation(collection, tuple(turns), numbers)

    async def watch(
        self, events: AsyncGenerator[AnswerEvent, None], conversation: Conversation
    ) -> AsyncGenerator[AnswerEvent, None]:
        """Pass an answer's events on, and remember its numbers when it is done."""
        sources: Sequence[Source] = ()
        async with aclosing(events):
            async for event in events:
                if isinstance(event, SourcesEvent):
                    sources = event.sources
                elif isinstance(event, DoneEvent):
                    self.remember(conversation, event.answer.text, sources)
                yield event

    def remember(self, conversation: Conversation, text: str, sources: Sequence[Source]) -> None:
        """Keep the numbers of an answer's sources.

        Args:
            conversation: Where it was given.
            text: The answer, as its client will send it back.
            sources: What its numbers stand for.
        """
        own = {scored.chunk.chunk_id: source.number for source in sources for scored in source.chunks}
        carried = {key: number for key, number in conversation.numbers.items() if key not in own}
        newest = dict(list(carried.items())[-MAX_CARRIED:])
        key = _key(conversation.collection, text)
        with self._lock:
            self._answers[key] = _Remembered(own, newest)
            self._answers.move_to_end(key)
            while len(self._answers) > self._max_answers:
                self._answers.popitem(last=False)

    def _find(self, collection: str, text: str) -> _Remembered | None:
        key = _key(collection, text)
        with self._lock:
            remembered = self._answers.get(key)
            if remembered is not None:
                self._answers.move_to_end(key)
        return remembered


def assign(runs: Sequence[Sequence[ScoredChunk]], numbers: Mapping[str, int]) -> list[int]:
    """Return a number for each source: the one a chunk of it had, else the next that is free.

    Args:
        runs: The chunks of each source, in the order of the prompt.
        numbers: By chunk id, those of the conversation. Where two sources have the same, the better one keeps it.

    Returns:
        Different numbers from 1 to MAX_NUMBER.
    """
    given: dict[int, int] = {}
    by_score = sorted(range(len(runs)), key=lambda at: -max(scored.score for scored in runs[at]))
    for at in by_score:
        best_first = sorted(runs[at], key=lambda scored: -scored.score)
        had = (numbers.get(scored.chunk.chunk_id) for scored in best_first)
        number = next((one for one in had if one is not None and one not in given.values()), None)
        if number is not None:
            given[at] = number
    following = max(numbers.values(), default=0) + 1
    for at in range(len(runs)):
        if at in given:
            continue
        if following > MAX_NUMBER:
            given[at] = next(one for one in range(1, MAX_NUMBER + 1) if one not in given.values())
        else:
            given[at], following = following, following + 1
    return [given[at] for at in range(len(runs))]


def _without_unknown(text: str, known: set[int]) -> str:
    """Return the text with markers of known numbers only."""

    def kept(match: re.Match[str]) -> str:
        numbers = [int(digits) for digits in re.findall(r"\d+", match[1])]
        if all(number in known for number in numbers):
            return match[0]
        return "".join(f"[{number}]" for number in numbers if number in known)

    return _MARKER.sub(kept, text)


def _key(collection: str, text: str) -> bytes:
    """Return the key of an answer; clients trim and wrap, so white space does not count, nor what has no UTF-8."""
    words = "".join(text.split()).encode("utf-8", "replace")
    return sha256(collection.encode("utf-8", "replace") + b"\0" + words).digest()
