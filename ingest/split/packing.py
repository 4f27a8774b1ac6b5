"""Units -> groups of at most max_chars, cut where it costs least (pure).

Every group costs something, a short one more; a cut costs by what it cuts (nothing between paragraphs, a little
between sentences of one), and a group pays for each boundary that it runs across: a heading, an article, a page. The
cheapest way to cut the whole document is found by dynamic programming over the units; docs/ingestion.md has what the
costs gained.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from ingest.settings import SplitSettings
from ingest.split.units import Opens, Unit

CUT_COSTS = {
    Opens.HEADING: 0.0,
    Opens.MESSAGE: 0.0,
    Opens.ARTICLE: 0.0,
    Opens.LINE: 0.0,
    Opens.ROW: 0.1,
    Opens.SENTENCE: 0.3,
    Opens.PIECE: 1.5,
}
CUT_AFTER_HEADING = 20.0
CUT_FROM_QUESTION = 15.0
"""More than it costs to run over a page: an answer never leaves its question if both fit."""
RUN_OVER_COSTS = {Opens.HEADING: 1.2, Opens.ARTICLE: 0.4, Opens.MESSAGE: 30.0}
RUN_OVER_PAGE = 10.0
SHORT_COST = 1.0
FRAGMENT_COST = 1.0

MIN_PARTS = 20
"""Units are first joined to parts of up to 1/20 of a span, so that one-word lines cost no more than prose."""


@dataclass(slots=True)
class _Part:
    """Consecutive units that stay together; `run_over` and `cut` are the costs of the boundary before it."""

    units: list[Unit]
    page: int
    run_over: float
    cut: float

    @property
    def start(self) -> int:
        return self.units[0].start

    @property
    def end(self) -> int:
        return self.units[-1].end


def pack(units: Sequence[Unit], page_starts: Sequence[int], settings: SplitSettings) -> list[list[Unit]]:
    """Group consecutive units; every unit is in exactly one group."""
    parts = _parts(units, page_starts, settings.max_chars // MIN_PARTS)
    group_ends = _cheapest_groups(parts, settings)
    groups = []
    first = 0
    while first < len(parts):
        groups.append([unit for part in parts[first : group_ends[first]] for unit in part.units])
        first = group_ends[first]
    return groups


def _parts(units: Sequence[Unit], page_starts: Sequence[int], max_chars: int) -> list[_Part]:
    parts: list[_Part] = []
    last: _Part | None = None
    before: Unit | None = None
    for unit in units:
        page = bisect_right(page_starts, unit.start)
        if last is None or before is None:
            last = _Part([unit], page, 0.0, 0.0)
            parts.append(last)
        elif (
            unit.opens < Opens.ARTICLE
            and before.opens != Opens.HEADING
            and last.page == page
            and unit.end - last.units[0].start <= max_chars
        ):
            last.units.append(unit)
        else:
            last = _Part([unit], page, _run_over(before, unit, last.page != page), _cut_cost(before, unit))
            parts.append(last)
        before = unit
    return parts


def _cheapest_groups(parts: Sequence[_Part], settings: SplitSettings) -> list[int]:
    """Return for each part where the group that starts there ends, if all from there on is cut at the lowest cost."""
    starts, ends = [part.start for part in parts], [part.end for part in parts]
    run_overs, cuts = [part.run_over for part in parts], [*(part.cut for part in parts), 0.0]
    sizes = _size_costs(settings.max_chars, settings.min_chars)
    best = [0.0] * (len(parts) + 1)  # best[i]: cost of the parts from i on.
    group_ends = [0] * len(parts)
    too_far = len(parts)  # The first part that does not fit into a group with `first`.
    for first in range(len(parts) - 1, -1, -1):
        start = starts[first]
        while ends[too_far - 1] - start > settings.max_chars:
            too_far -= 1
        cheapest = sizes[ends[first] - start] + cuts[first + 1] + best[first + 1]
        group_end = first + 1
        run_over = 0.0
        for last in range(first + 1, too_far):
            run_over += run_overs[last]
            cost = sizes[ends[last] - start] + run_over + cuts[last + 1] + best[last + 1]
            if cost < cheapest:
                cheapest, group_end = cost, last + 1
        group_ends[first] = group_end
        best[first] = cheapest
    return group_ends


@lru_cache(maxsize=8)
def _size_costs(max_chars: int, min_chars: int) -> list[float]:
    """Return for each length what a group of it costs, for being one and for being short."""
    costs = []
    for length in range(max_chars + 1):
        missing = 1 - length / max_chars
        costs.append(1.0 + SHORT_COST * missing * missing + (FRAGMENT_COST if length < min_chars else 0.0))
    return costs


def _run_over(before: Unit, unit: Unit, crosses_page: bool) -> float:
    """Return what a group pays for holding both of two neighbours."""
    page = RUN_OVER_PAGE if crosses_page else 0.0
    if unit.opens in (Opens.HEADING, Opens.MESSAGE) and before.opens == Opens.HEADING:
        return page  # A chapter's heading and its first section's belong together; a mail and its subject do.
    return page + RUN_OVER_COSTS.get(unit.opens, 0.0)


def _cut_cost(before: Unit, unit: Unit) -> float:
    """Return what it costs to cut between two neighbours."""
    kept = CUT_FROM_QUESTION if unit.is_kept else 0.0
    return CUT_COSTS[unit.opens] + kept + (CUT_AFTER_HEADING if before.opens == Opens.HEADING else 0.0)
