"""Word (.docx): body, tables, lists, text boxes, pictures, footnotes, heads and feet; not deleted and hidden text.

A .docx has no pages: they arise when it is printed.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

from ingest.clean import clean_line
from ingest.errors import BrokenFileError
from ingest.loaders.base import LoadedFile, choose_title
from ingest.loaders.builder import DocumentBuilder
from ingest.loaders.docx_numbering import Numbering
from ingest.loaders.docx_styles import Styles
from ingest.ocr.reader import PictureReader
from ingest.settings import LoadSettings

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
# python-docx lets plain Python errors out where a part is missing or malformed.
_DAMAGE = (zipfile.BadZipFile, zlib.error, KeyError, ValueError, TypeError, AttributeError, EOFError, OSError)
_CONTAINERS = frozenset(
    f"{W}{name}"
    for name in (
        "sdt",
        "sdtContent",
        "ins",
        "moveTo",
        "customXml",
        "smartTag",
        "hyperlink",
        "r",
        "fldSimple",
        "dir",
        "bdo",
    )
)
_DELETED = frozenset(
    f"{W}{name}" for name in ("del", "moveFrom", "instrText", "delText", "rPr", "pPr", "footnoteReference")
)
_TEMPLATE_DATE = date(2013, 12, 23)
_NO_DATE_YEAR = 1980  # Where zip archives begin to count: what has no date has this one.
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_TEXT_BOX = f"{W}txbxContent"
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_PICTURES = {
    "{http://schemas.openxmlformats.org/drawingml/2006/main}blip": f"{_RELATION}embed",
    "{urn:schemas-microsoft-com:vml}imagedata": f"{_RELATION}id",
}
"""Elements that show a picture, and the attribute that names it."""


def load(data: bytes, *, source: str, settings: LoadSettings) -> LoadedFile:
    """Parse the package and read its parts in order."""
    from docx import Document as open_docx
    from docx.opc.exceptions import OpcError
    from lxml import etree

    try:
        package = open_docx(io.BytesIO(data))
        pictures = PictureReader(settings, source)
        reader = _Reader(package, DocumentBuilder(source, settings), pictures, settings.max_depth)
        reader.read()
        properties = package.core_properties
        title, facts = properties.title, _facts(properties)
    except (*_DAMAGE, OpcError, etree.LxmlError) as exc:
        raise BrokenFileError(source, "docx", _reason(exc)) from exc
    if reader.is_too_deep and not reader.builder.length:
        raise BrokenFileError(source, "docx", f"nested more than {settings.max_depth} levels deep")
    pictures.check_read(reader.builder)
    document = reader.builder.build(choose_title([title, reader.title, reader.first_heading], source), facts)
    return LoadedFile(document, _MEDIA_TYPE, "docx", needs_ocr=pictures.n_unread > 0)


def _facts(properties: Any) -> dict[str, str]:
    """Return author and date; what python-docx says where a file says nothing is neither."""
    author, saved = clean_line(properties.author or ""), _saved(properties)
    facts = {"author": author} if author and author.lower() != "python-docx" else {}
    is_made_up = properties.last_modified_by == "python-docx" or saved == _TEMPLATE_DATE
    if saved is not None and saved.year > _NO_DATE_YEAR and not is_made_up:
        facts["date"] = saved.isoformat()
    return facts


def _saved(properties: Any) -> date | None:
    """Return the day on which it was saved last; None where that is not said, or not as a date."""
    try:
        saved: datetime | None = properties.modified or properties.created
    except (TypeError, ValueError, OverflowError):  # from an empty element, or a year out of range
        return None
    return saved.date() if saved is not None else None


def _reason(exc: Exception) -> str:
    return clean_line(str(exc))[:100] or type(exc).__name__


class _Reader:
    def __init__(self, package: Any, builder: DocumentBuilder, pictures: PictureReader, max_depth: int) -> None:
        self._package = package
        self._pictures = pictures
        self._max_depth = max_depth
        self._styles = Styles(package.styles.element)
        self._numbering = Numbering(_part_root(package, "numbering"))
        self.builder = builder
        self.is_too_deep = False
        self.title: str | None = None
        self.first_heading: str | None = None

    def read(self) -> None:
        """Add the body, then what stands outside of it."""
        self._blocks(self._package.element.body, 0)
        for name in ("footnotes", "endnotes"):
            root = _part_root(self._package, name)
            for note in root if root is not None else ():
                if note.get(f"{W}type") is None:  # Separators have a type.
                    self._blocks(note, 0)
        for text in self._heads_and_feet():
            self.builder.paragraph(text)

    def _heads_and_feet(self) -> list[str]:
        texts: dict[str, None] = {}
        for relation in self._package.part.rels.values():
            if not relation.is_external and relation.reltype.endswith(("/header", "/footer")):
                for paragraph in relation.target_part.element.iter(f"{W}p"):
                    text = clean_line(run_text(paragraph))
                    if any(char.isalpha() for char in text):  # Not a page number alone.
                        texts.setdefault(text)
        return list(texts)

    def _blocks(self, container: Any, depth: int) -> None:
        if depth > self._max_depth:
            self.is_too_deep = True
            return
        for child in container:
            if child.tag == f"{W}p":
                self._paragraph(child, depth)
            elif child.tag == f"{W}tbl":
                rows = table_rows(child, self._max_depth)
                self.builder.table(rows, has_header=len(rows) > 2 and len(rows[0]) > 1)
                self._add_pictures(child)
            elif child.tag in _CONTAINERS:
                self._blocks(child, depth + 1)

    def _paragraph(self, paragraph: Any, depth: int) -> None:
        text = run_text(paragraph)
        style = self._styles.of(paragraph)
        if text.strip():
            number = self._numbering.next_label(paragraph, style.numbering)
            if style.is_title and self.title is None:
                self.title = clean_line(text)
            if style.level:
                self.first_heading = self.first_heading or clean_line(text)
                self.builder.heading(number + text, style.level)
            else:
                self.builder.paragraph(number + text)
        self._add_pictures(paragraph)
        for box in paragraph.iter(_TEXT_BOX):
            if not any(ancestor.tag == _FALLBACK for ancestor in box.iterancestors()):
                self._blocks(box, depth + 1)

    def _add_pictures(self, container: Any) -> None:
        """Add what the pictures in a paragraph or table say; those of its text boxes come with these."""
        for node in container.iter(*_PICTURES):
            relation = self._package.part.rels.get(node.get(_PICTURES[node.tag], ""))
            if relation is None or relation.is_external or not relation.reltype.endswith("/image"):
                continue
            if not _is_below(node, container, _TEXT_BOX):
                self._pictures.add_to(self.builder, relation.target_part.blob)


def _is_below(node: Any, container: Any, tag: str) -> bool:
    """Tell whether an element of a kind stands between a node and what it was found in."""
    for ancestor in node.iterancestors():
        if ancestor is container:
            return False
        if ancestor.tag == tag:
            return True
    return False


def _part_root(package: Any, name: str) -> Any:
    """Return the root element of a part that belongs to the document, or None."""
    from docx.opc.oxml import parse_xml

    for relation in package.part.rels.values():
        if not relation.is_external and relation.reltype.endswith(f"/{name}"):
            part = relation.target_part
            return part.element if hasattr(part, "element") else parse_xml(part.blob)
    return None


def run_text(paragraph: Any) -> str:
    """Return a paragraph's text with inserted, without deleted runs; text boxes inside it are not included."""
    parts: list[str] = []
    stack = [iter(paragraph)]
    while stack:
        node = next(stack[-1], None)
        if node is None:
            stack.pop()
        elif node.tag == f"{W}t":
            parts.append(node.text or "")
        elif node.tag in (f"{W}br", f"{W}cr"):
            parts.append("\n")
        elif node.tag == f"{W}tab":
            parts.append(" ")
        elif node.tag == f"{W}noBreakHyphen":
            parts.append("-")
        elif node.tag not in _DELETED and node.tag not in (_FALLBACK, _TEXT_BOX) and not _is_hidden(node):
            stack.append(iter(node))
    return "".join(parts)


