"""A sheet's cells -> titles and tables, each row with its cell range (pure).

A sheet is not a table: a title merged over all columns, a header of two rows under merged cells, notes below, several
tables with a blank row between them. Rows are taken one at a time, so that a sheet of any length is never held twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from ingest.clean import clean_line
from ingest.loaders.builder import DocumentBuilder
from ingest.loaders.tables import names_columns

Cells = Sequence[str]
MAX_COLUMNS = 1_000
"""Cells beyond are left out: no table that people read is wider."""
_HEAD_ROWS = 8
"""Rows among which a table's titles and header are looked for."""


@dataclass(frozen=True, slots=True)
class Merge:
    """Merged cells; rows and columns from 0, ends included."""

    top: int
    left: int
    bottom: int
    right: int


@dataclass(frozen=True, slots=True)
class _Row:
    number: int  # From 0.
    cells: list[str]


def add_sheet(builder: DocumentBuilder, name: str, rows: Iterable[Cells], merges: Sequence[Merge] = ()) -> None:
    """Add a sheet: its name as a heading, then its titles and tables.

    Args:
        builder: Where to.
        name: The sheet's name; empty for a file that is one table.
        rows: All rows from the first on, empty ones too; the text of each cell from column A on.
        merges: Merged cells.
    """
    started = False
    for region in _regions(_filled(rows, merges)):
        if not started and name:
            builder.heading(name, 1)
        started = True
        _add_region(builder, region, merges)


def column_name(index: int) -> str:
    """Return a column's letters: 0 is A, 26 is AA."""
    name = ""
    while index >= 0:
        name = chr(ord("A") + index % 26) + name
        index = index // 26 - 1
    return name


def _filled(rows: Iterable[Cells], merges: Sequence[Merge]) -> Iterator[_Row]:
    """Give each row of a merged cell its text: a row must stand alone. Over columns it is said once."""
    starting: dict[int, list[Merge]] = {}
    for merge in merges:
        if merge.bottom > merge.top:
            starting.setdefault(merge.top, []).append(merge)
    open_: list[tuple[Merge, str]] = []
    for number, given in enumerate(rows):
        cells = [clean_line(cell) for cell in given[:MAX_COLUMNS]]
        open_ = [(merge, text) for merge, text in open_ if merge.bottom >= number]
        for merge, text in open_:
            if merge.left < len(cells) and not cells[merge.left]:
                cells[merge.left] = text
        for merge in starting.get(number, ()):
            open_.append((merge, cells[merge.left] if merge.left < len(cells) else ""))
        while cells and not cells[-1]:
            cells.pop()
        yield _Row(number, cells)


def _regions(rows: Iterable[_Row]) -> Iterator[Iterator[_Row]]:
    """Cut at blank rows; each region must be used up before the next is asked for."""
    waiting = iter(rows)
    for row in waiting:
        if row.cells:
            ended: list[bool] = []
            yield chain([row], _until_blank(waiting, ended))


def _until_blank(rows: Iterator[_Row], ended: list[bool]) -> Iterator[_Row]:
    for row in rows:
        if not row.cells:
            ended.append(True)
            return
        yield row


def _add_region(builder: DocumentBuilder, region: Iterator[_Row], merges: Sequence[Merge]) -> None:
    head = list(islice(region, _HEAD_ROWS))
    is_wide = any(sum(map(bool, row.cells)) > 1 for row in head)
    while head and is_wide and _is_title(head[0]):
        builder.paragraph(" ".join(filter(None, head.pop(0).cells)))
    labels, n_header = _header(head, merges)
    first = min((_first_column(row) for row in head), default=0)
    width = max((len(row.cells) for row in head), default=0)
    rows: Iterable[tuple[Cells, str]] = _placed_rows(chain(head[n_header:], region), first, width)
    if labels:
        place = _place(head[0].number, head[n_header - 1].number, first, width)
        rows = chain([(labels[first:], place)], rows)
    builder.placed_table(rows, has_header=bool(labels))


def _placed_rows(rows: Iterable[_Row], first: int, width: int) -> Iterator[tuple[Cells, str]]:
    """Yield each row's cells from the first column on, with where they lie."""
    for row in rows:
        cells = _padded(row.cells, width)
        yield cells[first:], _place(row.number, row.number, first, len(cells))


def _is_title(row: _Row) -> bool:
    return sum(map(bool, row.cells)) == 1


def _first_column(row: _Row) -> int:
    return next((i for i, cell in enumerate(row.cells) if cell), 0)


def _header(head: Sequence[_Row], merges: Sequence[Merge]) -> tuple[list[str], int]:
    """Return the columns' names and how many rows they take; none where the first row is no header."""
    if len(head) < 2 or not names_columns(head[0].cells):
        return [], 0
    top = head[0].number
    over = [merge for merge in merges if merge.top == top]
    is_double = len(head) > 2 and any(merge.bottom == top + 1 for merge in over) and names_columns(head[1].cells)
    upper = list(head[0].cells)
    for merge in over:
        for column in range(merge.left + 1, min(merge.right, MAX_COLUMNS) + 1):
            upper += [""] * (column + 1 - len(upper))
            upper[column] = upper[merge.left]
    if not is_double:
        return list(head[0].cells) + [""] * (max(len(row.cells) for row in head) - len(head[0].cells)), 1
    lower = head[1].cells
    width = max(len(upper), len(lower), *(len(row.cells) for row in head))
    pairs = zip(_padded(upper, width), _padded(lower, width), strict=True)
    return ["/".join(dict.fromkeys(filter(None, pair))) for pair in pairs], 2


def _padded(cells: Cells, width: int) -> list[str]:
    return [*cells, *[""] * (width - len(cells))]


def _place(top: int, bottom: int, left: int, width: int) -> str:
    return f"{column_name(left)}{top + 1}:{column_name(max(left, width - 1))}{bottom + 1}"
