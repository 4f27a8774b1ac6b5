"""Rows of cells -> lines that stand on their own (pure).

A row is one line, its cells separated by ` | `. The splitter never cuts a row, but it may cut a long table between
rows; there each row names its columns (`列名: 值`), because the header line will be in another chunk.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from ingest.clean import clean_line

Row = Sequence[str]

LABEL_OVER_CHARS = 400
"""A table whose plain rendering is longer than this gets labelled rows."""

MAX_LABEL_CHARS = 20
_YEAR = re.compile(r"(?:19|20)\d\d|Q[1-4]")
_FIGURE = re.compile(r"\d")
SEPARATOR = " | "


def render_table(rows: Iterable[Row], *, has_header: bool) -> Iterator[str]:
    """Yield one line for each row that is not empty; the first row's names label the others in a long table.

    Rows are taken one at a time, so that a table of any length is never held. One that has not as many cells as there
    are names is written without them: nobody knows which they belong to.
    """
    cleaned = ([clean_line(cell) for cell in row] for row in rows if has_text(row))
    held: list[list[str]] = []
    n_chars = 0
    for row in cleaned:
        held.append(row)
        n_chars += len(_join(row))
        if n_chars > LABEL_OVER_CHARS:
            break
    labels = held[0] if has_header and n_chars > LABEL_OVER_CHARS and _are_labels(held[0]) else None
    for number, row in enumerate(chain(held, cleaned)):
        yield _join(_labelled(labels, row) if labels is not None and number and len(row) == len(labels) else row)


def names_columns(row: Row) -> bool:
    """Whether a row could name columns: two texts or more, none of them long or a figure."""
    named = [cell for cell in row if cell]
    return len(named) >= 2 and all(
        len(cell) <= MAX_LABEL_CHARS and any(char.isalpha() for char in cell) for cell in named
    )


def with_header(rows: Sequence[Row]) -> tuple[list[Row], bool]:
    """Return rows, and whether the first names the columns; names in two rows, one under another, are made one.

    Args:
        rows: Of equal length; a cell over several columns has empty ones to its right, one over rows is in each.
    """
    if len(rows) < 2 or not names_columns(rows[0]) or any(_FIGURE.search(_YEAR.sub("", cell)) for cell in rows[0]):
        return list(rows), False
    upper, lower = list(rows[0]), rows[1]
    below = [column for column in range(1, len(upper)) if not upper[column]]
    for column in below:
        upper[column] = upper[column - 1]
    spans = {*below, *(column - 1 for column in below)}
    is_same = [upper[column] == lower[column] for column in range(len(upper)) if column not in spans]
    if not below or not names_columns(lower) or not all(lower[column] for column in below):
        return list(rows), not any(is_same)  # What goes on in the next row is no name.
    if len(rows) < 3 or not all(is_same):
        return list(rows), True
    pairs = zip(upper, lower, strict=True)
    return [["/".join(dict.fromkeys(filter(None, pair))) for pair in pairs], *rows[2:]], True


def has_text(row: Row) -> bool:
    """Whether any cell of a row shows something."""
    return any(clean_line(cell) for cell in row)


def _join(row: Row) -> str:
    """Join cells, without the empty ones at the end."""
    last = max((i for i, cell in enumerate(row) if cell), default=-1)
    return SEPARATOR.join(row[: last + 1]).strip()


def _are_labels(names: Row) -> bool:
    named = [label for label in names if label]
    return len(named) >= 2 and len(set(named)) == len(named) and max(map(len, named)) <= MAX_LABEL_CHARS


def _labelled(labels: Row, row: Row) -> list[str]:
    pairs = zip(labels, row, strict=True)
    return [f"{label}: {cell}" if label and not cell.startswith(label) else cell for label, cell in pairs if cell]
