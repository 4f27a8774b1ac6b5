"""The straight lines that a PDF page draws: edges of tables, whatever program drew them."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pypdfium2.raw as raw

MAX_OBJECTS = 20_000
"""A page with more pieces is a drawing, in which no table is looked for."""
_MAX_RULES = 3_000
_MAX_FORMS_DEPTH = 3
_STRAIGHT = 1.5
"""Points by which a line may lean and still be one of a table."""
_MIN_LENGTH = 4.0
_MAX_THICK = 2.5

Point = tuple[float, float]
Matrix = tuple[float, float, float, float, float, float]
_UNCHANGED: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Rule:
    """A horizontal or vertical line, in points.

    Args:
        is_vertical: Whether it runs up and down.
        at: Its x if it is vertical, else its y.
        low: Where it begins.
        high: Where it ends.
    """

    is_vertical: bool
    at: float
    low: float
    high: float


def rules_of(page: Any) -> list[Rule]:
    """Return a page's rules; none of a page that draws too much to be text with tables."""
    if int(raw.FPDFPage_CountObjects(page)) > MAX_OBJECTS:
        return []
    rules: list[Rule] = []
    for rule in _page_rules(page):
        rules.append(rule)
        if len(rules) > _MAX_RULES:
            return []
    return rules


def _page_rules(page: Any) -> Iterator[Rule]:
    for index in range(int(raw.FPDFPage_CountObjects(page))):
        yield from _object_rules(raw.FPDFPage_GetObject(page, index), _UNCHANGED, 0)


def _object_rules(item: Any, outer: Matrix, depth: int) -> Iterator[Rule]:
    kind = raw.FPDFPageObj_GetType(item)
    if kind not in (raw.FPDF_PAGEOBJ_PATH, raw.FPDF_PAGEOBJ_FORM):
        return
    own = raw.FS_MATRIX()
    raw.FPDFPageObj_GetMatrix(item, ctypes.byref(own))
    matrix = _combined((own.a, own.b, own.c, own.d, own.e, own.f), outer)
    if kind == raw.FPDF_PAGEOBJ_PATH:
        is_filled, is_stroked = _drawn(item)
        for outline in _outlines(item, matrix) if is_filled or is_stroked else ():
            yield from _stroked(outline) if is_stroked else _thin(outline)
    elif depth < _MAX_FORMS_DEPTH:
        for index in range(min(int(raw.FPDFFormObj_CountObjects(item)), MAX_OBJECTS)):
            yield from _object_rules(raw.FPDFFormObj_GetObject(item, index), matrix, depth + 1)


def _drawn(path: Any) -> tuple[bool, bool]:
    """Return whether a path is filled, and whether its outline is drawn."""
    fill, stroke = ctypes.c_int(), ctypes.c_int()
    raw.FPDFPath_GetDrawMode(path, ctypes.byref(fill), ctypes.byref(stroke))
    return bool(fill.value), bool(stroke.value)


def _outlines(path: Any, matrix: Matrix) -> Iterator[list[Point]]:
    """Yield the outlines of a path as points; of curves, nothing."""
    outline: list[Point] = []
    for index in range(min(int(raw.FPDFPath_CountSegments(path)), _MAX_RULES)):
        segment = raw.FPDFPath_GetPathSegment(path, index)
        x, y = ctypes.c_float(), ctypes.c_float()
        raw.FPDFPathSegment_GetPoint(segment, ctypes.byref(x), ctypes.byref(y))
        kind = raw.FPDFPathSegment_GetType(segment)
        if kind == raw.FPDF_SEGMENT_BEZIERTO:
            outline = []
            continue
        if kind == raw.FPDF_SEGMENT_MOVETO and outline:
            yield outline
            outline = []
        outline.append(_placed(x.value, y.value, matrix))
        if raw.FPDFPathSegment_GetClose(segment):
            yield [*outline, outline[0]]
            outline = []
    if outline:
        yield outline


def _stroked(outline: list[Point]) -> Iterator[Rule]:
    """Yield the straight pieces of an outline."""
    for start, end in zip(outline, outline[1:], strict=False):
        yield from _rule(start, end)


def _thin(outline: list[Point]) -> Iterator[Rule]:
    """Yield a filled shape as a rule if it is thin enough to be one; others are backgrounds."""
    xs, ys = [x for x, _ in outline], [y for _, y in outline]
    if min(max(xs) - min(xs), max(ys) - min(ys)) > _MAX_THICK:
        return
    x, y = (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2
    if max(xs) - min(xs) < max(ys) - min(ys):
        yield from _rule((x, min(ys)), (x, max(ys)))
    else:
        yield from _rule((min(xs), y), (max(xs), y))


def _rule(start: Point, end: Point) -> Iterator[Rule]:
    (x0, y0), (x1, y1) = start, end
    if abs(x1 - x0) <= _STRAIGHT and abs(y1 - y0) >= _MIN_LENGTH:
        yield Rule(True, (x0 + x1) / 2, min(y0, y1), max(y0, y1))
    elif abs(y1 - y0) <= _STRAIGHT and abs(x1 - x0) >= _MIN_LENGTH:
        yield Rule(False, (y0 + y1) / 2, min(x0, x1), max(x0, x1))


def _placed(x: float, y: float, matrix: Matrix) -> Point:
    a, b, c, d, e, f = matrix
    return a * x + c * y + e, b * x + d * y + f


def _combined(inner: Matrix, outer: Matrix) -> Matrix:
    """Return what first `inner`, then `outer` does."""
    a, b, c, d, e, f = inner
    e, f = _placed(e, f, outer)
    p, q, r, s, *_ = outer
    return a * p + b * r, a * q + b * s, c * p + d * r, c * q + d * s, e, f
