"""Which part of a table a chunk holds, and what of it is missing (pure).

The splitter cuts no row but long tables between rows. A row is a line with ` | ` between its cells, as loaders write
it; in plain text, the line of dashes under a header belongs to the table too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from retrieval.models import Chunk

CELL = " | "
MAX_WHOLE_CHARS = 1_500
"""A table of at most this many characters is shown whole when a part of it was found."""


@dataclass(frozen=True, slots=True)
class TablePart:
    """What belongs to a chunk that cuts a table.

    Args:
        header: The table's first row, where the chunk begins behind it and its rows do not name their columns
            themselves; "" otherwise.
        rest: The chunks that hold the rest of the table, if it is short enough to be shown whole.
    """

    header: str = ""
    rest: tuple[Chunk, ...] = ()


NO_TABLE = TablePart()
_RULE = re.compile(r"[|+\-:=\s]*--[|+\-:=\s]*")


def begins_with_row(text: str) -> bool:
    """Whether a text's first line is a table row."""
    return _is_row(text.lstrip("\n").partition("\n")[0])


def ends_with_row(text: str) -> bool:
    """Whether a text's last line is a table row."""
    return _is_row(text.rstrip("\n").rpartition("\n")[2])


def table_part(before: Sequence[Chunk], chunk: Chunk, after: Sequence[Chunk]) -> TablePart:
    """Return what a chunk lacks of the tables that it cuts.

    Args:
        before: The chunks in front of it, in reading order, back to one that does not only hold rows.
        chunk: The chunk.
        after: The chunks behind it, in reading order, on to one that does not only hold rows.
    """
    header = ""
    rest: list[Chunk] = []
    if begins_with_row(chunk.text) and before and ends_with_row(before[-1].text):
        first = next((at for at in reversed(range(len(before))) if not only_rows(before[at].text)), 0)
        rows = _last_rows(before[first].text)
        if rows:
            rest += before[first:]
        elif first + 1 < len(before):
            rows = before[first + 1].text.splitlines()
            rest += before[first + 1 :]
        header = next((row for row in rows if CELL in row), "")
    if ends_with_row(chunk.text) and after and begins_with_row(after[0].text):
        last = next((at for at, one in enumerate(after) if not only_rows(one.text)), len(after) - 1)
        rest += after[: last + 1] if begins_with_row(after[last].text) else after[:last]
    if sum(len(one.text) for one in rest) + len(chunk.text) > MAX_WHOLE_CHARS:
        rest = []
    return TablePart("" if not header or _named(header, chunk.text) else header, tuple(rest))


def only_rows(text: str) -> bool:
    """Whether every line of a text is a table row."""
    return all(map(_is_row, text.splitlines()))


def _last_rows(text: str) -> list[str]:
    """Return the rows that a text ends with."""
    rows: list[str] = []
    for line in reversed(text.splitlines()):
        if not _is_row(line):
            break
        rows.insert(0, line)
    return rows


def _is_row(line: str) -> bool:
    return CELL in line or ("|" in line and _RULE.fullmatch(line) is not None)


def _named(header: str, text: str) -> bool:
    """Whether the rows name every column, as those of long tables do (`列名: 值`)."""
    first = text.lstrip("\n").partition("\n")[0]
    return all(f"{name.strip()}: " in first for name in header.split(CELL) if name.strip())
