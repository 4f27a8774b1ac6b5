"""A PDF's scanned pages, and pictures on pages that have text: drawn as they are seen, then read.

Drawing takes whatever a page is made of: a picture turned or cut, strips of one scan, text drawn as curves.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pypdfium2.raw as raw

from ingest.loaders.pdf_line import Line
from ingest.ocr.boxes import as_lines, evened
from ingest.ocr.images import MAX_SIDE
from ingest.ocr.reader import PictureReader

if TYPE_CHECKING:
    from ingest.ocr.images import Pixels

Box = tuple[float, float, float, float]
"""Left, bottom, right, top, in points."""

_MAX_OBJECTS = 20_000
"""A page of more pieces is a drawing: its pictures are not looked for."""
_MAX_COVERED_CHARS = 4
"""A picture with more text over it has its text layer already."""


def read_pictures(pdf: Any, pages: list[list[Line]], textless: Sequence[int], reader: PictureReader) -> list[int]:
    """Put the lines of scanned pages, and of pictures on others, among the pages' lines.

    Args:
        pdf: The open file.
        pages: Lines of each page; changed.
        textless: Numbers, from 1, of pages without a text layer.
        reader: Of this document.

    Returns:
        Numbers of the scanned pages that stay unread, because OCR is off.
    """
    unread = []
    scanned: dict[int, list[Line]] = {}
    for number in range(1, len(pages) + 1):
        page = pdf[number - 1]
        try:
            n_objects = int(raw.FPDFPage_CountObjects(page))
            if not n_objects:
                continue
            if number not in textless:
                if reader.is_looking and n_objects <= _MAX_OBJECTS and not page.get_rotation():
                    pages[number - 1] = _with_pictures(page, n_objects, pages[number - 1], reader)
            elif reader.is_on:
                scanned[number - 1] = _scanned(page, reader)
            else:
                unread.append(number)
        finally:
            page.close()
    for index, lines in zip(scanned, evened(list(scanned.values())), strict=True):
        pages[index] = lines
    return unread


def _scanned(page: Any, reader: PictureReader) -> list[Line]:
    """Return the lines of a page that is one picture."""
    box = _whole(page)
    scale = _scale(box, reader)
    pixels = _drawn(page, scale, (0.0, 0.0, 0.0, 0.0))
    return as_lines(reader.boxes(pixels), height=pixels.shape[0], scale=1 / scale, left=box[0], bottom=box[1])


def _with_pictures(page: Any, n_objects: int, lines: list[Line], reader: PictureReader) -> list[Line]:
    """Return a page's lines with those of its pictures, each where it stands."""
    for box in _pictures(page, n_objects):
        left, bottom, right, top = box
        scale = reader.dpi / 72
        if not reader.is_worth_reading(scale * (right - left), scale * (top - bottom)) or _is_covered(box, lines):
            continue
        found = _in_picture(page, box, reader)
        middle = (bottom + top) / 2
        place = next((i for i, line in enumerate(lines) if line.bottom < middle), len(lines))
        lines = [*lines[:place], *found, *lines[place:]]
    return lines


def _pictures(page: Any, n_objects: int) -> Iterator[Box]:
    """Yield where the pictures of a page stand, as far as they are seen."""
    edge_left, edge_bottom, edge_right, edge_top = page.get_bbox()
    for index in range(n_objects):
        item = raw.FPDFPage_GetObject(page, index)
        if raw.FPDFPageObj_GetType(item) != raw.FPDF_PAGEOBJ_IMAGE:
            continue
        edges = [ctypes.c_float() for _ in range(4)]
        if raw.FPDFPageObj_GetBounds(item, *(ctypes.byref(edge) for edge in edges)):
            left, bottom, right, top = (edge.value for edge in edges)
            seen = (max(left, edge_left), max(bottom, edge_bottom), min(right, edge_right), min(top, edge_top))
            if seen[0] < seen[2] and seen[1] < seen[3]:
                yield seen


def _is_covered(box: Box, lines: Sequence[Line]) -> bool:
    left, bottom, right, top = box
    inside = [
        line
        for line in lines
        if left <= (line.left + line.right) / 2 <= right and bottom <= line.bottom + line.height / 2 <= top
    ]
    return sum(len(line.text) for line in inside) > _MAX_COVERED_CHARS


def _whole(page: Any) -> Box:
    """Return the box of a page as it is shown: turned pages have their sides swapped."""
    left, bottom, *_ = page.get_bbox()
    width, height = page.get_size()
    return left, bottom, left + width, bottom + height


def _in_picture(page: Any, box: Box, reader: PictureReader) -> list[Line]:
    """Return the lines of a picture on a page; none where OCR is off, or where it was seen before."""
    left, bottom, right, top = box
    scale = _scale(box, reader)
    edge_left, edge_bottom, edge_right, edge_top = _whole(page)
    pixels = _drawn(page, scale, (left - edge_left, bottom - edge_bottom, edge_right - right, edge_top - top))
    boxes = reader.boxes(pixels) if reader.is_taken(pixels.tobytes()) else []
    return evened([as_lines(boxes, height=pixels.shape[0], scale=1 / scale, left=left, bottom=bottom)])[0]


def _scale(box: Box, reader: PictureReader) -> float:
    """Return how many pixels stand for a point of what is drawn."""
    left, bottom, right, top = box
    return min(reader.dpi / 72, MAX_SIDE / max(right - left, top - bottom))


def _drawn(page: Any, scale: float, margins: Box) -> Pixels:
    """Draw a page without its margins (left, bottom, right, top, in points)."""
    import numpy as np

    bitmap = page.render(scale=scale, crop=margins, rev_byteorder=True)
    try:
        return np.array(bitmap.to_numpy()[:, :, :3])
    finally:
        bitmap.close()
