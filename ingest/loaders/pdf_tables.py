"""Rules on a page -> the grids of its tables, and the text of their cells (pure)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from ingest.loaders.pdf_rules import Rule

_NEAR = 3.0
"""Points within which two lines are one, or touch: a line may be a thin rectangle, and corners miss each other."""
_MAX_CELLS = 5_000


@dataclass(frozen=True, slots=True)
class Grid:
    """A table's cells.

    Args:
        xs: Edges of the columns, from the left.
        ys: Edges of the rows, from the top.
        owners: For each row and column, the row and column of the cell's upper left corner: merged cells have one.
    """

    xs: tuple[float, ...]
    ys: tuple[float, ...]
    owners: tuple[tuple[tuple[int, int], ...], ...]

    def cell_at(self, x: float, y: float) -> tuple[int, int] | None:
        """Return the row and column of the cell that holds a point; None outside the table."""
        column = bisect_right(self.xs, x) - 1
        row = bisect_right([-edge for edge in self.ys], -y) - 1
        if not (0 <= column < len(self.xs) - 1 and 0 <= row < len(self.ys) - 1):
            return None
        return self.owners[row][column]

    def width_of(self, cell: tuple[int, int]) -> float:
        """Return the width of a cell, by its upper left corner."""
        row, column = cell
        last = max(at for at, owner in enumerate(self.owners[row]) if owner == cell)
        return self.xs[last + 1] - self.xs[column]


def grids_of(rules: Sequence[Rule]) -> list[Grid]:
    """Return the tables that rules draw: at least two rows of two columns each."""
    found = [_grid(group) for group in _touching(_joined(rules))]
    return [grid for grid in found if grid is not None]


def _joined(rules: Sequence[Rule]) -> list[Rule]:
    """Make one line of those that lie on each other or go on where another ends."""
    joined: list[Rule] = []
    for rule in sorted(rules, key=lambda one: (one.is_vertical, round(one.at / _NEAR), one.low)):
        before = joined[-1] if joined else None
        if (
            before is not None
            and before.is_vertical == rule.is_vertical
            and abs(before.at - rule.at) <= _NEAR
            and rule.low <= before.high + _NEAR
        ):
            joined[-1] = Rule(rule.is_vertical, before.at, before.low, max(before.high, rule.high))
        else:
            joined.append(rule)
    return joined


def _touching(rules: Sequence[Rule]) -> list[list[Rule]]:
    """Group rules that cross or touch each other."""
    across = [rule for rule in rules if not rule.is_vertical]
    groups: list[list[Rule]] = []
    group_of: dict[int, int] = {}
    for upright in (rule for rule in rules if rule.is_vertical):
        met = [i for i, flat in enumerate(across) if _meet(flat, upright)]
        numbers = sorted({group_of[i] for i in met if i in group_of})
        number = numbers[0] if numbers else len(groups)
        if not numbers:
            groups.append([])
        for other in numbers[1:]:
            groups[number] += groups[other]
            groups[other] = []
            group_of = {i: number if one == other else one for i, one in group_of.items()}
        groups[number].append(upright)
        for i in met:
            if i not in group_of:
                groups[number].append(across[i])
                group_of[i] = number
    return [group for group in groups if group]


def _meet(flat: Rule, upright: Rule) -> bool:
    return (
        flat.low - _NEAR <= upright.at <= flat.high + _NEAR and upright.low - _NEAR <= flat.at <= upright.high + _NEAR
    )


def _grid(rules: Sequence[Rule]) -> Grid | None:
    upright = [rule for rule in rules if rule.is_vertical]
    flat = [rule for rule in rules if not rule.is_vertical]
    # A table may be open at its sides: its rows' ends are edges too.
    xs = _clustered([rule.at for rule in upright] + [end for rule in flat for end in (rule.low, rule.high)])
    ys = _clustered([rule.at for rule in flat] + [end for rule in upright for end in (rule.low, rule.high)])[::-1]
    n_rows, n_columns = len(ys) - 1, len(xs) - 1
    if n_rows < 2 or n_columns < 2 or n_rows * n_columns > _MAX_CELLS:
        return None
    owners = _owners(xs, ys, upright, flat)
    anchors = {cell for row in owners for cell in row}
    if len({row for row, _ in anchors}) < 2 or len({column for _, column in anchors}) < 2:
        return None
    return Grid(tuple(xs), tuple(ys), owners)


def _owners(
    xs: Sequence[float], ys: Sequence[float], upright: Sequence[Rule], flat: Sequence[Rule]
) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Return for each place of the grid the upper left corner of its cell: places without a line between are one."""
    beside = [_near(upright, x) for x in xs]
    above = [_near(flat, y) for y in ys]
    owners: list[list[tuple[int, int]]] = []
    for row in range(len(ys) - 1):
        middle = (ys[row] + ys[row + 1]) / 2
        owners.append([])
        for column in range(len(xs) - 1):
            owner = (row, column)
            if column and not _runs_through(beside[column], middle):
                owner = owners[row][column - 1]
            elif row and not _runs_through(above[row], (xs[column] + xs[column + 1]) / 2):
                owner = owners[row - 1][column]
            owners[row].append(owner)
    return tuple(map(tuple, owners))


def _near(rules: Sequence[Rule], at: float) -> list[Rule]:
    return [rule for rule in rules if abs(rule.at - at) <= _NEAR]


def _runs_through(rules: Sequence[Rule], point: float) -> bool:
    return any(rule.low <= point <= rule.high for rule in rules)


def _clustered(values: Sequence[float]) -> list[float]:
    """Return ascending values of which no two are near."""
    edges: list[float] = []
    for value in sorted(values):
        if not edges or value - edges[-1] > _NEAR:
            edges.append(value)
    return edges
