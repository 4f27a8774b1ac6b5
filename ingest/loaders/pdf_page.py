"""One page of a PDF -> its lines with their places, each ruled table as one of them.

What is written sideways, upside down or in columns from the right is turned first, so that everything after this file
sees lines from left to right.
"""

from __future__ import annotations

import ctypes
import math
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import pypdfium2 as pdfium
import pypdfium2.raw as raw

from ingest.clean import clean_line
from ingest.errors import BrokenFileError
from ingest.loaders.pdf_line import Line
from ingest.loaders.pdf_lines import WIDE_GAP, join_lines
from ingest.loaders.pdf_rules import Rule, rules_of
from ingest.loaders.pdf_tables import Grid, grids_of

Box = tuple[float, float, float, float]
"""Left, bottom, right, top, in points."""
Turn = Callable[[float, float], tuple[float, float]]

_TURNS: dict[str, Turn] = {
    "right": lambda x, y: (x, y),
    "up": lambda x, y: (y, -x),
    "left": lambda x, y: (-x, -y),
    "down": lambda x, y: (-y, x),
}
"""Where a point goes, by the direction in which the page's lines run; `down` is vertical text too."""

_UNSEEN = (0, 2, 0xFFFE)
"""No characters; 2 is pdfium's mark of a hyphen at a line's end."""
_BLANK = (*_UNSEEN, 0x20, 0xA0, 0x3000)
_LAYOUT_CELL_CHARS = 600
"""A table with so much in one of its cells places text on the page."""
_MIN_FILLED = 0.4
"""A grid with a smaller share of its cells filled is a form's or a chart's."""
_SAME_LINE = 0.6
_ABOVE = 100_000.0
_LEVEL = 3.0
_MIN_SEVERAL = 3
_BACK = 2.0
"""A character that lies more font heights left of the one before begins a line."""


def read_page(pdf: Any, number: int, source: str) -> list[Line]:
    """Return a page's lines in the order of the content stream; a wide gap ends a line.

    Args:
        pdf: An open document.
        number: The page, from 0.
        source: For messages.

    Raises:
        BrokenFileError: If the page cannot be parsed.
    """
    try:
        page = pdf[number]
    except pdfium.PdfiumError as exc:
        raise BrokenFileError(source, "pdf", f"page {number + 1}: {exc}") from exc
    try:
        textpage = page.get_textpage()
        try:
            return _Reader(textpage).lines(rules_of(page))
        finally:
            textpage.close()
    except pdfium.PdfiumError as exc:
        raise BrokenFileError(source, "pdf", f"page {number + 1}: {exc}") from exc
    finally:
        page.close()


