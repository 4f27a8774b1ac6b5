"""A draft -> what its parts cost: the texts to count chosen, so that as a rule one request counts them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from assistant.sources.render import OMISSION
from assistant.sources.source import Source
from assistant.window.cut import DroppedSource
from assistant.window.draft import Draft, last_turn, unit_texts
from assistant.window.fit import MIN_STEPS, Costs, SourceCost
from assistant.window.meter import Meter
from assistant.window.shorten import Unit

_UNIT_CHARS = 16, 60
"""Longest unit of a source that may be shortened, in a small window and in a large one."""
_SMALL = 8_192
"""Tokens of a budget up to which a source in units is counted whole too: units take a little more together, and a
small window would stay emptier by that."""
_DOT_TOKENS = 2
"""Most that a dot takes, by its bytes."""
_SURE = 0.85
"""Of the room: sources that are likely to end before it are counted whole, which is faster than in units."""


@dataclass(frozen=True, slots=True)
class Priced:
    """What can be fitted.

    Args:
        draft: Without what cannot find room anyway.
        costs: Of its parts.
        gone: Sources that cannot.
        n_gone_turns: Turns that cannot.
    """

    draft: Draft
    costs: Costs
    gone: tuple[DroppedSource, ...] = ()
    n_gone_turns: int = 0


@dataclass(frozen=True, slots=True)
class _Shown:
    """A source's texts: its first lines, and its text, whole or in units."""

    source: Source
    head: str
    text: str
    units: tuple[Unit, ...] = ()
    unit_texts: tuple[str, ...] = ()
    n_dots: int = 0
    is_also_whole: bool = False

    @property
    def parts(self) -> tuple[str, ...]:
        """What is counted: its first lines, its text whole where that is wanted, its text in units."""
        if not self.unit_texts:
            return self.head, self.text
        return (self.head, *((self.text,) if self.is_also_whole else ()), *self.unit_texts)


async def price(meter: Meter, wanted: Draft, budget: int, *, in_pieces: bool = False) -> Priced:
    """Have a draft counted.

    Where not all of it is likely to fit, what cannot find room is left out first, and sources are counted in units,
    so that one of them can be shortened.

    Args:
        meter: Who counts.
        wanted: All that one would like to send.
        budget: Most tokens of the prompt.
        in_pieces: Count every source in units, and more of them: for a draft whose estimates led astray.

    Raises:
        CountingError: They cannot be counted.
    """
    shown = tuple(_Shown(source, *texts) for source, texts in zip(wanted.sources, wanted.source_texts, strict=True))
    fixed = wanted.system.text, last_turn(wanted.question, ())
    texts = [*fixed, *(turn.text for turn in wanted.turns), *(text for one in shown for text in one.parts)]
    likely = sum(meter.estimate(text)[1] for text in texts)
    if likely <= budget:
        costs = await _costs(meter, wanted, shown)
        if costs.total <= budget:
            return Priced(wanted, costs)
        return await _tight(meter, wanted, shown, budget, calls=costs.calls, in_pieces=True)
    return await _tight(meter, wanted, shown, budget, in_pieces=in_pieces)


