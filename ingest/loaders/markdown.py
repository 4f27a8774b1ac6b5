"""Markdown: the text as a reader sees it, without marks; headings, tables and code keep their roles."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

from ingest.encoding import decode
from ingest.errors import FileTooLargeError
from ingest.loaders import html
from ingest.loaders.base import LoadedFile, choose_title
from ingest.loaders.builder import DocumentBuilder
from ingest.settings import LoadSettings

MANY_BRACKETS = 200
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.S)
_KEY_VALUE = re.compile(r"^([\w\u4e00-\u9fff-]{1,40})[ \t]*[:：][ \t]*(\S.*)$", re.M)


def load(data: bytes, *, source: str, settings: LoadSettings) -> LoadedFile:
    """Parse CommonMark with tables and front matter."""
    decoded = decode(data, source=source)
    if len(decoded.text) > settings.max_text_chars:
        raise FileTooLargeError(source, len(decoded.text), settings.max_text_chars // (1024 * 1024), unpacked=True)
    text = decoded.text.replace("\r\n", "\n").replace("\r", "\n")
    metadata, text = split_front_matter(text)
    builder = DocumentBuilder(source, settings)
    titles = [metadata.pop("title", None)]
    parser = (
        MarkdownIt("commonmark", {"maxNesting": min(settings.max_depth, 100)}).enable("table").enable("strikethrough")
    )
    if "[" * MANY_BRACKETS in text:
        parser.disable(["link", "image"])  # Their search for the closing bracket is quadratic.
    for kind, level, value in _blocks(parser.parse(text)):
        if kind == "heading":
            builder.heading(str(value), level)
            if level == 1 and len(titles) < 2:
                titles.append(str(value))
        elif kind == "table":
            builder.table(value, has_header=True)
        elif kind == "html":
            root = html.parse(str(value), source=source)
            if root is not None:
                html.Walker(builder, max_depth=settings.max_depth).walk(root)
        else:
            builder.paragraph(str(value))
    document = builder.build(choose_title(titles, source), {"encoding": decoded.encoding, **metadata})
    return LoadedFile(document, "text/markdown", "markdown")


def split_front_matter(text: str) -> tuple[dict[str, str], str]:
    """Return the flat `key: value` lines of a YAML front matter, and the text after it."""
    match = _FRONT_MATTER.match(text)
    if match is None or (match.group(1).strip() and not _KEY_VALUE.search(match.group(1))):
        return {}, text
    pairs = _KEY_VALUE.findall(match.group(1))
    return {key.lower(): value.strip().strip("\"'") for key, value in pairs}, text[match.end() :]


def _blocks(tokens: Sequence[Token]) -> Iterator[tuple[str, int, str | list[list[str]]]]:
    """Yield (kind, level, text or rows) in reading order."""
    marks: list[str] = []  # One for each open list: "- ", or the next number.
    bullet = ""
    heading = 0
    rows: list[list[str]] | None = None
    for token in tokens:
        match token.type:
            case "heading_open":
                heading = int(token.tag[1])
            case "heading_close":
                heading = 0
            case "bullet_list_open":
                marks.append("- ")
            case "ordered_list_open":
                marks.append(str(token.attrs.get("start", 1)))
            case "bullet_list_close" | "ordered_list_close":
                marks.pop()
            case "list_item_open":
                bullet = marks[-1]
                if bullet != "- ":
                    marks[-1] = str(int(bullet) + 1)
                    bullet += f"{token.markup or '.'} "  # `info` holds the number as written: often 1 on each line.
            case "table_open":
                rows = []
            case "tr_open" if rows is not None:
                rows.append([])
            case "table_close" if rows is not None:
                yield "table", 0, rows
                rows = None
            case "inline":
                text = inline_text(token)
                if rows is not None:
                    rows[-1].append(text)
                elif heading:
                    yield "heading", heading, text
                else:
                    yield "paragraph", 0, bullet + text
                    bullet = ""
            case "fence" | "code_block":
                yield "paragraph", 0, bullet + token.content
                bullet = ""
            case "html_block":
                yield "html", 0, token.content


def inline_text(token: Token) -> str:
    """Return what a reader sees of an inline token: no marks, no link targets; a picture's description."""
    parts: list[str] = []
    hidden = ""
    for child in token.children or []:
        if child.type == "html_inline":
            hidden = _hidden_after(child.content, hidden)
            parts.append("\n" if child.content.lower().startswith("<br") else "")
        elif hidden:
            continue
        elif child.type in ("softbreak", "hardbreak"):
            parts.append("\n")
        elif child.type == "image":
            parts.append(child.content)
        else:
            parts.append(child.content if child.type in ("text", "code_inline", "text_special") else "")
    return "".join(parts)


def _hidden_after(tag: str, hidden: str) -> str:
    match = re.match(r"<(/?)(script|style)\b", tag, re.I)
    if match is None:
        return hidden
    return "" if match.group(1) else match.group(2)
