"""A prompt before anything is left out, and the texts that its tokens are counted by (pure).

Retrieved text is data: it is numbered, stands between delimiters, and cannot forge a turn, because every control token
in it is broken apart. The order keeps what was sent before unchanged, so that a server's prefix cache serves it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import prompts
from assistant.control_tokens import neutralise
from assistant.events import Turn
from assistant.sources.render import as_data, source_text
from assistant.sources.source import Source
from assistant.window.shorten import Unit, units

BETWEEN = "\n\n"
"""Stands between two sources."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A prompt with all that one would like to send.

    Args:
        system: Ours, then the caller's own.
        turns: The conversation, oldest first.
        question: As it is sent.
        sources: In the order in which they are sent.
        source_texts: What each takes in the prompt, see `texts_of`.
        n_before: Turns of the conversation that are too old for it.
    """

    system: Turn
    turns: tuple[Turn, ...]
    question: str
    sources: tuple[Source, ...]
    source_texts: tuple[tuple[str, str], ...]
    n_before: int = 0

    def messages(self, n_turns: int, sources: Sequence[Source]) -> tuple[Turn, ...]:
        """Return what is sent with the newest turns and some of the sources, which may be shortened."""
        newest = self.turns[len(self.turns) - n_turns :]
        known = {id(source): "".join(texts) for source, texts in zip(self.sources, self.source_texts, strict=True)}
        texts = [known.get(id(source)) or "".join(texts_of(source)) for source in sources]
        return (self.system, *newest, Turn("user", last_turn(self.question, texts)))

    def only(self, turns: tuple[Turn, ...], sources: Sequence[int]) -> Draft:
        """Return the draft with some of the turns, and the sources at these places."""
        texts = tuple(self.source_texts[at] for at in sources)
        return replace(self, turns=turns, sources=tuple(self.sources[at] for at in sources), source_texts=texts)


def draft(question: str, history: Sequence[Turn], sources: Sequence[Source], system: str | None) -> Draft:
    """Return the prompt before anything is left out.

    Args:
        question: As asked.
        history: Earlier turns, oldest first; system turns among them join the system turn, in their order.
        sources: In the order in which they are sent.
        system: A caller's own system message; it comes last.
    """
    extra = [turn.text for turn in history if turn.role == "system"] + ([system] if system else [])
    return Draft(
        Turn("system", "\n\n".join([prompts.load("answer").fill(), *map(_clean, extra)])),
        tuple(Turn(turn.role, _clean(turn.text)) for turn in history if turn.role != "system"),
        _clean(question),
        tuple(sources),
        tuple(map(texts_of, sources)),
    )


def last_turn(question: str, source_texts: Sequence[str]) -> str:
    """Return the text of the turn with sources and question."""
    return prompts.load("sources").fill(sources="".join(source_texts).removeprefix(BETWEEN), question=question)


def texts_of(source: Source) -> tuple[str, str]:
    """Return what a source takes in the prompt: its first lines with what stands between sources, and its text."""
    whole = BETWEEN + _whole(source_text(source))
    if source.omitted:
        return whole, ""
    lines = whole.split("\n", len(BETWEEN) + (2 if source.table_header else 1))
    return whole[: len(whole) - len(lines[-1])], lines[-1]


def unit_texts(source: Source, text: str, most_chars: int) -> tuple[tuple[Unit, ...], list[str], int]:
    """Return a source's units, the text of each, and how many dots only the whole text has.

    A delimiter or marker over two units is seen in the whole text alone. There are no units without a text.
    """
    if not text:
        return (), [], 0
    held = units(source.text, most_chars)
    if source.text.strip() == text:  # nothing in it to neutralise, as in nearly all
        return held, [source.text[unit.start : unit.end] for unit in held], 0
    shown = [_whole(as_data(source.text[unit.start : unit.end])) for unit in held]
    return held, shown, max(0, len(text) - len("".join(shown).strip()))


def _clean(text: str) -> str:
    return neutralise(_whole(text))


def _whole(text: str) -> str:
    """Return the text without lone surrogates, which cannot be sent."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
