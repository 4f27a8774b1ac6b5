"""What a loader is, and what it gives back."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from ingest.clean import clean_line
from ingest.settings import LoadSettings
from retrieval.errors import Message
from retrieval.models import Document

MAX_TITLE_CHARS = 120
TITLE_FROM = "title_from"
FILE_NAME = "file_name"
"""Metadata of documents whose content names no title: theirs follows when the file is renamed."""


class FileNameTitle(str):
    """A title that is the file's name, for want of a better one."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class LoadedFile:
    """A file after loading.

    Args:
        document: Title, text, pages, blocks.
        media_type: What the content is, whatever the suffix says.
        loader: The loader's name: `text`, `markdown`, `html`, `pdf`, `docx`, `xlsx`, `xls`, `csv`.
        warnings: What a reader should know although the file was loaded.
        needs_ocr: Whether pages or pictures in it were left unread because OCR is off or not installed.
    """

    document: Document
    media_type: str
    loader: str
    warnings: tuple[Message, ...] = ()
    needs_ocr: bool = False


class Loader(Protocol):
    """One format: a function `load` in a module of this package, registered in `ingest/loaders/__init__.py`."""

    def __call__(self, data: bytes, *, source: str, settings: LoadSettings) -> LoadedFile:
        """Parse bytes that were recognised as this format; raises IngestError kin only."""


_NO_TITLE = re.compile(
    r"(untitled|no ?title|title|document ?\d*|doc\d+|microsoft word|powerpoint presentation|slide ?\d*"
    r"|about:blank|new tab|index|home|print"
    r"|无标题|未命名|标题|文档 ?\d*|新建.{0,20}文档.{0,5}|演示文稿 ?\d*|幻灯片 ?\d*|首页)",
    re.IGNORECASE,
)
_PRINTER = re.compile(r"^microsoft (?:word|powerpoint|excel) - ", re.IGNORECASE)
_FILE_SUFFIX = re.compile(r"\.(?:docx?|pptx?|xlsx?|pdf|wps|txt|html?|md|tex|dvi|indd|cdr|ai)$", re.IGNORECASE)


def stem(source: str) -> str:
    """Return a source's last name without its suffix; the whole source if that is empty."""
    name = re.split(r"[/\\]", source.rstrip("/\\"))[-1]
    return clean_line(re.sub(r"(?<=.)\.[0-9A-Za-z]{1,8}$", "", name)) or source


def choose_title(candidates: Iterable[str | None], source: str) -> str:
    """Return the first candidate that a person could have written as a title, else the file's name."""
    for candidate in candidates:
        title = _FILE_SUFFIX.sub("", _PRINTER.sub("", clean_line(candidate or "")))
        if _is_sensible(title):
            return title
    return FileNameTitle(stem(source))


def retitled(document: Document, source: str) -> str:
    """Return what a stored document is called when its file has another name."""
    return stem(source) if document.metadata.get(TITLE_FROM) == FILE_NAME else document.title


def _is_sensible(title: str) -> bool:
    if not 2 <= len(title) <= MAX_TITLE_CHARS or _NO_TITLE.fullmatch(title):
        return False
    if "\ufffd" in title or re.search(r"[/\\]\S*[/\\]", title):  # A path.
        return False
    if len(re.findall(r"[\x80-\xff]", title)) > 0.3 * len(title):  # Chinese bytes read as Latin-1.
        return False
    return sum(char.isalpha() for char in title) * 2 >= len(title)
