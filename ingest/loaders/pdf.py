"""PDF with a text layer: reading order, paragraphs and headings from the places of its lines (pdf_lines.py)."""

from __future__ import annotations

import re

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
from ingest.garble import is_garbled
from ingest.loaders.base import LoadedFile, choose_title
from ingest.loaders.builder import DocumentBuilder
from ingest.loaders.paragraphs import add_paragraphs
from ingest.loaders.pdf_line import Line
from ingest.loaders.pdf_lines import layout, title_of
from ingest.loaders.pdf_page import read_page
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
        pages = [read_page(pdf, number, source) for number in range(len(pdf))]
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
    """Whether a page has no text layer to speak of, or one of a font that does not say what its shapes mean."""
    text = "".join(line.text for line in lines)
    return len(text) < _FEW_CHARS or len(_GARBAGE.findall(text)) > len(text) * 0.3 or is_garbled(text)
