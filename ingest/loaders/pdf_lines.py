"""Lines of pages -> paragraphs, headings and table rows in reading order (pure).

What a PDF has is lines with places. Columns are put one after the other, running heads and page numbers are dropped, a
line that reaches the right edge is joined to the next one, larger or bolder short lines are headings.
"""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ingest.loaders.pdf_line import CELL_GAP, Line, pitch
from ingest.loaders.pdf_running import drop_running_lines
from ingest.loaders.tables import with_header

WIDE_GAP = 1.2
"""A gap of more font heights than this separates cells or columns."""

_ENDS = "。！？；!?;：:”』」】"
_SHORT_LINE = 15
"""A line of fewer full-width characters that ends a sentence ends its paragraph, on a page of short lines too."""

_ITEM = re.compile(
    r"[（(]?[一二三四五六七八九十百]{1,4}[)）、]|[（(]?\d{1,3}[)）、]|\d{1,3}[.．](?!\d)"
    r"|\d{1,2}(?:\.\d{1,2}){1,3} +(?![万亿元%年月日个倍])|第[一二三四五六七八九十百千零〇\d]{1,7}[条章节编款项]"
    r"|[•·●○■□◆▪➢✓–—-]\s|[①-⑳]|\[\d+\]"
)
_MIN_COLUMN_LINES = 6
_MIN_COLUMN_WIDTH = 9
"""Narrower columns, in font heights, are those of a table."""
_SAME_START = 4.0
_LEADER = re.compile(r"(?:\s?[.．·…⋯]){4,}\s*|…{2,}\s*")
_NUMBERED = re.compile(
    r"(?:第[一二三四五六七八九十百\d]+[编章节部分]+|\d+(?:\.\d+)*)(?=[\s\u3000、.．]|[\u4e00-\u9fff])"
)


@dataclass(slots=True)
class Paragraph:
    """A run of lines that belong together.

    Args:
        text: Lines joined.
        pages: (offset in text, page number) for each page that starts here or inside.
        level: Heading level, or 0.
        rows: Cells of table rows; the text is then empty.
        size: Height of the font.
        has_header: Whether the first row names the columns.
    """

    text: str
    pages: list[tuple[int, int]] = field(default_factory=list)
    level: int = 0
    rows: list[list[str]] = field(default_factory=list)
    size: float = 0.0
    has_header: bool = False


def layout(pages: Sequence[Sequence[Line]]) -> list[Paragraph]:
    """Return the paragraphs of all pages in reading order."""
    merged = [merge_fragments(order_columns(page)) for page in pages]
    kept = drop_running_lines(merged)
    body = _body_height(kept)
    paragraphs: list[Paragraph] = []
    for number, lines in enumerate(kept, 1):
        _add_page(paragraphs, lines, number, body)
    _set_levels(paragraphs)
    return paragraphs


def title_of(paragraphs: Sequence[Paragraph]) -> str | None:
    """Return the largest heading of the first page, if there is one."""
    first = [p for p in paragraphs if p.level and all(number == 1 for _, number in p.pages)][:8]
    first = [p for p in first if not any(number > 1 for _, number in p.pages)]
    return max(first, key=lambda p: p.size).text if first else None


def merge_fragments(lines: Sequence[Line]) -> list[Line]:
    """Join pieces that stand on one line next to each other: cells of a row, or a change of font."""
    merged: list[Line] = []
    for line in lines:
        before = merged[-1] if merged else None
        if before is not None and _is_beside(before, line):
            gap = line.left - before.right
            glue = CELL_GAP if gap > WIDE_GAP * before.height else " " if gap > 0.25 * before.height else ""
            merged[-1] = replace(
                before,
                text=before.text + glue + line.text,
                right=line.right,
                bottom=min(before.bottom, line.bottom),
                height=max(before.height, line.height),
            )
        else:
            merged.append(line)
    return merged


def _is_beside(before: Line, line: Line) -> bool:
    overlap = min(before.bottom + before.height, line.bottom + line.height) - max(before.bottom, line.bottom)
    if before.rows or line.rows:
        return False
    return line.left >= before.right - 0.5 * before.height and overlap > 0.5 * min(before.height, line.height)


