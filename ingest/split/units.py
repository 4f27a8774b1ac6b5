"""Document -> units that are never cut: headings, sentences, table rows, each with its heading path (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntEnum

from ingest.clean import clean_line
from ingest.split.headings import HeadingFinder, HeadingPath, chapters_of
from ingest.split.parts import Part, parts_of
from ingest.split.sentences import cut_long, sentence_spans
from retrieval.models import Document

MAX_HEADING_CHARS = 80
"""A longer heading is body text, whatever the loader says."""

_VISIBLE_LINE = re.compile(r"[^\s](?:[^\n]*[^\s])?")


class Opens(IntEnum):
    """What a unit begins, weakest first."""

    PIECE = 0  # Goes on inside a sentence or row that was too long.
    SENTENCE = 1
    ROW = 2
    LINE = 3
    ARTICLE = 4  # Or a question with its answer.
    MESSAGE = 5
    HEADING = 6


@dataclass(frozen=True, slots=True)
class Unit:
    """A piece of text that stays whole.

    Args:
        start: First character.
        end: One past the last.
        opens: What begins here.
        path: Heading path, outermost first; a heading's own path ends with itself.
        is_kept: Whether it must not be cut from what is before it: an answer from its question.
    """

    start: int
    end: int
    opens: Opens
    path: tuple[str, ...] = ()
    is_kept: bool = False


@dataclass(frozen=True, slots=True)
class _Line:
    start: int
    end: int
    level: int = 0  # Of a heading.
    is_row: bool = False
    place: str = ""  # Of a sheet's row.


def units_of(document: Document, max_chars: int) -> list[Unit]:
    """Return the document's units in order; none is longer than max_chars, none is blank."""
    lines = list(_lines(document))
    texts = [document.text[line.start : line.end] for line in lines]
    parts = parts_of(texts, [bool(line.level) for line in lines], [line.is_row for line in lines])
    path = HeadingPath()
    units: list[Unit] = []
    for number, (line, text) in enumerate(zip(lines, texts, strict=True)):
        part = parts.get(number)
        if part is not None and part.kind == "message" and part.first == number:
            path.message(part.name)
        if line.level:
            path.heading(line.level, clean_line(text.lstrip("#")))
        is_long = part is not None and lines[part.end - 1].end - lines[part.first].start > max_chars
        below = line.place or (part.name if part is not None and is_long and part.kind != "message" else "")
        names = (*path.names, below) if below else path.names
        cut = _cut(document.text, line, _opens(line, part, number), names, max_chars)
        if part is not None and part.kind == "question":
            units += [_kept(unit, part, number, place, is_long) for place, unit in enumerate(cut)]
        else:
            units += cut
    return units


def _opens(line: _Line, part: Part | None, number: int) -> Opens:
    if line.level:
        return Opens.HEADING
    if line.is_row:
        return Opens.ROW
    if part is None or part.first != number:
        return Opens.LINE
    return Opens.MESSAGE if part.kind == "message" else Opens.ARTICLE


def _kept(unit: Unit, part: Part, number: int, place: int, is_long: bool) -> Unit:
    """Return a unit that stays with its question: all of an answer that fits, else what it begins with."""
    if (number, place) == (part.first, 0):
        return unit
    if is_long and number > part.first and (number, place) != (part.first + 1, 0):
        return unit
    return replace(unit, is_kept=True)


def _cut(text: str, line: _Line, opens: Opens, path: tuple[str, ...], max_chars: int) -> Iterator[Unit]:
    """Yield one line's units: all of a heading or row, the sentences of a text; too long ones in pieces."""
    spans = (
        [(line.start, line.end)] if opens in (Opens.HEADING, Opens.ROW) else sentence_spans(text, line.start, line.end)
    )
    for number, (start, end) in enumerate(spans):
        first = opens if number == 0 else Opens.SENTENCE
        if end - start <= max_chars:
            yield Unit(start, end, first, path)
            continue
        for piece, (piece_start, piece_end) in enumerate(cut_long(text, start, end, max_chars)):
            yield Unit(piece_start, piece_end, Opens.PIECE if piece else first, path)


def _lines(document: Document) -> Iterator[_Line]:
    """Yield visible lines with the roles that the loader or the line itself gives them."""
    finder = HeadingFinder(
        has_blocks=bool(document.blocks),
        has_headings=any(b.level for b in document.blocks),
        chapters=chapters_of(document.text),
    )
    position = 0
    for block in document.blocks:
        yield from _plain_lines(document.text, position, block.start, finder)
        if block.kind == "heading" and block.end - block.start <= MAX_HEADING_CHARS:
            yield from (_Line(s, e, max(1, block.level)) for s, e in _visible(document.text, block.start, block.end))
        elif block.kind == "table":
            places = iter(block.places)
            for start, end in _visible(document.text, block.start, block.end):
                yield _Line(start, end, is_row=True, place=next(places, ""))
        else:
            yield from _plain_lines(document.text, block.start, block.end, finder)
        position = block.end
    yield from _plain_lines(document.text, position, len(document.text), finder)


def _plain_lines(text: str, start: int, end: int, finder: HeadingFinder) -> Iterator[_Line]:
    for line_start, line_end in _visible(text, start, end):
        line = text[line_start:line_end]
        yield _Line(line_start, line_end, finder.level(line), is_row=finder.is_row(line))


def _visible(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the lines between two offsets without white space around them."""
    return (match.span() for match in _VISIBLE_LINE.finditer(text, start, end))
