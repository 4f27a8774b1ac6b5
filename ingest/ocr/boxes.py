"""Boxes of text found in a picture -> lines with places, as a PDF page has them (pure).

From there on a scanned page is laid out as any other: columns, table rows, paragraphs, headings, running heads.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ingest.loaders.pdf_line import Line

Point = tuple[float, float]

_GLYPHS = 0.8
"""Part of a box's height that its characters take, measured on print of known size: finders leave a rim."""
_SAME_SIZE, _SAME_SIZE_LONG = 0.28, 0.5
"""Lines whose heights differ by no more from the usual one hold the same print: a box is as high as its letters.

Long lines are no headings, and grow with every letter that reaches out.
"""
_SAME_START = 0.4
"""Left edges that differ by no more of a line's height are one."""
_LEVEL = math.radians(0.3)
_MAX_SKEW = math.radians(20)


@dataclass(frozen=True, slots=True)
class TextBox:
    """A line of text in a picture.

    Args:
        text: What it says.
        score: How sure that is, in [0, 1].
        corners: Upper left, upper right, lower right, lower left, in pixels; y goes down.
    """

    text: str
    score: float
    corners: tuple[Point, ...]

    @property
    def left(self) -> float:
        """Left edge."""
        return min(x for x, _ in self.corners)

    @property
    def right(self) -> float:
        """Right edge."""
        return max(x for x, _ in self.corners)

    @property
    def middle(self) -> float:
        """Height of its middle."""
        return sum(y for _, y in self.corners) / len(self.corners)

    @property
    def height(self) -> float:
        """Height of the line, across its direction."""
        (ax, ay), (bx, by), (cx, cy), (dx, dy) = self.corners
        return (math.hypot(dx - ax, dy - ay) + math.hypot(cx - bx, cy - by)) / 2

    @property
    def width(self) -> float:
        """Length of the line, along its direction."""
        (ax, ay), (bx, by) = self.corners[:2]
        return math.hypot(bx - ax, by - ay)

    @property
    def angle(self) -> float:
        """Angle of its direction, in radians."""
        (ax, ay), (bx, by) = self.corners[:2]
        return math.atan2(by - ay, bx - ax)


def sureness(boxes: Sequence[TextBox]) -> float:
    """Return how sure a page's text is, in [0, 1]: the mean over its characters."""
    n_chars = sum(len(box.text) for box in boxes)
    return sum(box.score * len(box.text) for box in boxes) / n_chars if n_chars else 0.0


def is_sideways(boxes: Sequence[TextBox]) -> bool:
    """Tell whether most of the lines run up or down the page."""
    long = [box for box in boxes if len(box.text) > 1]
    return sum(box.height > 1.5 * box.width for box in long) > len(long) / 2


def as_lines(
    boxes: Sequence[TextBox], *, height: float, scale: float = 1.0, left: float = 0.0, bottom: float = 0.0
) -> list[Line]:
    """Return the lines of a picture, row by row from above, each row from the left.

    Args:
        boxes: What was found, in any order.
        height: Of the picture, in pixels.
        scale: Points for one pixel.
        left: Where the picture's left edge stands on the page, in points.
        bottom: Where its lower edge stands.
    """
    lines = []
    for row in _rows(_straightened(boxes)):
        for box in row:
            glyphs = _GLYPHS * box.height
            rim = (box.height - glyphs) / 2
            lines.append(
                Line(
                    text=box.text.strip(),
                    left=left + scale * (box.left + rim),
                    right=left + scale * (box.right - rim),
                    bottom=bottom + scale * (height - box.middle - glyphs / 2),
                    height=scale * glyphs,
                )
            )
    return [line for line in lines if line.text]


def evened(pages: Sequence[Sequence[Line]]) -> list[list[Line]]:
    """Take out the noise of finding: lines of about one height, or with about one left edge, have the same.

    Args:
        pages: Lines of all pages of a document: what is the usual height is a matter of all of them.
    """
    usual = _usual_height([line for page in pages for line in page])
    return [_aligned([_sized(line, usual, page) for line in page], usual) for page in pages]


def _sized(line: Line, usual: float, page: Sequence[Line]) -> Line:
    """Give a line the usual height, unless it is a heading's or small print."""
    is_long = line.right - line.left > 0.5 * max(one.right - one.left for one in page)
    if abs(line.height - usual) > (_SAME_SIZE_LONG if is_long else _SAME_SIZE) * usual:
        return line
    return replace(line, bottom=line.bottom + (line.height - usual) / 2, height=usual)


def _aligned(lines: Sequence[Line], usual: float) -> list[Line]:
    """Give lines that begin at about the same place the place where most of them do."""
    starts: dict[int, float] = {}  # By the line's number.
    group: list[int] = []
    for number in sorted(range(len(lines)), key=lambda number: lines[number].left):
        if group and lines[number].left - lines[group[0]].left > _SAME_START * usual:
            group = []
        group.append(number)
        starts |= dict.fromkeys(group, lines[group[len(group) // 2]].left)
    return [replace(line, left=min(starts[number], line.right)) for number, line in enumerate(lines)]


def _straightened(boxes: Sequence[TextBox]) -> list[TextBox]:
    """Turn all boxes by the angle at which the sheet lay on the scanner."""
    skew = _skew(boxes)
    if not _LEVEL < abs(skew) < _MAX_SKEW:
        return list(boxes)
    cos, sin = math.cos(-skew), math.sin(-skew)
    return [
        replace(box, corners=tuple((x * cos - y * sin, x * sin + y * cos) for x, y in box.corners)) for box in boxes
    ]


def _skew(boxes: Sequence[TextBox]) -> float:
    """Return the angle of most of the text; long lines tell it best."""
    lying = sorted((box.angle, box.width) for box in boxes if box.width > 2 * box.height)
    half = sum(width for _, width in lying) / 2
    for angle, width in lying if len(lying) >= 3 else ():
        half -= width
        if half <= 0:
            return angle
    return 0.0


def _rows(boxes: Sequence[TextBox]) -> list[list[TextBox]]:
    """Return boxes that stand side by side together, rows from above, each from the left."""
    rows: list[list[TextBox]] = []
    for box in sorted(boxes, key=lambda box: box.middle):
        row = rows[-1] if rows else []
        # The first box of a row is its measure, so that a row never drifts into the next.
        if row and abs(row[0].middle - box.middle) < 0.5 * min(row[0].height, box.height):
            row.append(box)
        else:
            rows.append([box])
    return [sorted(row, key=lambda box: box.left) for row in rows]


def _usual_height(lines: Sequence[Line]) -> float:
    """Return the height of most of the text, rounded as heights of fonts are."""
    heights = sorted((line.height, len(line.text)) for line in lines)
    half = sum(count for _, count in heights) / 2
    for height, count in heights:
        half -= count
        if half <= 0:
            return round(height, 1)
    return 0.0
