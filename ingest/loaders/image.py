"""Pictures (.png, .jpg, .bmp, .tiff, .webp, .gif): the text that they show. A TIFF's frames are pages."""

from __future__ import annotations

from ingest.errors import NeedsOcrError, ParserLimitError
from ingest.loaders.base import LoadedFile, choose_title
from ingest.loaders.builder import DocumentBuilder
from ingest.loaders.paragraphs import add_paragraphs
from ingest.loaders.pdf_lines import layout, title_of
from ingest.ocr.images import Picture
from ingest.ocr.reader import PictureReader
from ingest.settings import LoadSettings


def load(data: bytes, *, source: str, settings: LoadSettings) -> LoadedFile:
    """Read the picture, or each page of it."""
    picture = Picture(data, source=source, max_pixels=settings.ocr.max_pixels)
    if picture.n_pages > settings.max_pages:
        raise ParserLimitError(source, "pages", settings.max_pages)
    reader = PictureReader(settings, source)
    if not reader.is_on:
        raise NeedsOcrError(source, picture.n_pages, is_picture=True)
    pages = reader.lines(picture)
    paragraphs = layout(pages)
    builder = DocumentBuilder(source, settings)
    add_paragraphs(builder, paragraphs, n_pages=len(pages) if picture.is_paged else 0)
    return LoadedFile(builder.build(choose_title([title_of(paragraphs)], source)), picture.media_type, "image")
