"""Laid out paragraphs -> a document: headings, tables, and where each page starts."""

from __future__ import annotations

from collections.abc import Sequence

from ingest.loaders.builder import DocumentBuilder
from ingest.loaders.pdf_lines import Paragraph


def add_paragraphs(
    builder: DocumentBuilder, paragraphs: Sequence[Paragraph], *, n_pages: int = 0, has_headings: bool = True
) -> None:
    """Add paragraphs; each page starts where its first character stands, also inside a paragraph.

    Args:
        builder: Where to.
        paragraphs: Of all pages, in reading order.
        n_pages: How many pages there are; 0 for what has none.
        has_headings: Whether large print is a heading of the document.
    """
    page = 0
    for paragraph in paragraphs:
        is_heading = bool(paragraph.level) and has_headings
        start = builder.next_start("heading" if is_heading else "paragraph")
        for offset, number in paragraph.pages:
            while page < min(number, n_pages):
                builder.page(start + offset)
                page += 1
        if is_heading:
            builder.heading(paragraph.text, paragraph.level)
        elif paragraph.rows:
            builder.table(paragraph.rows, has_header=paragraph.has_header)
        else:
            builder.paragraph(paragraph.text)
    for _ in range(page, n_pages):
        builder.page(builder.length)
