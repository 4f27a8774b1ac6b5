"""OpenDocument texts (.odt): headings by outline level, paragraphs, lists, tables, notes."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import Any

from lxml import etree

from ingest.clean import clean_line
from ingest.errors import BrokenFileError, EncryptedError
from ingest.loaders.base import LoadedFile, choose_title
from ingest.loaders.builder import DocumentBuilder
from ingest.settings import LoadSettings

_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_MEDIA_TYPE = "application/vnd.oasis.opendocument.text"
_SKIPPED = (f"{_TEXT}tracked-changes", f"{_OFFICE}annotation", f"{_TEXT}sequence-decls", f"{_TEXT}note-citation")
_MAX_REPEATED = 100


def load(data: bytes, *, source: str, settings: LoadSettings) -> LoadedFile:
    """Parse content and properties."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if b"encryption-data" in archive.read("META-INF/manifest.xml"):
                raise EncryptedError(source)
            content = _xml(archive.read("content.xml"))
            properties = _xml(archive.read("meta.xml")) if "meta.xml" in archive.namelist() else None
    except (zipfile.BadZipFile, KeyError, etree.LxmlError, EOFError, RuntimeError) as exc:
        raise BrokenFileError(source, "odt", f"{type(exc).__name__}: {exc}"[:200]) from exc
    body = content.find(f"{_OFFICE}body/{_OFFICE}text")
    if body is None:
        raise BrokenFileError(source, "odt", "no text part in it")
    builder = DocumentBuilder(source, settings)
    _Reader(builder, settings.max_depth).read(body, 0)
    facts = {"author": _said(properties, "creator"), "date": _said(properties, "date")[:10]}
    title = choose_title([_said(properties, "title")], source)
    return LoadedFile(builder.build(title, {k: v for k, v in facts.items() if v}), _MEDIA_TYPE, "odt")


class _Reader:
    def __init__(self, builder: DocumentBuilder, max_depth: int) -> None:
        self._builder = builder
        self._max_depth = max_depth

    def read(self, parent: Any, depth: int, mark: str = "") -> None:
        """Add the blocks under an element.

        Args:
            parent: A body, section, list or list item.
            depth: How deep it lies.
            mark: Stands before the first paragraph.
        """
        if depth > self._max_depth:
            return
        for child in parent:
            if child.tag == f"{_TEXT}h":
                level = child.get(f"{_TEXT}outline-level") or "1"
                self._builder.heading(text_of(child), int(level) if level.isdecimal() else 1)
            elif child.tag == f"{_TEXT}p":
                self._builder.paragraph(mark + text_of(child))
                mark = ""
            elif child.tag == f"{_TABLE}table":
                rows = list(_rows(child))
                self._builder.table(rows, has_header=len(rows) > 2 and len(rows[0]) > 1)
            elif child.tag == f"{_TEXT}list":
                self.read(child, depth + 1)
            elif child.tag in (f"{_TEXT}list-item", f"{_TEXT}list-header"):
                self.read(child, depth + 1, "- " if child.tag.endswith("item") else "")
            elif child.tag not in _SKIPPED and isinstance(child.tag, str):
                self.read(child, depth + 1)


def text_of(element: Any) -> str:
    """Return an element's text, with its spaces, tabs and line breaks; a note stands in brackets."""
    parts: list[str] = []
    stack: list[Any] = [element]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            parts.append(item)
            continue
        if item.tag in _SKIPPED or not isinstance(item.tag, str):
            continue
        if item.tag == f"{_TEXT}s":
            parts.append(" ")
        elif item.tag == f"{_TEXT}tab":
            parts.append("\t")
        elif item.tag == f"{_TEXT}line-break":
            parts.append("\n")
        is_note = item.tag == f"{_TEXT}note"
        if is_note:
            parts.append("（注：")
            stack.append("）")
        for child in reversed(item):
            stack += (child.tail or "", child)
        stack.append(item.text or "")
    return "".join(parts).strip()


def _rows(table: Any) -> Iterator[list[str]]:
    """Yield a table's cells: merged over columns once; merged over rows in every row, for a row must stand alone."""
    above: dict[int, tuple[int, str]] = {}  # Column -> rows that a merged cell still covers, and its text.
    for row in table.iter(f"{_TABLE}table-row"):
        cells: list[str] = []
        for cell in row:
            if cell.tag not in (f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell"):
                continue
            repeated = int(cell.get(f"{_TABLE}number-columns-repeated") or 1)
            for _ in range(min(repeated, _MAX_REPEATED)):
                column = len(cells)
                left, text = above.get(column, (0, ""))
                if cell.tag.endswith("covered-table-cell"):
                    cells.append(text if left > 0 else "")
                    above[column] = (left - 1, text)
                else:
                    cells.append(clean_line(" ".join(text_of(part) for part in cell)))
                    above[column] = (int(cell.get(f"{_TABLE}number-rows-spanned") or 1) - 1, cells[-1])
        yield cells


def _said(properties: Any, name: str) -> str:
    found = properties.xpath(f"//*[local-name()='{name}']/text()") if properties is not None else []
    return clean_line(str(found[0])) if found else ""


def _xml(data: bytes) -> Any:
    return etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))
