"""What a chat template adds to each turn, told from a trial conversation's tokens (pure)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assistant.events import Role, Turn

CONTENT = "甲"
"""What every turn of the trial says."""

TRIAL: tuple[Turn, ...] = (
    Turn("system", CONTENT),
    Turn("user", CONTENT),
    Turn("assistant", CONTENT),
    Turn("user", CONTENT),
)

# A control token in angle brackets, but not a byte such as <0x0A>.
_CONTROL = re.compile(r"<(?!0x[0-9A-F]{2}>)[^\s<>]+>\Z")


@dataclass(frozen=True, slots=True)
class Trial:
    """The trial conversation, rendered and cut into tokens.

    Args:
        ids: Its tokens, with the opening of the answer.
        strings: The same as they stand in the vocabulary.
        window: The server's window in tokens, where it tells.
    """

    ids: tuple[int, ...]
    strings: tuple[str, ...]
    window: int | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """What a template writes around turns.

    Args:
        end: The control token that ends a turn, and so cuts texts apart without changing their tokens.
        end_id: Its id.
        turns: Tokens of a turn of each role that says `CONTENT`.
        opening: Tokens that open the answer.
    """

    end: str
    end_id: int
    turns: Mapping[Role, int]
    opening: int


def frame_of(trial: Trial, control_tokens: Sequence[str]) -> Frame | None:
    """Return the frame, or None where no control token ends each turn, so that turns cannot be told apart.

    Args:
        trial: The conversation.
        control_tokens: The profile's; an unknown model's are found by their shape.
    """
    end = _end_of_turn(trial, control_tokens)
    if end is None:
        return None
    end_id = trial.ids[trial.strings.index(end)]
    lengths = [len(part) for part in cut_at(trial.ids, end_id)]
    system, user, assistant, again = (length + 1 for length in lengths[:-1])
    return Frame(end, end_id, {"system": system, "user": max(user, again), "assistant": assistant}, lengths[-1])


def cut_at(ids: Sequence[int], separator: int) -> list[Sequence[int]]:
    """Return the runs between the separators."""
    ids, parts, start = list(ids), [], 0
    for _ in range(ids.count(separator)):
        end = ids.index(separator, start)
        parts.append(ids[start:end])
        start = end + 1
    return [*parts, ids[start:]]


def _end_of_turn(trial: Trial, control_tokens: Sequence[str]) -> str | None:
    """Return the control token that stands once in every turn, the last such."""
    counted = {string: trial.strings.count(string) for string in set(trial.strings)}
    once = [string for string, n in counted.items() if n == len(TRIAL)]
    known = [string for string in once if string in control_tokens] or [s for s in once if _CONTROL.match(s)]
    # Of two the one that comes later: the other begins the turn.
    return max(known, key=lambda string: _last(trial.strings, string), default=None)


def _last(strings: Sequence[str], string: str) -> int:
    return len(strings) - 1 - tuple(reversed(strings)).index(string)
