"""HTML: what a reader sees, in reading order; headings, lists and tables keep their roles."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from lxml import etree

from ingest.clean import clean_line
from ingest.encoding import DecodedText, decode
from ingest.errors import BrokenFileError, EmptyFileError, FileTooLargeError
from ingest.loaders.base import LoadedFile, choose_title
from ingest.loaders.builder import DocumentBuilder
from ingest.settings import LoadSettings
from retrieval.errors import Message

_CHARSET = re.compile(rb"""<meta[^>]{0,300}?charset\s*=\s*["']?\s*([\w.:-]{2,40})""", re.I)
_XML_CHARSET = re.compile(rb"""^\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([\w.:-]{2,40})""", re.I)
_HIDDEN_STYLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.I)
_SKIPPED = {
    "script", "style", "noscript", "template", "head", "title", "meta", "link", "iframe", "object", "embed", "canvas",
    "svg", "math", "audio", "video", "map", "select", "option", "datalist", "button", "textarea", "input", "nav",
}  # fmt: skip
_INLINE = {
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "ins",
    "kbd", "label", "mark", "q", "rp", "rt", "ruby", "s", "samp", "small", "span", "strike", "strong", "sub", "sup",
    "time", "tt", "u", "var", "wbr", "img", "o:p",
}  # fmt: skip
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_LAYOUT_CELL_CHARS = 600
_SPACES = re.compile(r"[ \t\r\n\f]+")