class _Reader:
    """Reads the characters of a page.

    Args:
        textpage: The page's text.
    """

    def __init__(self, textpage: Any) -> None:
        self._textpage = textpage
        self._codes = [raw.FPDFText_GetUnicode(textpage, index) for index in range(textpage.count_chars())]
        self._turn = _TURNS["right"]
        self._runs = self._read_runs()
        steps = [self._step(run) for run in self._runs]
        self._direction = _direction(steps)
        self._aside: list[Line] = []
        if self._direction != "right":
            across = [run for run, (x, y) in zip(self._runs, steps, strict=True) if abs(x) > abs(y)]
            self._aside = self._lines_above(across) if self._direction in ("up", "down") else []
            self._runs = [run for run in self._runs if not self._aside or run not in across]
            self._turn = _TURNS[self._direction]
            self._runs = [piece for run in self._runs for piece in self._split_lines(run)]

    def lines(self, rules: Sequence[Rule]) -> list[Line]:
        """Return the lines; the text of a table is one, with its rows."""
        tables = self._tables([_turned(rule, self._turn) for rule in rules]) if rules else {}
        lines: list[Line] = []
        for run in self._runs:
            for piece in self._split_at_gaps(run, tables):
                line = self._line(piece) if isinstance(piece, list) else piece
                if line is not None:
                    lines.append(line)
        # pdfium puts columns of vertical text in the order of horizontal ones.
        ordered = sorted(lines, key=lambda line: -line.bottom) if self._direction == "down" else lines
        return [*self._aside, *ordered]

    def _lines_above(self, runs: Sequence[list[int]]) -> list[Line]:
        """Return lines that run across a turned page, a head mostly, as if they stood above all of it."""
        lines = filter(None, map(self._line, runs))
        return [replace(line, bottom=_ABOVE - 1.1 * number * line.height) for number, line in enumerate(lines)]

    def _read_runs(self) -> list[list[int]]:
        runs: list[list[int]] = [[]]
        for index, code in enumerate(self._codes):
            if code in (10, 13):
                runs.append([])
            else:
                runs[-1].append(index)
        return [run for run in runs if run]

    def _step(self, run: Sequence[int]) -> tuple[float, float]:
        """Return the way from a run's first visible character to its last."""
        seen = [index for index in run if self._codes[index] not in _BLANK]
        if len(seen) < 2:
            return 0.0, 0.0
        first, last = self._box(seen[0]), self._box(seen[min(len(seen) - 1, 8)])
        return last[0] - first[0], last[1] - first[1]

    def _split_lines(self, run: list[int]) -> Iterator[list[int]]:
        """Cut a run of turned text where a new line begins; pdfium sees such ends as spaces, or not at all."""
        piece: list[int] = []
        before: Box | None = None
        for index in run:
            if self._codes[index] in _BLANK:
                piece.append(index)
                continue
            box = self._box(index)
            if before is not None and box[0] < before[0] - _BACK * (box[3] - box[1]):
                yield piece
                piece = []
            piece.append(index)
            before = box
        yield piece

    def _split_at_gaps(self, run: list[int], tables: dict[int, _Table]) -> Iterator[list[int] | Line]:
        """Yield the pieces of a line between wide gaps, and in the place of a table's first character the table."""
        piece: list[int] = []
        for position, index in enumerate(run):
            if (table := tables.get(index)) is not None:
                if piece:
                    yield piece
                    piece = []
                if table.first == index:
                    yield table.line
                continue
            if self._codes[index] == 0x20 and 0 < position < len(run) - 1 and self._codes[run[position + 1]] != 0x20:
                before, after = self._box(run[position - 1]), self._box(run[position + 1])
                if after[0] - before[2] > WIDE_GAP * max(self._font_size(run[position + 1]), 1.0):
                    yield piece
                    piece = []
                    continue
            piece.append(index)
        if piece:
            yield piece

    def _line(self, run: list[int]) -> Line | None:
        visible = [index for index in run if self._codes[index] not in _BLANK]
        text = clean_line(self._text(run))
        if not visible or not text:
            return None
        first, last = self._box(visible[0]), self._box(visible[-1])
        middle = visible[len(visible) // 2]
        return Line(
            text=text,
            left=first[0],
            right=max(last[2], first[2]),
            bottom=min(first[1], last[1]),
            height=self._font_size(middle) or max(first[3] - first[1], 1.0),
            indented=self._codes[run[0]] == 0x3000,
        )

    def _text(self, run: Sequence[int]) -> str:
        chars = "".join(chr(self._codes[index]) for index in run if self._codes[index] not in _UNSEEN)
        return readable(chars.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore"))

    def _tables(self, rules: Sequence[Rule]) -> dict[int, _Table]:
        """Return for each character in a table that table."""
        grids = grids_of(rules)
        if not grids:
            return {}
        cells: list[dict[tuple[int, int], list[int]]] = [{} for _ in grids]
        for run in self._runs:
            for index in run:
                if self._codes[index] in _BLANK:
                    continue
                left, bottom, right, top = self._box(index)
                for grid, found in zip(grids, cells, strict=True):
                    cell = grid.cell_at((left + right) / 2, (bottom + top) / 2)
                    if cell is not None:
                        found.setdefault(cell, []).append(index)
                        break
        return {
            index: table
            for grid, found in zip(grids, cells, strict=True)
            if (table := self._table(grid, found)) is not None
            for chars in found.values()
            for index in chars
        }

    def _table(self, grid: Grid, cells: dict[tuple[int, int], list[int]]) -> _Table | None:
        owners = {owner for row in grid.owners for owner in row}
        texts = {cell: self._cell_lines(chars, grid.width_of(cell)) for cell, chars in cells.items()}
        longest = max((sum(len(line.text) for line in lines) for lines in texts.values()), default=0)
        columns, rows = {column for _, column in texts}, {row for row, _ in texts}
        if longest > _LAYOUT_CELL_CHARS or len(columns) < 2 or len(rows) < 2 or len(texts) < _MIN_FILLED * len(owners):
            return None
        every = [index for chars in cells.values() for index in chars]
        height = median(self._font_size(index) for index in every[:200]) or 10.0
        listed = _rows(grid, texts)
        line = Line(
            text=" ".join(filter(None, (cell for row in listed for cell in row))),
            left=grid.xs[0],
            right=grid.xs[-1],
            bottom=grid.ys[0] - height,
            height=height,
            rows=tuple(map(tuple, listed)),
        )
        return _Table(min(every), line)

    def _cell_lines(self, chars: Sequence[int], width: float) -> list[CellLine]:
        """Return the lines of a cell from the top."""
        lines: list[tuple[float, list[int]]] = []
        for index in chars:
            box = self._box(index)
            if not lines or abs(lines[-1][0] - box[1]) > _SAME_LINE * max(box[3] - box[1], 1.0):
                lines.append((box[1], []))
            elif self._codes[index - 1] == 0x20 and lines[-1][1]:
                lines[-1][1].append(index - 1)
            lines[-1][1].append(index)
        found = [
            CellLine(at, clean_line(self._text(run)), self._box(run[-1])[2] - self._box(run[0])[0] > 0.75 * width)
            for at, run in lines
        ]
        return sorted(found, key=lambda one: -one.at)

    def _font_size(self, index: int) -> float:
        """Return the height of a character's font in points: its size times its scale on the page."""
        matrix = raw.FS_MATRIX()
        if not raw.FPDFText_GetMatrix(self._textpage, index, ctypes.byref(matrix)):
            return 0.0
        return round(float(raw.FPDFText_GetFontSize(self._textpage, index)) * math.hypot(matrix.b, matrix.d), 1)

    def _box(self, index: int) -> Box:
        """Return the place of a character, as high as its font."""
        rect = raw.FS_RECTF()
        if not raw.FPDFText_GetLooseCharBox(self._textpage, index, ctypes.byref(rect)):
            return 0.0, 0.0, 0.0, 0.0
        x0, y0 = self._turn(rect.left, rect.bottom)
        x1, y1 = self._turn(rect.right, rect.top)
        return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)


@dataclass(frozen=True, slots=True)
class _Table:
    """A table's line, and its first character in the content stream."""

    first: int
    line: Line


@dataclass(frozen=True, slots=True)
class CellLine:
    """A line in a cell: its height on the page, its text, and whether it fills the cell's width."""

    at: float
    text: str
    is_full: bool


def readable(text: str) -> str:
    """Return text with the characters that its fonts drew one for another: ligatures, radicals for the words (pure).

    Many Chinese fonts give the shape of 一 the code of the radical; nobody types that when searching.
    """
    return "".join(unicodedata.normalize("NFKC", char) if _is_shape(char) else char for char in text)


def _is_shape(char: str) -> bool:
    return "\u2e80" <= char <= "\u2fd5" or "\uf900" <= char <= "\ufaff" or "\ufb00" <= char <= "\ufb06"


def _direction(steps: Sequence[tuple[float, float]]) -> str:
    """Return the direction in which most of a page's lines run."""
    votes: Counter[str] = Counter()
    for x, y in steps:
        if abs(x) >= abs(y):
            votes["right" if x >= 0 else "left"] += 1 if x else 0
        else:
            votes["up" if y > 0 else "down"] += 1
    best = max(("right", "up", "down", "left"), key=lambda name: votes[name])
    return best if votes[best] > sum(votes.values()) / 2 else "right"


def _turned(rule: Rule, turn: Turn) -> Rule:
    ends = (
        [(rule.at, rule.low), (rule.at, rule.high)] if rule.is_vertical else [(rule.low, rule.at), (rule.high, rule.at)]
    )
    (x0, y0), (x1, y1) = (turn(*end) for end in ends)
    if abs(x1 - x0) < abs(y1 - y0):
        return Rule(True, x0, min(y0, y1), max(y0, y1))
    return Rule(False, y0, min(x0, x1), max(x0, x1))


def _rows(grid: Grid, texts: dict[tuple[int, int], list[CellLine]]) -> list[list[str]]:
    """Return the cells' texts, row by row: merged over columns once, merged over rows in every row."""
    listed: list[list[str]] = []
    for number, owners in enumerate(grid.owners):
        cells = [texts.get(owner, []) if owner[1] == column else [] for column, owner in enumerate(owners)]
        several = _several(cells) if all(owner[0] == number for owner in owners) else []
        listed += several or [[_joined(cell) for cell in cells]]
    return listed


def _several(cells: Sequence[list[CellLine]]) -> list[list[str]]:
    """Return the rows that a row of the grid holds without lines between them; none where its cells hold one each.

    They are rows if the lines of two cells or more stand side by side and do not fill their cells, as wrapped text
    does. What has one line stands for all of them.
    """
    many = [cell for cell in cells if len(cell) > 1]
    longest = max(many, key=len, default=[])
    if len(many) < 2 or len(longest) < _MIN_SEVERAL or sum(one.is_full for cell in many for one in cell) > len(longest):
        return []
    if any(sum(_level(one, cell) is not None for one in longest) < len(cell) for cell in many):
        return []
    return [
        [cell[0].text if len(cell) == 1 else getattr(_level(one, cell), "text", "") for cell in cells]
        for one in longest
    ]


def _level(line: CellLine, cell: Sequence[CellLine]) -> CellLine | None:
    """Return the line of a cell that stands beside a line of another."""
    return next((one for one in cell if abs(one.at - line.at) <= _LEVEL), None)


def _joined(cell: Sequence[CellLine]) -> str:
    text = ""
    for line in cell:
        text = join_lines(text, line.text)
    return text
