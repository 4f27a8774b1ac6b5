"""CSV and TSV: one table; the separator is found by looking at the first lines."""

from __future__ import annotations

import csv
from collections.abc import Iterator

from ingest.encoding import decode
from ingest.errors import BrokenFileError, FileTooLargeError
from ingest.loaders.base import LoadedFile, choose_title
from ingest.loaders.builder import DocumentBuilder
from ingest.loaders.formats import suffix_of
from ingest.loaders.sheets import add_sheet
from ingest.settings import LoadSettings

_SEPARATORS = ",;\t|"
_SNIFFED_LINES = 50
_MAX_FIELD_CHARS = 10_000_000


def load(data: bytes, *, source: str, settings: LoadSettings) -> LoadedFile:
    """Parse rows of cells; a cell may hold line ends and separators between quotes."""
    decoded = decode(data, source=source)
    if len(decoded.text) > settings.max_text_chars:
        raise FileTooLargeError(source, len(decoded.text), settings.max_text_chars // (1024 * 1024), unpacked=True)
    separator = "\t" if suffix_of(source) == ".tsv" else find_separator(decoded.text)
    builder = DocumentBuilder(source, settings)
    try:
        add_sheet(builder, "", _rows(decoded.text, separator))
    except csv.Error as exc:
        raise BrokenFileError(source, "csv", str(exc)) from exc
    document = builder.build(choose_title([], source), {"encoding": decoded.encoding})
    kind = "tab-separated-values" if separator == "\t" else "csv"
    return LoadedFile(document, f"text/{kind}", "csv")


def find_separator(text: str) -> str:
    """Return the separator that cuts the first lines into the most equal number of cells; a comma if none does."""
    lines = text.splitlines()[:_SNIFFED_LINES]

    def evenness(separator: str) -> tuple[float, int]:
        widths = [len(row) for row in csv.reader(lines, delimiter=separator) if row]
        usual = max(set(widths), key=widths.count, default=1)
        return (widths.count(usual) / len(widths) if usual > 1 else 0.0), usual

    try:
        return max(_SEPARATORS, key=evenness)
    except csv.Error:
        return ","


def _rows(text: str, separator: str) -> Iterator[list[str]]:
    csv.field_size_limit(_MAX_FIELD_CHARS)
    return csv.reader(text.splitlines(keepends=True), delimiter=separator)
