"""Builds a Document's text and blocks piece by piece, so that every loader lays text out alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ingest.clean import clean_line, clean_text
from ingest.errors import EmptyFileError, FileTooLargeError
from ingest.loaders.tables import Row, has_text, render_table
from ingest.settings import LoadSettings
from retrieval.models import Block, BlockKind, Document


class DocumentBuilder:
    """Collects headings, paragraphs and tables in reading order.

    Blocks stand on lines of their own; a heading has a blank line before it.

    Args:
        source: For messages.
        settings: `max_text_chars` bounds what is collected.
    """

    def __init__(self, source: str, settings: LoadSettings) -> None:
        self._source = source
        self._settings = settings
        self._parts: list[str] = []
        self._length = 0
        self._blocks: list[Block] = []
        self._page_starts: list[int] = []

    @property
    def length(self) -> int:
        """Characters so far."""
        return self._length

    def heading(self, text: str, level: int) -> None:
        """Add a heading; level 1 is the highest."""
        self._add("heading", clean_line(text), level=max(1, level))

    def paragraph(self, text: str) -> None:
        """Add a paragraph, whose own line ends stay."""
        self._add("paragraph", clean_text(text).strip())

    def table(self, rows: Iterable[Row], *, has_header: bool) -> None:
        """Add a table, one row a line.

        Args:
            rows: Its cells; empty rows are left out.
            has_header: Whether the first row names the columns.
        """
        self.placed_table(((row, "") for row in rows), has_header=has_header, keeps_places=False)

    def placed_table(self, rows: Iterable[tuple[Row, str]], *, has_header: bool, keeps_places: bool = True) -> None:
        """Add a table whose rows are taken one at a time.

        Args:
            rows: Cells of each row, with where it lies in its sheet, for citations; empty rows are left out.
            has_header: Whether the first row names the columns.
            keeps_places: Whether they lie anywhere.
        """
        places: list[str] = []
        lines: list[str] = []
        room = self._settings.max_text_chars - self._length
        for line in render_table(_noted(rows, places), has_header=has_header):
            lines.append(line)
            room -= len(line)
            if room < 0:
                break  # Too long already: what follows is not even read.
        self._add("table", "\n".join(lines), places=tuple(places) if keeps_places else ())

    def embed(self, document: Document, *, below: int = 0) -> None:
        """Add another document's text with its structure, without its pages.

        Args:
            document: From another loader.
            below: Level of the heading that it stands under.
        """
        if not document.blocks:
            self.paragraph(document.text)
            return
        position = 0
        for block in document.blocks:
            self.paragraph(document.text[position : block.start])
            text = document.text[block.start : block.end]
            self._add(block.kind, text, level=block.level + below if block.level else 0, places=block.places)
            position = block.end
        self.paragraph(document.text[position:])

    def page(self, start: int) -> None:
        """Start a page at an offset, which may lie inside the block that is added next."""
        self._page_starts.append(start)

    def next_start(self, kind: BlockKind) -> int:
        """Return the offset at which a block added now would start."""
        return self._length + len(self._separator(kind))

    def build(self, title: str, metadata: Mapping[str, str] | None = None) -> Document:
        """Return the document.

        Raises:
            EmptyFileError: If nothing but white space was added.
        """
        text = "".join(self._parts)
        if not text.strip():
            raise EmptyFileError(self._source)
        return Document(
            title=title,
            text=text,
            page_starts=tuple(min(start, len(text)) for start in self._page_starts),
            blocks=tuple(self._blocks),
            metadata=dict(metadata or {}),
        )

    def _separator(self, kind: BlockKind) -> str:
        if not self._blocks:
            return ""
        return "\n\n" if kind == "heading" and self._blocks[-1].kind != kind else "\n"

    def _add(self, kind: BlockKind, text: str, *, level: int = 0, places: tuple[str, ...] = ()) -> None:
        if not text.strip():
            return
        separator = self._separator(kind)
        start = self._length + len(separator)
        self._parts += (separator, text)
        self._length = start + len(text)
        if self._length > self._settings.max_text_chars:
            max_mb = -(-self._settings.max_text_chars // (1024 * 1024))
            raise FileTooLargeError(self._source, self._length, max_mb, unpacked=True)
        self._blocks.append(Block(kind, start, self._length, level, places))


def _noted(rows: Iterable[tuple[Row, str]], places: list[str]) -> Iterator[Row]:
    """Yield the rows that show something, and note their places."""
    for row, place in rows:
        if has_text(row):
            places.append(place)
            yield row
