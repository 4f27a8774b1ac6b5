"""PowerPoint (.pptx): slides as pages; text boxes, tables, groups, pictures in reading order; the speaker's notes."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import Any

from ingest.clean import clean_line
from ingest.errors import BrokenFileError
from ingest.loaders.base import LoadedFile, choose_title
from ingest.loaders.builder import DocumentBuilder
from ingest.ocr.reader import PictureReader
from ingest.settings import LoadSettings
from retrieval.errors import Message

_MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
_LINE_EMU = 228_600
"""Shapes whose tops differ by less than a quarter of an inch stand side by side, left to right."""
_DAMAGE = (zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError, IndexError, EOFError, OSError)


def load(data: bytes, *, source: str, settings: LoadSettings) -> LoadedFile:
    """Parse every visible slide."""
    from lxml import etree
    from pptx import Presentation
    from pptx.exc import PythonPptxError

    builder = DocumentBuilder(source, settings)
    try:
        presentation = Presentation(io.BytesIO(data))
        pictures = PictureReader(settings, source)
        titles, hidden = _read(presentation, builder, pictures, settings.max_depth)
        properties = presentation.core_properties
        author, saved = clean_line(properties.author or ""), properties.modified
        title = choose_title([properties.title, *titles[:1]], source)
    except (*_DAMAGE, PythonPptxError, etree.LxmlError) as exc:
        raise BrokenFileError(source, "pptx", f"{type(exc).__name__}: {exc}"[:200]) from exc
    facts = {"author": author} if author else {}
    pictures.check_read(builder)
    document = builder.build(title, {**facts, "date": f"{saved:%Y-%m-%d}"} if saved else facts)
    notices = (_hidden(source, hidden),) if hidden else ()
    return LoadedFile(document, _MEDIA_TYPE, "pptx", notices, needs_ocr=pictures.n_unread > 0)


def _read(
    presentation: Any, builder: DocumentBuilder, pictures: PictureReader, max_depth: int
) -> tuple[list[str], list[int]]:
    """Add the slides; returns their titles and the numbers of those that are hidden."""
    titles: list[str] = []
    hidden: list[int] = []
    for number, slide in enumerate(presentation.slides, 1):
        # A hidden slide keeps its number, so that a page is what the program calls it.
        builder.page(builder.next_start("heading"))
        if slide.element.get("show") == "0":
            hidden.append(number)
            continue
        title = slide.shapes.title
        if title is not None and (text := clean_line(title.text_frame.text)):
            builder.heading(text, 1)
            titles.append(text)
        for shape in _in_reading_order(slide.shapes, max_depth):
            if title is None or shape.shape_id != title.shape_id:
                _add_shape(builder, shape)
                if (picture := _picture(shape)) is not None:
                    pictures.add_to(builder, picture)
        if notes := _notes(slide):
            builder.paragraph(f"备注：{notes}")
    return titles, hidden


def _notes(slide: Any) -> str:
    frame = slide.notes_slide.notes_text_frame if slide.has_notes_slide else None
    return "" if frame is None else str(frame.text).strip()


def _in_reading_order(shapes: Any, max_depth: int) -> Iterator[Any]:
    """Yield shapes line by line; a group's own one after another, where the group stands."""
    placed = sorted(shapes, key=lambda shape: ((shape.top or 0) // _LINE_EMU, shape.left or 0))
    for shape in placed:
        if hasattr(shape, "shapes"):
            if max_depth > 0:
                yield from _in_reading_order(shape.shapes, max_depth - 1)
        else:
            yield shape


def _add_shape(builder: DocumentBuilder, shape: Any) -> None:
    if getattr(shape, "has_table", False):
        rows = [[cell.text for cell in row.cells] for row in shape.table.rows]
        builder.table(rows, has_header=len(rows) > 1 and bool(shape.table.first_row))
    elif getattr(shape, "has_chart", False):
        _add_chart(builder, shape.chart)
    elif shape.has_text_frame:
        # A vertical tab is a line break within a paragraph.
        builder.paragraph(shape.text_frame.text.replace("\v", "\n"))


def _picture(shape: Any) -> bytes | None:
    """Return the picture file that a shape shows; None if it shows none, or one that lies elsewhere."""
    relation_id = getattr(shape.element, "blip_rId", None)
    relation = shape.part.rels.get(relation_id) if relation_id else None
    return None if relation is None or relation.is_external else bytes(relation.target_part.blob)


def _add_chart(builder: DocumentBuilder, chart: Any) -> None:
    """Add a chart's figures as a table: they are what it says."""
    if chart.has_title and chart.chart_title.has_text_frame:
        builder.paragraph(chart.chart_title.text_frame.text)
    for plot in chart.plots:
        series = list(plot.series)
        header = ["", *(str(one.name or "") for one in series)]
        values = [list(one.values) for one in series]
        rows = [
            [str(category), *("" if i >= len(one) or one[i] is None else f"{one[i]:.15g}" for one in values)]
            for i, category in enumerate(plot.categories)
        ]
        builder.table([header, *rows], has_header=True)


def _hidden(source: str, numbers: list[int]) -> Message:
    listed = ", ".join(map(str, numbers))
    return Message(
        en=f"{source!r}: hidden slides were not read: {listed}.",
        zh=f"{source!r}：隐藏的幻灯片没有读取：第 {listed} 页。",
    )
