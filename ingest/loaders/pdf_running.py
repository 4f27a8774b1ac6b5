"""Heads, feet and page numbers that run through a document are not its text (pure)."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from itertools import takewhile

from ingest.loaders.pdf_line import CELL_GAP, Line, pitch

_DIGITS = re.compile(r"\d+|[一二三四五六七八九十百]+(?=\s*页)")
_PAGE_NUMBER = re.compile(
    r"[-—–·\s]*(?:第\s*)?#(?:\s*页)?(?:\s*[/／,，共of]+\s*(?:第\s*)?#\s*页?)?[-—–·\s]*"
    r"|page #(?: of #)?|[-–—·\s]*[ivxlc]{1,6}[-–—·\s]*",
    re.I,
)
_MAX_EDGE_LINES = 3
"""Heads and feet of more lines are text."""
_MAX_SHIFT = 60
"""The printed number of a page differs from its place in the file by less: covers and contents come before."""
_SAME_PLACE = 4.0


def drop_running_lines(pages: Sequence[Sequence[Line]]) -> list[list[Line]]:
    """Drop what stands above and below the text of most pages: heads, feet, page numbers.

    A line runs if it says the same at the same height on the pages around it; left and right pages, and chapters, may
    have heads of their own. In figures only page numbers may differ.
    """
    step = _document_pitch(pages)
    edges = [_edge_lines(page) for page in pages]
    places: dict[tuple[str, int], list[int]] = {}
    for number, edge in enumerate(edges):
        for shape in {shape for line in edge for shape in _shapes(line, number)}:
            places.setdefault(shape, []).append(number)
    n_pages = sum(bool(page) for page in pages)
    kept = []
    for number, (page, edge) in enumerate(zip(pages, edges, strict=True)):
        apart = {id(line) for line in _apart_lines(page, step)}
        outer = _outermost(page)
        ids = {
            id(line)
            for line in edge
            if id(line) in apart | outer
            and _is_running(
                line, [places[one] for one in _shapes(line, number)], number, n_pages, is_apart=id(line) in apart
            )
        }
        kept.append([line for line in page if id(line) not in ids])
    return kept


def _outermost(page: Sequence[Line]) -> set[int]:
    """Return the ids of the highest and the lowest line."""
    by_height = sorted(page, key=lambda line: line.bottom)
    return {id(line) for line in (*by_height[:1], *by_height[-1:])}


def _is_running(line: Line, places: Sequence[Sequence[int]], number: int, n_pages: int, *, is_apart: bool) -> bool:
    """Tell a head, foot or page number.

    Args:
        line: Near the upper or lower edge of a page.
        places: Pages with the same words there, and with the same but for their own numbers.
        number: This page, from 0.
        n_pages: Of the file, with text.
        is_apart: Whether a gap separates it from the text.
    """
    most = max(3, n_pages * 0.4)
    same, counted = places
    if len(same) >= most:
        return True
    if not is_apart:
        return False
    return (
        len(counted) >= most
        or _is_page_number(line, number, n_pages)
        or any(len(pages) == n_pages == 2 or _is_in_row(pages, number) for pages in places)
    )


def _is_in_row(pages: Sequence[int], number: int) -> bool:
    """Whether three pages or more follow one another, or every second one, with this one among them."""
    first = last = pages.index(number)
    while first and pages[first] - pages[first - 1] <= 2:
        first -= 1
    while last + 1 < len(pages) and pages[last + 1] - pages[last] <= 2:
        last += 1
    return last - first >= 2


def _is_page_number(line: Line, number: int, n_pages: int) -> bool:
    """Whether a line is a number that may be its page's: the first pages of a book have others, or Roman ones."""
    if not _PAGE_NUMBER.fullmatch(_DIGITS.sub("#", line.text.strip())):
        return False
    figures = [int(one) for one in re.findall(r"\d+", line.text)]
    return not figures or n_pages < 3 or any(abs(one - number - 1) <= _MAX_SHIFT for one in figures)


def _edge_lines(page: Sequence[Line]) -> list[Line]:
    """Return the highest and the lowest lines that no table stands beyond."""
    by_height = sorted(page, key=lambda line: -line.bottom)
    edges = [
        line
        for ordered in (by_height, by_height[::-1])
        for line in takewhile(lambda line: not line.rows, ordered[:_MAX_EDGE_LINES])
    ]
    return list({id(line): line for line in edges}.values()) if len(page) > 1 else []


def _apart_lines(page: Sequence[Line], step: float) -> list[Line]:
    """Return the lines above and below the text, which a gap keeps apart from it."""
    by_height = sorted(page, key=lambda line: -line.bottom)
    return [line for ordered in (by_height, by_height[::-1]) for line in _until_gap(ordered, step)]


def _until_gap(lines: Sequence[Line], step: float) -> list[Line]:
    """Return the first lines up to a gap; none where no gap follows the first few."""
    for count, (line, after) in enumerate(zip(lines[:_MAX_EDGE_LINES], lines[1:], strict=False), 1):
        if abs(line.bottom - after.bottom) > 1.3 * step:
            return list(lines[:count])
    return []


def _shapes(line: Line, number: int) -> tuple[tuple[str, int], tuple[str, int]]:
    """Return what a running line has in common on all pages: its words; and them but for the page, with its place."""

    def from_page(match: re.Match[str]) -> str:
        figure = match.group()
        return f"#{int(figure) - number}" if figure.isdecimal() and len(figure) < 5 else "#"

    text, place = line.text.replace(CELL_GAP, " ").strip(), round(line.bottom / _SAME_PLACE)
    # Its words and the size of its font: a page that lies sideways has its head elsewhere, a title is larger.
    return (text, round(line.height)), (_DIGITS.sub(from_page, text), place)


def _document_pitch(pages: Sequence[Sequence[Line]]) -> float:
    """Return the usual distance from one line to the next over all pages."""
    steps = [pitch(page) for page in pages if len(page) > 3]
    return statistics.median_low(steps) if steps else 20.0