def order_columns(lines: Sequence[Line]) -> list[Line]:
    """Put columns one after the other where the content stream mixes them; else keep the stream's order."""
    gutter = _gutter(lines)
    if gutter is None:
        return list(lines)
    ordered: list[Line] = []
    left: list[Line] = []
    right: list[Line] = []
    for line in sorted(lines, key=lambda line: -line.bottom):
        if line.left < gutter < line.right or _stands_alone(line, lines, gutter):
            # Runs across: what stands above it comes first.
            ordered += [*left, *order_columns(right), line]
            left, right = [], []
        else:
            (left if line.right <= gutter else right).append(line)
    return [*ordered, *left, *order_columns(right)]


def _stands_alone(line: Line, lines: Sequence[Line], gutter: float) -> bool:
    """Whether a line is a heading of all columns although it is short: none beside it, some above and below."""
    if line.left >= gutter or line.height < 1.1 * statistics.median(one.height for one in lines):
        return False
    beside = [one for one in lines if one.left >= gutter]
    margin = 0.5 * line.height
    above = any(one.bottom > line.bottom + line.height for one in beside)
    below = any(one.bottom + one.height < line.bottom for one in beside)
    level = [
        one
        for one in beside
        if one.bottom < line.bottom + line.height + margin and one.bottom + one.height > line.bottom - margin
    ]
    return above and below and not level