def _is_hidden(node: Any) -> bool:
    """Whether a run's text is formatted as hidden: people do not see it."""
    hidden = node.find(f"{W}rPr/{W}vanish") if node.tag == f"{W}r" else None
    return hidden is not None and hidden.get(f"{W}val") not in ("0", "false", "off")


def table_rows(table: Any, max_depth: int) -> list[list[str]]:
    """Return a table's cells: merged over columns once; merged over rows in every row, for a row must stand alone."""
    rows: list[list[str]] = []
    above: dict[int, str] = {}  # Column -> text of the cell that is merged downwards.
    for row in _children(table, "tr"):
        texts: list[str] = []
        column = _grid_number(row, "trPr", "gridBefore", 0)
        for cell in _children(row, "tc"):
            merge = cell.find(f"{W}tcPr/{W}vMerge")
            if merge is not None and merge.get(f"{W}val") != "restart":
                text = above.get(column, "")
            else:
                text = cell_text(cell, max_depth)
                above[column] = text
            texts.append(text)
            column += _grid_number(cell, "tcPr", "gridSpan", 1)
        rows.append(texts)
    return rows


def cell_text(cell: Any, max_depth: int) -> str:
    """Return a cell's paragraphs on one line; rows of a table inside it are separated by `；`."""
    if max_depth <= 0:
        return ""
    parts: list[str] = []
    for child in _flattened(cell):
        if child.tag == f"{W}p":
            parts.append(clean_line(run_text(child)))
        elif child.tag == f"{W}tbl":
            rows = table_rows(child, max_depth - 10)  # Ten: tables nest twenty deep at most.
            parts.append("；".join(" ".join(filter(None, row)) for row in rows if any(row)))
    return " ".join(filter(None, parts))


def _flattened(container: Any) -> Iterator[Any]:
    for child in container:
        if child.tag in (f"{W}sdt", f"{W}sdtContent", f"{W}customXml", f"{W}ins"):
            yield from _flattened(child)
        else:
            yield child


def _children(container: Any, name: str) -> Iterator[Any]:
    return (child for child in _flattened(container) if child.tag == f"{W}{name}")


def _grid_number(element: Any, properties: str, name: str, default: int) -> int:
    found = element.find(f"{W}{properties}/{W}{name}")
    value = found.get(f"{W}val", "") if found is not None else ""
    return min(int(value), 1000) if value.isdecimal() else default
