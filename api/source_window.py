"""The part of a document's text that a reader sees around a quote (pure)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from ingest.loaders.table_view import TableView, tables_in

SNAP = 200
"""Characters that the window may shrink by at either side to begin and end with a line."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of text on one page that is all quoted or all not.

    Args:
        text: Never empty.
        page: 1-based, or None.
        quoted: Whether it is the quote's.
        table: Number of the window's table whose rows it holds, or None.
    """

    text: str
    page: int | None
    quoted: bool
    table: int | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a cell that is all quoted or all not."""

    text: str
    quoted: bool


@dataclass(frozen=True, slots=True)
class ShownTable:
    """A table of a window.

    Args:
        columns: Their names.
        names_quoted: Whether the quote is from the row with the names.
        rows: For each row and column the pieces of the cell.
    """

    columns: tuple[str, ...]
    names_quoted: bool
    rows: tuple[tuple[tuple[Piece, ...], ...], ...]


@dataclass(frozen=True, slots=True)
class Window:
    """The segments of text[start:end], and its tables."""

    start: int
    end: int
    segments: tuple[Segment, ...]
    tables: tuple[ShownTable, ...] = ()


def page_at(page_starts: Sequence[int], offset: int) -> int | None:
    """Return the 1-based page that holds an offset; None where there are no pages."""
    return max(1, bisect_right(page_starts, offset)) if page_starts else None


def source_window(text: str, page_starts: Sequence[int], start: int, end: int, *, context: int) -> Window:
    """Cut the text around a quote, at line ends where some are near.

    Args:
        text: The parsed text.
        page_starts: As in Document.
        start: First character of the quote; offsets beyond the text are moved to its ends.
        end: One past its last.
        context: Characters to show on each side.

    Returns:
        Segments that join to text[window.start:window.end]; those quoted join to the quote. Tables are as the text
        around the quote shows them: of one that it cuts, the rows in it.
    """
    start = min(max(start, 0), len(text))
    end = min(max(end, start), len(text))
    left, right = max(0, start - context), min(len(text), end + context)
    if left > 0 and (newline := text.find("\n", left, min(start, left + SNAP))) >= 0:
        left = newline + 1
    if right < len(text) and (newline := text.rfind("\n", max(end, right - SNAP), right)) >= 0:
        right = newline
    tables = tables_in(text[left:right])
    borders = [left + at for table in tables for at in (table.start, table.end)]
    cuts = sorted({left, right, start, end, *borders, *(at for at in page_starts if left < at < right)})
    segments = tuple(
        Segment(text[low:high], page_at(page_starts, low), start <= low and high <= end, _table_at(tables, low - left))
        for low, high in zip(cuts, cuts[1:], strict=False)
    )
    shown = tuple(_shown(text[left:right], table, start - left, end - left) for table in tables)
    return Window(left, right, segments, shown)


def _table_at(tables: Sequence[TableView], offset: int) -> int | None:
    return next((number for number, table in enumerate(tables) if table.start <= offset < table.end), None)


def _shown(text: str, table: TableView, start: int, end: int) -> ShownTable:
    rows = tuple(tuple(_pieces(text, cell, start, end) for cell in row) for row in table.rows)
    return ShownTable(table.columns, table.head[0] < end and start < table.head[1], rows)


def _pieces(text: str, cell: tuple[int, int], start: int, end: int) -> tuple[Piece, ...]:
    """Cut a cell where the quote begins and ends."""
    cuts = sorted({*cell, *(at for at in (start, end) if cell[0] < at < cell[1])})
    return tuple(Piece(text[low:high], start <= low and high <= end) for low, high in zip(cuts, cuts[1:], strict=False))
