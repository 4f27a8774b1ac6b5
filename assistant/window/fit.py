"""A draft and what its parts cost -> what is sent (pure).

What gives way, in this order: the sources of least value for their tokens, down to one; the oldest turns; the middle of
the source that is left. Room that is free then is filled with the most valuable source that went, without its middle.
Never the question or the system turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from assistant.errors import prompt_too_long
from assistant.sources.source import Source
from assistant.sources.value import choose
from assistant.window.context import ContextWindow
from assistant.window.cut import Counted, Cut, DroppedSource, ShortenedSource, TokenShares
from assistant.window.draft import Draft
from assistant.window.shorten import Unit, shorten

MIN_STEPS = 4
"""Where sources can fill the room, turns go in steps of at most a fourth of those that fit: each time that the oldest
goes, the server reads the conversation anew."""

SPARE = 0.01
"""Of the budget, that may stay empty for the sake of whole sentences."""


@dataclass(frozen=True, slots=True)
class SourceCost:
    """Tokens of a source.

    Args:
        head: Its number, title, and what stands between sources.
        text: Its text.
        units: The text in pieces; empty where it can only stay or go.
        unit_tokens: Of each piece.
    """

    head: int
    text: int
    units: tuple[Unit, ...] = ()
    unit_tokens: tuple[int, ...] = ()

    @property
    def total(self) -> int:
        """All of it."""
        return self.head + self.text


@dataclass(frozen=True, slots=True)
class Costs:
    """Tokens of a draft's parts.

    Args:
        system: The system turn.
        turns: Each turn.
        question: The last turn without sources, and the opening of the answer.
        sources: Each source.
        mark: The mark for what is left out of a source.
        counted: Who counted.
        calls: Requests that it took.
    """

    system: int
    turns: tuple[int, ...]
    question: int
    sources: tuple[SourceCost, ...]
    mark: int
    counted: Counted = "bound"
    calls: int = 0

    @property
    def total(self) -> int:
        """The whole prompt, with nothing left out."""
        return self.system + sum(self.turns) + self.question + sum(source.total for source in self.sources)


def fit(
    draft: Draft,
    costs: Costs,
    *,
    window_tokens: int,
    answer_tokens: int,
    reserve: int = 0,
    gone: Sequence[DroppedSource] = (),
    n_gone_turns: int = 0,
) -> ContextWindow:
    """Leave out what does not fit.

    Args:
        draft: All that one would like to send.
        costs: What its parts take.
        window_tokens: The model's window.
        answer_tokens: Kept free for the answer.
        reserve: Kept free for what the costs do not show.
        gone: Sources that were left out before they were counted.
        n_gone_turns: Turns that were, too.

    Raises:
        PromptTooLongError: If question and system turn alone do not fit.
    """
    budget = window_tokens - answer_tokens
    room = budget - costs.system - costs.question - reserve
    if room < 0:
        raise prompt_too_long(costs.question, costs.system, answer_tokens, window_tokens)
    n_turns = _turns_kept(draft, costs, room, n_gone_turns)
    history = sum(costs.turns[len(costs.turns) - n_turns :])
    shown = _sources_kept(draft.sources, costs, room - history, spare=int(budget * SPARE))
    kept = tuple(source for source, _ in shown)
    numbers = {source.number for source in kept}
    return ContextWindow(
        draft.messages(n_turns, kept),
        kept,
        Cut(
            TokenShares(costs.system, history, sum(cost for _, cost in shown), costs.question, budget),
            costs.counted,
            costs.calls,
            (
                *(
                    _dropped(source, cost.total)
                    for source, cost in zip(draft.sources, costs.sources, strict=True)
                    if source.number not in numbers
                ),
                *gone,
            ),
            tuple(_shortened(draft, costs, source, cost) for source, cost in shown if source.omitted),
            draft.n_before + n_gone_turns + len(draft.turns) - n_turns,
        ),
    )


def _turns_kept(draft: Draft, costs: Costs, room: int, n_gone: int) -> int:
    """Return how many of the newest turns stay beside the most valuable source."""
    best = max(range(len(draft.sources)), key=lambda at: (draft.sources[at].value, -at), default=None)
    room -= costs.sources[best].total if best is not None else 0
    # Tokens of the turns up to each, the oldest first.
    ends = [0, *accumulate(costs.turns)]
    least = next((n for n, end in enumerate(ends) if ends[-1] - end <= room), len(costs.turns))
    if not least + n_gone:
        return len(costs.turns)
    stepped = min(len(costs.turns), _stepped(least, draft.n_before + n_gone, len(costs.turns) - least))
    refill = sum(cost.total for at, cost in enumerate(costs.sources) if at != best)
    return len(costs.turns) - (stepped if refill >= room - (ends[-1] - ends[stepped]) else least)


def _stepped(least: int, n_before: int, n_left: int) -> int:
    """Return how many turns go so that the first one left stays the same for some questions to come."""
    step = 2
    while step * 2 <= n_left / MIN_STEPS:
        step *= 2
    return -(-(n_before + least) // step) * step - n_before


def _sources_kept(sources: Sequence[Source], costs: Costs, room: int, *, spare: int) -> list[tuple[Source, int]]:
    """Return the sources that stay, some shortened, and what each takes."""
    totals = [cost.total for cost in costs.sources]
    chosen = {at: (sources[at], totals[at]) for at in choose(sources, totals, room)}
    left = room - sum(cost for _, cost in chosen.values())
    gone = [at for at in range(len(sources)) if at not in chosen]
    for at in sorted(gone, key=lambda at: (-sources[at].value, at)) if left > spare else ():
        cost = costs.sources[at]
        room = left - cost.head
        if cut := shorten(sources[at], cost.units, cost.unit_tokens, room, mark=costs.mark, spare=spare):
            chosen[at] = cut[0], cost.head + cut[1]
            left -= chosen[at][1]
        if left <= spare:
            break
    return [chosen[at] for at in sorted(chosen)]


def _dropped(source: Source, tokens: int) -> DroppedSource:
    return DroppedSource(source.number, tuple(scored.chunk.chunk_id for scored in source.chunks), tokens)


def _shortened(draft: Draft, costs: Costs, source: Source, tokens: int) -> ShortenedSource:
    whole = next(cost for one, cost in zip(draft.sources, costs.sources, strict=True) if one.number == source.number)
    chunk_ids = tuple(scored.chunk.chunk_id for scored in source.chunks)
    return ShortenedSource(source.number, chunk_ids, tokens, max(0, whole.total - tokens), source.omitted)