async def _tight(
    meter: Meter, wanted: Draft, shown: Sequence[_Shown], budget: int, *, calls: int = 0, in_pieces: bool
) -> Priced:
    fixed = wanted.system.text, last_turn(wanted.question, ())
    best = max(range(len(shown)), key=lambda at: (shown[at].source.value, -at), default=None)
    room = budget - sum(meter.estimate(text)[0] for text in fixed)
    room -= sum(meter.estimate(text)[0] for text in shown[best].parts) if best is not None else 0
    turns = wanted.turns[len(wanted.turns) - _n_near([turn.text for turn in wanted.turns], meter, room) :]
    # Turns go whole and in steps, and sources fill what that leaves.
    taken = [meter.estimate(turn.text)[0] for turn in turns]
    most = max(room - sum(taken), 0) + sum(taken) // MIN_STEPS + max(taken, default=0)
    needed = [*fixed, *(turn.text for turn in turns), *([] if best is None else shown[best].parts)]
    sure = budget - sum(meter.estimate(text)[1] for text in needed)
    others, doubtful = _worth_counting(shown, best, meter, int(sure * _SURE), 2 * most if in_pieces else most)
    kept = sorted([*others, *([] if best is None else [best])])
    doubtful = set(kept) if in_pieces else doubtful | {best}
    gone = [
        DroppedSource(one.source.number, tuple(c.chunk.chunk_id for c in one.source.chunks), sum(estimated) // 2)
        for at, one in enumerate(shown)
        if at not in kept
        for estimated in [_size(meter, one)]
    ]
    near = wanted.only(turns, kept)
    unit_chars = min(_UNIT_CHARS[1], max(_UNIT_CHARS[0], budget // 64))
    also_whole = budget <= _SMALL
    costs = await _costs(
        meter, near, [_in_units(shown[at], unit_chars, also_whole) if at in doubtful else shown[at] for at in kept]
    )
    return Priced(near, replace(costs, calls=costs.calls + calls), tuple(gone), len(wanted.turns) - len(turns))


async def _costs(meter: Meter, wanted: Draft, shown: Sequence[_Shown]) -> Costs:
    turns = [turn.text for turn in wanted.turns]
    parts = [one.parts for one in shown]
    fixed = [wanted.system.text, last_turn(wanted.question, ()), OMISSION]
    counts, calls = await meter.count([*fixed, *turns, *(text for part in parts for text in part)])
    system, question, mark, *rest = counts
    turn_costs = [n + meter.around(turn.role) for n, turn in zip(rest, wanted.turns, strict=False)]
    rest = rest[len(turns) :]
    sources = []
    for one, part in zip(shown, parts, strict=True):
        head, *held = rest[: len(part)]
        rest = rest[len(part) :]
        unit_tokens = tuple(held[-len(one.units) :]) if one.units else ()
        whole = held[0] if one.is_also_whole else sum(held)
        sources.append(SourceCost(head + _DOT_TOKENS * one.n_dots, whole, one.units, unit_tokens))
    return Costs(
        system + meter.around("system"),
        tuple(turn_costs),
        question + meter.around("user") + meter.opening,
        tuple(sources),
        mark,
        meter.counted,
        calls,
    )


def _size(meter: Meter, one: _Shown) -> tuple[int, int]:
    """Return the fewest and the most tokens that a source is likely to have."""
    low, high = zip(*(meter.estimate(text) for text in one.parts), strict=True)
    return sum(low), sum(high)


def _n_near(texts: Sequence[str], meter: Meter, room: int) -> int:
    """Return how many of the last texts may find room."""
    for n, text in enumerate(reversed(texts)):
        room -= meter.estimate(text)[0]
        if room < 0:
            return n
    return len(texts)


def _worth_counting(
    shown: Sequence[_Shown], best: int | None, meter: Meter, sure: int, most: int
) -> tuple[list[int], set[int | None]]:
    """Return which sources may find room beside the most valuable one, and which of them may have to be shortened.

    Those that are worth most for their tokens come first; what ends before `sure` is sure of its room.
    """
    sizes = {at: _size(meter, one) for at, one in enumerate(shown) if at != best}
    kept: list[int] = []
    doubtful: set[int | None] = set()
    low = high = 0
    for at in sorted(sizes, key=lambda at: (-shown[at].source.value / max(1, sizes[at][0]), at)):
        if low > most:
            break
        kept.append(at)
        low, high = low + sizes[at][0], high + sizes[at][1]
        if high > sure:
            doubtful.add(at)
    return kept, doubtful


def _in_units(one: _Shown, most_chars: int, also_whole: bool) -> _Shown:
    held, texts, n_dots = unit_texts(one.source, one.text, most_chars)
    return replace(one, units=held, unit_texts=tuple(texts), n_dots=n_dots, is_also_whole=also_whole and bool(held))