def _gutter(lines: Sequence[Line]) -> float | None:
    """Return an x in the first gap between columns of running text, or None."""
    if len(lines) < 2 * _MIN_COLUMN_LINES:
        return None
    starts = Counter(round(line.left / _SAME_START) for line in lines)
    usual = sorted(start for start, count in starts.items() if count >= _MIN_COLUMN_LINES // 2)
    for start in usual[1:]:
        # In the middle of the gap, so that a title over both columns runs across it.
        begin = (start - 0.5) * _SAME_START - 1
        ends = sorted(line.right for line in lines if line.right <= begin)
        x = (ends[(len(ends) - 1) * 9 // 10] + begin) / 2 if ends else begin
        left = [line for line in lines if line.right <= x]
        right = [line for line in lines if line.left >= x]
        if min(len(left), len(right)) < _MIN_COLUMN_LINES:
            continue
        if len(lines) - len(left) - len(right) > len(lines) * 0.25:
            continue
        if _is_running_text(left) and (_is_running_text(right) or _gutter(right) is not None):
            return x
    return None


def _is_running_text(lines: Sequence[Line]) -> bool:
    """Tell text that fills its column from the cells of a table."""
    width = max(line.right for line in lines) - min(line.left for line in lines)
    full = sum(line.right - line.left > 0.8 * width for line in lines)
    return full > 0.5 * len(lines) and width > _MIN_COLUMN_WIDTH * statistics.median(line.height for line in lines)


def _body_height(pages: Sequence[Sequence[Line]]) -> float:
    heights: Counter[float] = Counter()
    for page in pages:
        for line in page:
            heights[round(line.height * 2) / 2] += len(line.text)
    return max(heights, key=lambda height: heights[height], default=10.0)


def _add_page(paragraphs: list[Paragraph], lines: Sequence[Line], number: int, body: float) -> None:
    edges = _edges(lines)
    step = pitch(lines)
    before: Line | None = None
    for position, line in enumerate(lines):
        after = lines[position + 1] if position + 1 < len(lines) else None
        last = paragraphs[-1] if paragraphs else None
        page_mark = [(0, number)] if position == 0 else []
        if line.rows:
            paragraphs.append(_table(line, page_mark, last))
        elif _is_row(line, before, after):
            row = [_readable(cell) for cell in line.text.split(CELL_GAP)]
            if last is not None and last.rows and position and before is not None and not before.rows:
                last.rows.append(row)
            else:
                paragraphs.append(Paragraph("", page_mark, rows=[row], size=line.height))
        elif _is_heading(line, body):
            if last is not None and last.level and before is not None and _continues_heading(before, line):
                last.text = join_lines(last.text, _readable(line.text))
            else:
                paragraphs.append(Paragraph(_readable(line.text), page_mark, level=1, size=line.height))
        elif last is not None and _continues(last, before, line, edges, step, at_page_start=position == 0):
            joined = join_lines(last.text, _readable(line.text))
            last.pages += [(len(joined) - len(_readable(line.text)), number)] if position == 0 else []
            last.text = joined
        else:
            paragraphs.append(Paragraph(_readable(line.text), page_mark, size=line.height))
        before = line


def _table(line: Line, page_mark: list[tuple[int, int]], before: Paragraph | None) -> Paragraph:
    """Return a ruled table; one that goes on from the page before names its columns again."""
    rows, has_header = with_header(line.rows)
    if (
        page_mark
        and before is not None
        and before.has_header
        and len(before.rows[0]) == len(rows[0])
        and not has_header
    ):
        rows.insert(0, before.rows[0])
        has_header = True
    return Paragraph("", page_mark, rows=[list(row) for row in rows], size=line.height, has_header=has_header)


def _readable(text: str) -> str:
    return _LEADER.sub(" …… ", text.replace(CELL_GAP, " ")).strip()


def _edges(lines: Sequence[Line]) -> dict[int, tuple[float, float]]:
    """Return left and right edge of the text column that each line (by id) stands in."""
    edges: dict[int, tuple[float, float]] = {}
    for group in _columns(lines):
        left = sorted(line.left for line in group)[len(group) // 10]
        right = sorted(line.right for line in group)[-1 - len(group) // 10]
        edges |= {id(line): (left, right) for line in group}
    return edges


def _columns(lines: Sequence[Line]) -> list[Sequence[Line]]:
    """Return the lines of each column; what runs across belongs to the first."""
    gutter = _gutter(lines)
    if gutter is None:
        return [lines] if lines else []
    right = [line for line in lines if line.left >= gutter]
    return [[line for line in lines if line.left < gutter], *_columns(right)]


def _is_row(line: Line, before: Line | None, after: Line | None) -> bool:
    """Tell table rows: at least two lines with cells, one under the other."""
    return (
        CELL_GAP in line.text
        and not _LEADER.search(line.text)
        and any(other is not None and CELL_GAP in other.text for other in (before, after))
    )


def _is_heading(line: Line, body: float) -> bool:
    text = line.text
    if len(text) > 60 or text[-1] in "。；，,;、" or _LEADER.search(text) or not any(c.isalpha() for c in text):
        return False
    return line.height >= 1.15 * body or (line.height >= 1.06 * body and _NUMBERED.match(text) is not None)


def _continues_heading(before: Line, line: Line) -> bool:
    same_size = abs(before.height - line.height) < 0.05 * before.height
    return same_size and 0 < before.bottom - line.bottom < 2 * line.height and not _ITEM.match(line.text)


def _continues(
    last: Paragraph,
    before: Line | None,
    line: Line,
    edges: dict[int, tuple[float, float]],
    step: float,
    *,
    at_page_start: bool,
) -> bool:
    """Tell whether a line goes on with the paragraph before it."""
    left, right = edges[id(line)]
    if last.level or last.rows or line.indented or _ITEM.match(line.text) or not last.text:
        return False
    if abs(last.size - line.height) > 0.1 * last.size:
        return False
    is_first_line = line.left > left + 0.8 * line.height
    if at_page_start or before is None:
        return not is_first_line and last.text[-1] not in _ENDS and len(last.text) > 20
    is_full = before.right >= edges[id(before)][1] - 1.6 * before.height
    if last.text[-1] in _ENDS and before.right - before.left < _SHORT_LINE * before.height:
        return False
    drop = before.bottom - line.bottom
    if not is_full or drop > 1.6 * step or line.left > before.left + 0.8 * line.height and not _ITEM.match(before.text):
        return drop < 0 and is_full and last.text[-1] not in _ENDS and not is_first_line  # The next column.
    return not (is_first_line and last.text[-1] in _ENDS and line.left > before.left - 0.3 * line.height)


def join_lines(text: str, more: str) -> str:
    """Return two lines as one: a space only between Latin words, a hyphen at the end taken out."""
    if not text or not more:
        return text + more
    if re.search(r"[a-z]-$", text) and more[0].islower():
        return text[:-1] + more
    if text[-1].isascii() and more[0].isascii() and not (text[-1].isdigit() and more[0].isdigit()):
        return f"{text} {more}"
    return text + more


def _set_levels(paragraphs: Sequence[Paragraph]) -> None:
    """Give headings levels by the size of their font, the largest first."""
    sizes = sorted({round(p.size) for p in paragraphs if p.level}, reverse=True)
    ranks: dict[int, int] = {}
    level = 0
    for position, size in enumerate(sizes):
        level += position == 0 or sizes[position - 1] - size > 0.08 * size
        ranks[size] = min(level, 6)
    for paragraph in paragraphs:
        if paragraph.level:
            paragraph.level = ranks[round(paragraph.size)]
