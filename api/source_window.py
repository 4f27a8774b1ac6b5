"""The part of a document's text that a reader sees around a quote (pure)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

SNAP = 200
"""Characters that the window may shrink by at either side to begin and end with a line."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of text on one page that is all quoted or all not; `page` is 1-based, or None."""

    text: str
    page: int | None
    quoted: bool


@dataclass(frozen=True, slots=True)
class Window:
    """The segments of text[start:end]."""

    start: int
    end: int
    segments: tuple[Segment, ...]


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
        Segments that join to text[window.start:window.end]; those quoted join to the quote.
    """
    start = min(max(start, 0), len(text))
    end = min(max(end, start), len(text))
    left, right = max(0, start - context), min(len(text), end + context)
    if left > 0 and (newline := text.find("\n", left, min(start, left + SNAP))) >= 0:
        left = newline + 1
    if right < len(text) and (newline := text.rfind("\n", max(end, right - SNAP), right)) >= 0:
        right = newline
    cuts = sorted({left, right, start, end, *(at for at in page_starts if left < at < right)})
    segments = tuple(
        Segment(text[low:high], page_at(page_starts, low), start <= low and high <= end)
        for low, high in zip(cuts, cuts[1:], strict=False)
    )
    return Window(left, right, segments)