def load(data: bytes, *, source: str, settings: LoadSettings) -> LoadedFile:
    """Decode by declaration and content, then walk the tree."""
    declared = declared_charset(data)
    decoded = decode(data, source=source, declared=declared)
    if len(decoded.text) > settings.max_text_chars:
        raise FileTooLargeError(source, len(decoded.text), settings.max_text_chars // (1024 * 1024), unpacked=True)
    root = parse(decoded.text, source=source)
    if root is None:
        raise EmptyFileError(source)
    builder = DocumentBuilder(source, settings)
    walker = Walker(builder, max_depth=settings.max_depth)
    walker.walk(root)
    if walker.warnings and not builder.length:
        raise BrokenFileError(source, "html", f"nested more than {settings.max_depth} levels deep")
    title = choose_title(_titles(root), source)
    document = builder.build(title, {"encoding": decoded.encoding, **_metadata(root)})
    warnings = (*_charset_warning(declared, decoded), *walker.warnings)
    return LoadedFile(document, "text/html", "html", warnings)


def declared_charset(data: bytes) -> str | None:
    """Return the charset that a page's own head names, in lower case."""
    match = _XML_CHARSET.search(data[:1024]) or _CHARSET.search(data[:8192])
    return match.group(1).decode("ascii").lower() if match else None


def _charset_warning(declared: str | None, decoded: DecodedText) -> tuple[Message, ...]:
    family = {"gb2312": "gb18030", "gbk": "gb18030", "utf8": "utf-8", "euc-kr": "euc-kr", "big5-hkscs": "big5"}
    if declared is None or decoded.confidence == 1.0 or family.get(declared, declared) == decoded.encoding.lower():
        return ()
    return (
        Message(
            en=f"The page declares {declared!r}, but its bytes are {decoded.encoding}; read as {decoded.encoding}.",
            zh=f"网页声明的编码是 {declared!r}，实际内容是 {decoded.encoding}；已按 {decoded.encoding} 读取。",
        ),
    )


def parse(text: str, *, source: str) -> Any:
    """Return the root element of a page or fragment, None if it has none; no entity or network access."""
    # Bytes with a named encoding: given str, lxml refuses pages that declare an encoding.
    parser = etree.HTMLParser(
        encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True, huge_tree=True, recover=True
    )
    try:
        return etree.fromstring(text.replace("\0", "").encode("utf-8", "ignore"), parser)
    except (etree.XMLSyntaxError, ValueError) as exc:
        raise BrokenFileError(source, "html", str(exc)[:100]) from exc


def _titles(root: Any) -> Iterator[str | None]:
    yield next((clean_line("".join(h.itertext())) for h in root.iter("h1")), None)
    yield next((title.text for title in root.iter("title")), None)


def _metadata(root: Any) -> dict[str, str]:
    names = {"author": "author", "date": "date", "pubdate": "date"}
    found: dict[str, str] = {}
    for meta in root.iter("meta"):
        key, value = names.get((meta.get("name") or "").lower()), clean_line(meta.get("content") or "")
        if key and value:
            found.setdefault(key, value[:200])
    return found


class Walker:
    """Walks elements without recursion, so that nesting cannot exhaust the stack.

    Args:
        builder: Receives the blocks.
        max_depth: Elements nested deeper than this are not read.
    """

    def __init__(self, builder: DocumentBuilder, *, max_depth: int) -> None:
        self._builder = builder
        self._max_depth = max_depth
        self._inline: list[str] = []
        self._lists: list[int] = []
        self._bullet = ""
        self.warnings: list[Message] = []

    def walk(self, root: Any) -> None:
        """Add everything visible under an element."""
        stack: list[tuple[str, Any, int]] = [("enter", root, 0)]
        while stack:
            step, element, depth = stack.pop()
            if step == "text":
                self._inline.append(element)
            elif step == "leave":
                self._leave(element)
            elif not is_hidden(element):
                if depth > self._max_depth:
                    self._warn_depth()
                    continue
                self._enter(element, depth, stack)
        self._flush()

    def _enter(self, element: Any, depth: int, stack: list[tuple[str, Any, int]]) -> None:
        tag = tag_of(element)
        if tag in _HEADINGS:
            self._flush()
            self._builder.heading(visible_text(element), _HEADINGS[tag])
        elif tag == "table" and not is_layout(element):
            self._flush()
            rows, has_header = table_rows(element)
            self._builder.table(rows, has_header=has_header)
        elif tag == "br":
            self._inline.append("\n")
        elif tag == "pre":
            self._flush()
            self._builder.paragraph("".join(element.itertext()))
        else:
            self._open(tag, element)
            stack.append(("leave", tag, depth))
            for child in reversed(element):
                if child.tail:
                    stack.append(("text", _SPACES.sub(" ", child.tail), depth))
                stack.append(("enter", child, depth + 1))
            if element.text:
                stack.append(("text", _SPACES.sub(" ", element.text), depth))

    def _open(self, tag: str, element: Any) -> None:
        if tag in ("ul", "ol", "menu"):
            self._flush()
            start = (element.get("start") or "1").strip()
            self._lists.append((int(start) if start.isdecimal() else 1) if tag == "ol" else 0)
        elif tag == "li":
            self._flush()
            number = self._lists[-1] if self._lists else 0
            self._bullet = f"{number}. " if number else "- "
            if number:
                self._lists[-1] += 1
        elif tag in ("td", "th"):
            self._inline.append(" ")
        elif tag not in _INLINE:
            self._flush()

    def _leave(self, tag: str) -> None:
        if tag not in _INLINE:
            self._flush()
        if tag in ("ul", "ol", "menu"):
            self._lists.pop()

    def _flush(self) -> None:
        text = "\n".join(line.strip(" ") for line in re.sub(" +", " ", "".join(self._inline)).split("\n"))
        self._inline.clear()
        if text.strip():
            self._builder.paragraph(self._bullet + text.strip())
            self._bullet = ""

    def _warn_depth(self) -> None:
        if not self.warnings:
            self.warnings.append(
                Message(
                    en=f"Elements nested more than {self._max_depth} deep were not read.",
                    zh=f"嵌套超过 {self._max_depth} 层的内容未读取。",
                )
            )


def tag_of(element: Any) -> str:
    """Return an element's name in lower case; empty for a comment or instruction."""
    return element.tag.lower() if isinstance(element.tag, str) else ""


def is_hidden(element: Any) -> bool:
    """Tell whether a reader never sees an element."""
    tag = tag_of(element)
    if not tag or tag in _SKIPPED or element.get("hidden") is not None:
        return True
    return bool(_HIDDEN_STYLE.search(element.get("style") or ""))


def visible_text(element: Any) -> str:
    """Return an element's visible text on one line; rows of a table inside it are separated by `；`."""
    parts: list[str] = []
    stack: list[Any] = [element]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            parts.append(item)
        elif not is_hidden(item) or item is element:
            tag = tag_of(item)
            if tag not in _INLINE:
                stack.append("；" if tag == "tr" and _has_next_row(item) else " ")
            for child in reversed(item):
                if child.tail:
                    stack.append(child.tail)
                stack.append(child)
            stack.append(item.text or "")
    return clean_line("".join(parts)).replace(" ；", "；")


def _has_next_row(row: Any) -> bool:
    return row.getnext() is not None


def is_layout(table: Any) -> bool:
    """Tell whether a table only places text on the page: one column, headings, or a page of text in a cell."""
    if next(table.iter("h1", "h2", "h3", "h4"), None) is not None:
        return True
    rows = [list(cells_of(row)) for row in rows_of(table)]
    if max((len(row) for row in rows), default=0) < 2:
        return True
    return any(len(visible_text(cell)) > _LAYOUT_CELL_CHARS for row in rows for cell in row)


def rows_of(table: Any) -> Iterator[Any]:
    """Yield a table's own rows, not those of tables inside it."""
    for child in table:
        tag = tag_of(child)
        if tag == "tr":
            yield child
        elif tag in ("thead", "tbody", "tfoot"):
            yield from (row for row in child if tag_of(row) == "tr")


def cells_of(row: Any) -> Iterator[Any]:
    """Yield a row's own visible cells."""
    return (cell for cell in row if tag_of(cell) in ("td", "th") and not is_hidden(cell))


def table_rows(table: Any) -> tuple[list[list[str]], bool]:
    """Return a table's rows and whether the first names the columns.

    A cell over several rows is repeated in each, because each row must stand on its own; one over several columns is
    written once.
    """
    rows: list[list[str]] = []
    spanning: dict[int, tuple[int, str]] = {}  # column -> rows still to fill, text
    header = False
    caption = next((visible_text(child) for child in table if tag_of(child) == "caption"), "")
    for row in rows_of(table):
        cells = list(cells_of(row))
        if not rows:
            header = bool(cells) and all(tag_of(cell) == "th" for cell in cells) or tag_of(row.getparent()) == "thead"
        rows.append(_fill_row(cells, spanning))
    if caption:
        rows.insert(0, [caption])
    return rows, header and not caption


def _fill_row(cells: list[Any], spanning: dict[int, tuple[int, str]]) -> list[str]:
    texts: list[str] = []
    column = 0
    waiting = list(reversed(cells))
    while waiting or column in spanning:
        if column in spanning:
            left, text = spanning.pop(column)
            if left > 1:
                spanning[column] = (left - 1, text)
            texts.append(text)
            column += 1
            continue
        cell = waiting.pop()
        text = visible_text(cell)
        texts.append(text)
        if _span(cell, "rowspan") > 1:
            spanning[column] = (_span(cell, "rowspan") - 1, text)
        column += _span(cell, "colspan")
    return texts


def _span(cell: Any, name: str) -> int:
    value = (cell.get(name) or "1").strip()
    return max(1, min(int(value), 200)) if value.isdecimal() and len(value) < 5 else 1
