"""Rows of cells -> lines that stand on their own (pure).

A row is one line, its cells separated by ` | `. The splitter never cuts a row, but it may cut a long table between
rows; there each row names its columns (`列名: 值`), because the header line will be in another chunk.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ingest.clean import clean_line

Row = Sequence[str]

LABEL_OVER_CHARS = 400
"""A table whose plain rendering is longer than this gets labelled rows."""

MAX_LABEL_CHARS = 20
SEPARATOR = " | "


def render_table(rows: Iterable[Row], *, has_header: bool) -> list[str]:
    """Return one line for each row that is not empty; the first row's names label the others in a long table."""
    cleaned = [[clean_line(cell) for cell in row] for row in rows if has_text(row)]
    lines = [_join(row) for row in cleaned]
    if not has_header or sum(map(len, lines)) <= LABEL_OVER_CHARS or not _labels_fit(cleaned):
        return lines
    labels = cleaned[0]
    return [lines[0], *(_join(_labelled(labels, row)) for row in cleaned[1:])]


def has_text(row: Row) -> bool:
    """Whether any cell of a row shows something."""
    return any(clean_line(cell) for cell in row)


def _join(row: Row) -> str:
    """Join cells, without the empty ones at the end."""
    last = max((i for i, cell in enumerate(row) if cell), default=-1)
    return SEPARATOR.join(row[: last + 1]).strip()


def _labels_fit(rows: Sequence[Row]) -> bool:
    width = len(rows[0])
    named = [label for label in rows[0] if label]
    return (
        len(named) >= 2
        and len(set(named)) == len(named)
        and max(map(len, named)) <= MAX_LABEL_CHARS
        and all(len(row) == width for row in rows)
    )


def _labelled(labels: Row, row: Row) -> list[str]:
    pairs = zip(labels, row, strict=True)
    return [f"{label}: {cell}" if label and not cell.startswith(label) else cell for label, cell in pairs if cell]
