"""Units -> groups of at most max_chars, cut where it costs least (pure).

Every group costs something, a short one more; a cut costs by what it cuts (nothing between paragraphs, a little
between sentences of one), and a group pays for each boundary that it runs across: a heading, an article, a page. The
cheapest way to cut the whole document is found by dynamic programming over the units; docs/ingestion.md has what the
costs gained.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from ingest.settings import SplitSettings
from ingest.split.units import Opens, Unit

CUT_COSTS = {
    Opens.HEADING: 0.0,
    Opens.ARTICLE: 0.0,
    Opens.LINE: 0.0,
    Opens.ROW: 0.1,
    Opens.SENTENCE: 0.3,
    Opens.PIECE: 1.5,
}
CUT_AFTER_HEADING = 20.0
RUN_OVER_COSTS = {Opens.HEADING: 1.2, Opens.ARTICLE: 0.4}
RUN_OVER_PAGE = 3.0
SHORT_COST = 1.0
FRAGMENT_COST = 1.0


def pack(units: Sequence[Unit], page_starts: Sequence[int], settings: SplitSettings) -> list[list[Unit]]:
    """Group consecutive units; every unit is in exactly one group."""
    pages = [bisect_right(page_starts, unit.start) for unit in units]
    best = [0.0] * (len(units) + 1)  # best[i]: cost of the units from i on.
    group_end = [0] * len(units)
    for first in range(len(units) - 1, -1, -1):
        best[first], group_end[first] = _cheapest(units, pages, best, first, settings)
    groups = []
    first = 0
    while first < len(units):
        groups.append(list(units[first : group_end[first]]))
        first = group_end[first]
    return groups


def _cheapest(
    units: Sequence[Unit], pages: Sequence[int], best: Sequence[float], first: int, settings: SplitSettings
) -> tuple[float, int]:
    """Return the lowest cost from a unit on, and where its group then ends."""
    cheapest, end = float("inf"), first + 1
    run_over = 0.0
    for last in range(first, len(units)):
        unit = units[last]
        length = unit.end - units[first].start
        if length > settings.max_chars and last > first:
            break
        if last > first:
            run_over += _run_over(units[last - 1], unit, crosses_page=pages[last] != pages[last - 1])
        cost = _size_cost(length, settings) + run_over + _cut_cost(units, last + 1) + best[last + 1]
        if cost < cheapest:
            cheapest, end = cost, last + 1
    return cheapest, end


def _size_cost(length: int, settings: SplitSettings) -> float:
    """Return what a group costs for being one, and for being short."""
    missing = 1 - min(1.0, length / settings.max_chars)
    fragment = FRAGMENT_COST if length < settings.min_chars else 0.0
    return 1.0 + SHORT_COST * missing * missing + fragment


def _run_over(before: Unit, unit: Unit, *, crosses_page: bool) -> float:
    """Return what a group pays for holding both of two neighbours."""
    page = RUN_OVER_PAGE if crosses_page else 0.0
    if unit.opens == Opens.HEADING and before.opens == Opens.HEADING:
        return page  # A chapter's heading and its first section's belong together.
    return page + RUN_OVER_COSTS.get(unit.opens, 0.0)


def _cut_cost(units: Sequence[Unit], index: int) -> float:
    """Return what it costs to start a group at a unit."""
    if index >= len(units):
        return 0.0
    after_heading = CUT_AFTER_HEADING if units[index - 1].opens == Opens.HEADING else 0.0
    return after_heading + CUT_COSTS[units[index].opens]
