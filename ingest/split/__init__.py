"""Document -> spans: where a document is cut into chunks (pure).

The text is taken apart into units that are never cut (headings, sentences, table rows) and put together again into
spans of at most `max_chars`, so that the cuts fall where they cost least. Spans are in order, do not overlap, and leave
out nothing but white space; each starts and ends with a visible character.
"""

from __future__ import annotations

from bisect import bisect_right

from ingest.settings import SplitSettings
from ingest.split.packing import pack
from ingest.split.units import Opens, Unit, units_of
from retrieval.models import Document, Sections, Span

__all__ = ["split"]


def split(document: Document, settings: SplitSettings | None = None) -> tuple[Span, ...]:
    """Cut a document into spans.

    A span's heading path is the one that all of its text shares; a heading stands in the text that it opens.
    """
    settings = settings or SplitSettings()
    units = units_of(document, settings.max_chars)
    return tuple(_span(document, group) for group in pack(units, document.page_starts, settings))


def _span(document: Document, units: list[Unit]) -> Span:
    start, end = units[0].start, units[-1].end
    page = max(1, bisect_right(document.page_starts, start)) if document.page_starts else None
    return Span(start, end, page, _shared_path(units), _sections(units))


def _sections(units: list[Unit]) -> Sections:
    """Return where the path changes in a span; nothing where one path holds for all of it."""
    changes = [
        (unit.start, unit.path)
        for unit, before in zip(units, [None, *units], strict=False)
        if before is None or unit.path != before.path
    ]
    return tuple(changes) if len(changes) > 1 else ()


def _shared_path(units: list[Unit]) -> tuple[str, ...]:
    """Return the path that all body text of a span has in common; that of its last heading if it has no body."""
    units = [unit for unit in units if unit.opens != Opens.HEADING] or units[-1:]
    path = units[0].path
    for unit in units[1:]:
        if unit.path is not path:
            same = [a == b for a, b in zip(path, unit.path, strict=False)]
            path = path[: same.index(False) if False in same else len(same)]
    return path
