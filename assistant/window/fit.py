"""A draft and what its parts cost -> what is sent (pure).

What gives way, in this order: the sources of least value for their tokens, down to one; the oldest turns; the middle of
the source that is left. Room that is free then is filled with the most valuable source that went, without its middle;
in a window so small that only one finds room, this one gives up a sentence where that lets another in. Never the
question or the system turn.
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
from assistant.window.shorten import Unit, extend, shorten

MIN_STEPS = 4
"""Where sources can fill the room, turns go in steps of at most a fourth of those that fit: each time that the oldest
goes, the server reads the conversation anew."""

SPARE = 0.01
"""Of the budget, that may stay empty for the sake of whole sentences."""


MOST_EMPTY = 2
"""Times as much empty: another choice of sources is looked for."""

LEAST_PART = 32
"""Tokens of text for whose sake the most valuable source is shortened where the room would stay empty otherwise."""

MOST_GIVEN = 0.25
"""Of the most valuable source, that it may give up for that."""

_TRIED = 8
_Kept = tuple[Source, int]


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
    regained: int = 0,
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
        regained: By so much the costs were too high for the same reserve: as much more is shown of sources that are
            shortened, and nothing else changes.
        gone: Sources that were left out before they were counted.
        n_gone_turns: Turns that were, too.

    Raises:
        PromptTooLongError: If question and system turn alone do not fit.
    """
    budget = window_tokens - answer_tokens
    room = budget - costs.system - costs.question
    if room < 0:
        raise prompt_too_long(costs.question, costs.system, answer_tokens, window_tokens)
    room = max(0, room - reserve)
    n_turns = _turns_kept(draft, costs, room, n_gone_turns)
    history = sum(costs.turns[len(costs.turns) - n_turns :])
    shown = _sources_kept(draft.sources, costs, room - history, spare=max(1, int(budget * SPARE)))
    shown = _extended(draft.sources, costs, shown, regained) if regained else shown
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


def _sources_kept(sources: Sequence[Source], costs: Costs, room: int, *, spare: int) -> list[_Kept]:
    """Return the sources that stay, some shortened, and what each takes."""
    totals = [cost.total for cost in costs.sources]
    kept = {at: (sources[at], totals[at]) for at in choose(sources, totals, room)}
    left = room - sum(cost for _, cost in kept.values())
    gone = sorted(set(range(len(sources))) - kept.keys(), key=lambda at: (-sources[at].value, at))
    for at in gone:
        if left <= spare:
            break
        if part := _part(sources, costs, at, left, spare):
            kept[at] = part
            left -= part[1]
    if left > MOST_EMPTY * spare:
        others = [at for at in gone if at not in kept][:_TRIED]
        kept = (
            _swapped(sources, costs, kept, others, left, spare)
            or _shared(sources, costs, kept, others, left, spare)
            or kept
        )
    return [kept[at] for at in sorted(kept)]


def _part(sources: Sequence[Source], costs: Costs, at: int, room: int, spare: int) -> _Kept | None:
    """Return a source without its middle, or None if nothing useful of it fits."""
    cost = costs.sources[at]
    cut = shorten(sources[at], cost.units, cost.unit_tokens, room - cost.head, mark=costs.mark, spare=spare)
    return (cut[0], cost.head + cut[1]) if cut else None


def _swapped(
    sources: Sequence[Source], costs: Costs, kept: dict[int, _Kept], gone: Sequence[int], left: int, spare: int
) -> dict[int, _Kept] | None:
    """Return the same with one source less and a part of another, larger one, by which least worth is lost."""
    best = max(kept, key=lambda at: (sources[at].value, -at), default=None)
    found: list[tuple[float, int, int, _Kept]] = []
    for out in sorted(kept.keys() - {best}, key=lambda at: (sources[at].value, at))[:_TRIED]:
        for at in gone:
            room = left + kept[out][1]
            part = _part(sources, costs, at, room, spare)
            if part is not None and room - part[1] <= MOST_EMPTY * spare:
                won = sources[at].value * part[1] / costs.sources[at].total
                found.append((won - sources[out].value, -out, at, part))
    if not found:
        return None
    _, out, at, part = max(found, key=lambda one: one[:3])
    return {number: one for number, one in kept.items() if number != -out} | {at: part}


def _shared(
    sources: Sequence[Source], costs: Costs, kept: dict[int, _Kept], gone: Sequence[int], left: int, spare: int
) -> dict[int, _Kept] | None:
    """Return the same with a little less of the most valuable source, and a part of another in what that leaves."""
    best = max(kept, key=lambda at: (sources[at].value, -at), default=None)
    if best is None:
        return None
    room = kept[best][1] + left
    for at in gone:
        cost = costs.sources[at]
        wanted = min(cost.total, cost.head + 3 * costs.mark + LEAST_PART)
        first = _part(sources, costs, best, room - wanted, spare)
        if first is None or first[1] < (1 - MOST_GIVEN) * kept[best][1]:
            continue
        rest = room - first[1]
        second = (sources[at], cost.total) if cost.total <= rest else _part(sources, costs, at, rest, spare)
        if second is not None and rest - second[1] <= MOST_EMPTY * spare:
            return kept | {best: first, at: second}
    return None


def _extended(sources: Sequence[Source], costs: Costs, shown: list[_Kept], room: int) -> list[_Kept]:
    """Return the same with more of what was shortened."""
    by_number = {source.number: cost for source, cost in zip(sources, costs.sources, strict=True)}
    found: list[_Kept] = []
    for source, tokens in shown:
        cost = by_number[source.number]
        longer, used = extend(source, cost.units, cost.unit_tokens, room, mark=costs.mark)
        room -= used
        found.append((longer, tokens + used) if used else (source, tokens))
    return found


def _dropped(source: Source, tokens: int) -> DroppedSource:
    return DroppedSource(source.number, tuple(scored.chunk.chunk_id for scored in source.chunks), tokens)


def _shortened(draft: Draft, costs: Costs, source: Source, tokens: int) -> ShortenedSource:
    whole = next(cost for one, cost in zip(draft.sources, costs.sources, strict=True) if one.number == source.number)
    chunk_ids = tuple(scored.chunk.chunk_id for scored in source.chunks)
    return ShortenedSource(source.number, chunk_ids, tokens, max(0, whole.total - tokens), source.omitted)
