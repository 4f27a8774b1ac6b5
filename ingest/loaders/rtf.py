"""Rich text (.rtf): its words, one paragraph a line, rows of cells as tables; by striprtf."""

from __future__ import annotations

import re
from itertools import groupby

from ingest.clean import clean_line
from ingest.errors import BrokenFileError, FileTooLargeError
from ingest.loaders.base import LoadedFile, choose_title
from ingest.loaders.builder import DocumentBuilder
from ingest.settings import LoadSettings

_TITLE = re.compile(r"\{\\title ([^{}]{1,400})\}")
_CODE_PAGE = re.compile(r"\\ansicpg\d{3,5}")


def load(data: bytes, *, source: str, settings: LoadSettings) -> LoadedFile:
    """Parse control words away."""
    # The format is ASCII; other bytes are in the code page that its head names.
    raw = data.decode("latin-1")
    if len(raw) > settings.max_text_chars:
        raise FileTooLargeError(source, len(raw), settings.max_text_chars // (1024 * 1024), unpacked=True)
    page = _CODE_PAGE.search(raw[:4096])
    title = _TITLE.search(raw)
    text = plain_text(raw, source)
    said = plain_text(f"{{\\rtf1{page[0] if page else ''} {title[1]}}}", source) if title else ""
    builder = DocumentBuilder(source, settings)
    for is_row, lines in groupby(text.split("\n"), key=_is_row):
        if is_row:
            builder.table([line.removesuffix("|").split("|") for line in lines], has_header=False)
        else:
            for line in lines:
                builder.paragraph(line)
    return LoadedFile(builder.build(choose_title([clean_line(said)], source)), "application/rtf", "rtf")


def plain_text(raw: str, source: str) -> str:
    """Return the words of rich text, one paragraph a line; each cell of a table ends with a bar.

    Args:
        raw: Its bytes, one character each.
        source: For messages.

    Raises:
        BrokenFileError: If its control words contradict themselves.
    """
    from striprtf.striprtf import rtf_to_text

    try:
        text = str(rtf_to_text(raw, errors="replace"))
    except (ValueError, LookupError, TypeError, OverflowError) as exc:
        raise BrokenFileError(source, "rtf", f"{type(exc).__name__}: {exc}"[:200]) from exc
    # A character beyond U+FFFF is written as its two UTF-16 halves.
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _is_row(line: str) -> bool:
    """Tell a table's row: each of its cells ends with a bar."""
    return line.endswith("|") and line.count("|") > 1
