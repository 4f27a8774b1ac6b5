"""What goes into the model's window: system turn, history, then sources and question (pure).

Retrieved text is data: it is numbered, stands between delimiters, and cannot forge a turn, because every control token
in it is broken apart. The order keeps what was sent before unchanged, so that a server's prefix cache serves it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import prompts
from assistant.control_tokens import neutralise
from assistant.errors import prompt_too_long
from assistant.events import Turn
from assistant.sources.render import source_text
from assistant.sources.source import Source
from assistant.window.cut import Cut

TURN_TOKENS = 8
"""Upper bound of what the template adds around one turn: two control tokens, the role, line ends."""


@dataclass(frozen=True, slots=True)
class ContextWindow:
    """What is sent to the model.

    Args:
        messages: System turn, history, last user turn.
        sources: What `[n]` in the answer may stand for.
        dropped_sources: Sources that found no room.
        dropped_turns: Turns of the history that found no room.
        cut: What was left out, and what the tokens go to.
    """

    messages: tuple[Turn, ...]
    sources: tuple[Source, ...]
    dropped_sources: int = 0
    dropped_turns: int = 0
    cut: Cut = field(default_factory=Cut)


def token_bound(text: str) -> int:
    """Return an upper bound of the text's tokens.

    A Chinese character of the vocabulary is at most one token, and so is an ASCII character; whatever else may fall
    apart into its UTF-8 bytes.
    """
    return sum(
        1 if char < "\x80" or "\u4e00" <= char <= "\u9fff" else len(char.encode("utf-8", "replace")) for char in text
    )


def pack(
    question: str,
    history: Sequence[Turn],
    sources: Sequence[Source],
    *,
    window_tokens: int,
    answer_tokens: int,
    system: str | None = None,
) -> ContextWindow:
    """Fit everything into the window.

    Over budget, the sources of least value go first, down to one; then the oldest turns; then the last source; never
    the question.

    Args:
        question: As asked.
        history: Earlier turns, oldest first; system turns among them join the system turn.
        sources: Best first.
        window_tokens: The model's window, in tokens.
        answer_tokens: Kept free for the answer.
        system: A caller's own system message; it follows ours.

    Raises:
        PromptTooLongError: If question and system turn alone do not fit.
    """
    first = _system_turn(system, history)
    spoken = [Turn(turn.role, neutralise(turn.text)) for turn in history if turn.role != "system"]
    budget = window_tokens - answer_tokens - _cost(first) - _cost(_last_turn(question, ()))
    if budget < 0:
        raise prompt_too_long(len(question), window_tokens)
    turn_costs = [_cost(turn) for turn in spoken]
    source_costs = [token_bound(source_text(source)) + 2 for source in sources]
    n_turns, n_sources = _cut(budget, turn_costs, source_costs)
    kept = tuple(sources[:n_sources])
    return ContextWindow(
        messages=(first, *spoken[len(spoken) - n_turns :], _last_turn(question, kept)),
        sources=kept,
        dropped_sources=len(sources) - n_sources,
        dropped_turns=len(spoken) - n_turns,
    )


def _cut(budget: int, turn_costs: Sequence[int], source_costs: Sequence[int]) -> tuple[int, int]:
    """Return how many turns (newest) and sources (best) fit."""
    n_turns, n_sources = len(turn_costs), len(source_costs)

    def spent() -> int:
        return sum(turn_costs[len(turn_costs) - n_turns :]) + sum(source_costs[:n_sources])

    while n_sources > 1 and spent() > budget:
        n_sources -= 1
    while n_turns and spent() > budget:
        n_turns -= 1
    while n_sources and spent() > budget:
        n_sources -= 1
    return n_turns, n_sources


def _system_turn(system: str | None, history: Sequence[Turn]) -> Turn:
    extra = [turn.text for turn in history if turn.role == "system"] + ([system] if system else [])
    return Turn("system", "\n\n".join([prompts.load("answer").fill(), *(neutralise(text) for text in extra)]))


def _last_turn(question: str, sources: Sequence[Source]) -> Turn:
    listed = "\n\n".join(map(source_text, sources))
    return Turn("user", prompts.load("sources").fill(sources=listed, question=neutralise(question)))


def _cost(turn: Turn) -> int:
    return token_bound(turn.text) + TURN_TOKENS
