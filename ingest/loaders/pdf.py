"""PDF with a text layer: reading order, paragraphs and headings from the places of its lines (pdf_lines.py)."""

from __future__ import annotations

import ctypes
import math
import re
from typing import Any

import pypdfium2 as pdfium
import pypdfium2.raw as raw

from ingest.clean import clean_line
from ingest.errors import (
    OCR_HINT,
    BrokenFileError,
    EmptyFileError,
    EncryptedError,
    NeedsOcrError,
    ParserLimitError,
)
from ingest.loaders.base import LoadedFile, choose_title
from ingest.loaders.builder import DocumentBuilder
from ingest.loaders.paragraphs import add_paragraphs
from ingest.loaders.pdf_lines import WIDE_GAP, Line, layout, title_of
from ingest.loaders.pdf_pictures import read_pictures
from ingest.ocr.reader import PictureReader
from ingest.settings import LoadSettings
from retrieval.errors import Message

_FEW_CHARS = 5
"""A page with fewer characters than this has no text layer to speak of."""

_GARBAGE = re.compile(r"[\ue000-\uf8ff\ufffd\x00-\x01\x03-\x08\x0e-\x1f]")


def load(data: bytes, *, source: str, settings: LoadSettings) -> LoadedFile:
    """Read every page's lines, then lay them out."""
    try:
        pdf = pdfium.PdfDocument(data)
    except pdfium.PdfiumError as exc:
        if getattr(exc, "err_code", None) == raw.FPDF_ERR_PASSWORD:
            raise EncryptedError(source) from exc
        raise BrokenFileError(source, "pdf", str(exc).split("\n")[0]) from exc
    try:
        if len(pdf) > settings.max_pages:
            raise ParserLimitError(source, "pages", settings.max_pages)
        metadata = pdf.get_metadata_dict()
        pages = [_read_page(pdf, number, source) for number in range(len(pdf))]
        reader = PictureReader(settings, source)
        textless = [number for number, lines in enumerate(pages, 1) if _is_textless(lines)]
        unread = read_pictures(pdf, pages, textless, reader)
    finally:
        pdf.close()
    if len(textless) == len(pages) and unread:
        raise NeedsOcrError(source, len(pages))
    if not any(pages):
        raise EmptyFileError(source)
    paragraphs = layout(pages)
    builder = DocumentBuilder(source, settings)
    add_paragraphs(builder, paragraphs, n_pages=len(pages))
    title = choose_title([metadata.get("Title"), title_of(paragraphs)], source)
    document = builder.build(title, _facts(metadata))
    needs_ocr = bool(unread or reader.n_unread)
    return LoadedFile(document, "application/pdf", "pdf", _warnings(unread, len(pages)), needs_ocr=needs_ocr)


def _facts(metadata: dict[str, str]) -> dict[str, str]:
    author = clean_line(metadata.get("Author", ""))
    created = re.match(r"D:(\d{4})(\d{2})(\d{2})", metadata.get("CreationDate", ""))
    facts = {"author": author} if author and author.lower() not in ("anonymous", "unknown", "user", "admin") else {}
    return facts | ({"date": "-".join(created.groups())} if created else {})


def _warnings(unread: list[int], n_pages: int) -> tuple[Message, ...]:
    if not unread:
        return ()
    shown = ", ".join(map(str, unread[:10])) + (", ..." if len(unread) > 10 else "")
    return (
        Message(
            en=f"{len(unread)} of {n_pages} pages have no text layer and were not read (pages {shown}): {OCR_HINT.en}",
            zh=f"{n_pages} 页中有 {len(unread)} 页没有文字层，未读取（第 {shown} 页）：{OCR_HINT.zh}",
        ),
    )


def _is_textless(lines: list[Line]) -> bool:
    text = "".join(line.text for line in lines)
    return len(text) < _FEW_CHARS or len(_GARBAGE.findall(text)) > len(text) * 0.3


def _read_page(pdf: Any, number: int, source: str) -> list[Line]:
    try:
        page = pdf[number]
    except pdfium.PdfiumError as exc:
        raise BrokenFileError(source, "pdf", f"page {number + 1}: {exc}") from exc
    try:
        textpage = page.get_textpage()
        try:
            return _lines(textpage)
        finally:
            textpage.close()
    except pdfium.PdfiumError as exc:
        raise BrokenFileError(source, "pdf", f"page {number + 1}: {exc}") from exc
    finally:
        page.close()


def _lines(textpage: Any) -> list[Line]:
    """Return the page's lines with their places, in the order of the content stream; a wide gap ends a line."""
    codes = [raw.FPDFText_GetUnicode(textpage, index) for index in range(textpage.count_chars())]
    lines: list[Line] = []
    run: list[int] = []
    for index, code in enumerate([*codes, 10]):
        if code not in (10, 13):
            run.append(index)
        elif run:
            pieces = _split_at_gaps(textpage, run, codes)
            lines += [line for piece in pieces if (line := _line(textpage, piece, codes)) is not None]
            run = []
    return lines


def _split_at_gaps(textpage: Any, run: list[int], codes: list[int]) -> list[list[int]]:
    """Cut a line where a space is as wide as the gap between cells or columns."""
    pieces: list[list[int]] = [[]]
    for position, index in enumerate(run):
        if codes[index] == 0x20 and 0 < position < len(run) - 1 and codes[run[position + 1]] != 0x20:
            before, after = _box(textpage, run[position - 1]), _box(textpage, run[position + 1])
            if after[0] - before[2] > WIDE_GAP * max(_font_size(textpage, run[position + 1]), 1.0):
                pieces.append([])
                continue
        pieces[-1].append(index)
    return pieces


def _line(textpage: Any, run: list[int], codes: list[int]) -> Line | None:
    visible = [index for index in run if codes[index] not in (0, 2, 0x20, 0xA0, 0x3000, 0xFFFE)]
    # 2 is pdfium's mark of a hyphen at a line's end.
    chars = "".join(chr(codes[index]) for index in run if codes[index] not in (0, 2, 0xFFFE))
    text = clean_line(chars.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore"))
    if not visible or not text:
        return None
    first, last = _box(textpage, visible[0]), _box(textpage, visible[-1])
    middle = visible[len(visible) // 2]
    return Line(
        text=text,
        left=first[0],
        right=max(last[2], first[2]),
        bottom=min(first[1], last[1]),
        height=_font_size(textpage, middle) or max(first[3] - first[1], 1.0),
        indented=codes[run[0]] == 0x3000,
    )


def _font_size(textpage: Any, index: int) -> float:
    """Return the height of a character's font in points: its size times its scale on the page."""
    matrix = raw.FS_MATRIX()
    if not raw.FPDFText_GetMatrix(textpage, index, ctypes.byref(matrix)):
        return 0.0
    return round(float(raw.FPDFText_GetFontSize(textpage, index)) * math.hypot(matrix.b, matrix.d), 1)


def _box(textpage: Any, index: int) -> tuple[float, float, float, float]:
    """Return left, bottom, right, top of a character in points, as high as its font."""
    rect = raw.FS_RECTF()
    if not raw.FPDFText_GetLooseCharBox(textpage, index, ctypes.byref(rect)):
        return 0.0, 0.0, 0.0, 0.0
    return rect.left, rect.bottom, rect.right, rect.top
