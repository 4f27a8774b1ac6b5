"""Which turns of a long conversation are thought of at all (pure)."""

from __future__ import annotations

from collections.abc import Sequence

from assistant.events import Turn


def newest_turns(history: Sequence[Turn], most: int) -> tuple[Turn, ...]:
    """Return the newest turns, and all system turns, wherever they stand.

    Beyond `most`, half of them go at once. Were it always the oldest one alone, the beginning of the prompt would be
    another with every question, and a server's prefix cache of no use.

    Args:
        history: Oldest first.
        most: Most turns of users and assistants to return.
    """
    n_spoken = sum(turn.role != "system" for turn in history)
    n_over = n_spoken - most
    if n_over <= 0:
        return tuple(history)
    # Even, so that a question goes with its answer.
    step = max(2, most // 4 * 2) if most > 1 else 1
    n_gone = -(-n_over // step) * step
    newest, seen = [], 0
    for turn in history:
        seen += turn.role != "system"
        if turn.role == "system" or seen > n_gone:
            newest.append(turn)
    return tuple(newest)
