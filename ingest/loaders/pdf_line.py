"""A line of a page and its place: what a PDF or a picture has, before it is text."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

CELL_GAP = "\x1f"
"""Stands in a line's text where a wide gap separates table cells."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text and its place on the page, in points from the left and the bottom.

    Args:
        text: Cells of a table row are separated by CELL_GAP.
        left: Left edge.
        right: Right edge.
        bottom: Lower edge.
        height: Height of the font.
        indented: Whether it starts with an ideographic space.
        rows: Cells of the ruled table that stands here; `bottom` is then that of its first row.
    """

    text: str
    left: float
    right: float
    bottom: float
    height: float
    indented: bool = False
    rows: tuple[tuple[str, ...], ...] = ()


def pitch(lines: Sequence[Line]) -> float:
    """Return the usual distance from one line to the next."""
    steps = [a.bottom - b.bottom for a, b in zip(lines, lines[1:], strict=False) if 0 < a.bottom - b.bottom < 60]
    return statistics.median_low(steps) if steps else 20.0
