"""Rows in a parsed text -> tables as people see them (pure): the way back from `tables.render_table`.

Stored are rows that stand on their own, one a line; a page or terminal shows columns. They are found again by the rows'
own look: two lines or more of cells, or a line whose cells all name their columns. Nothing is stored twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ingest.loaders.tables import MAX_LABEL_CHARS, SEPARATOR

Span = tuple[int, int]

_LABEL = re.compile(rf"(.{{1,{MAX_LABEL_CHARS}}}?): ")
_RULE = re.compile(r"\s*:?-+:?\s*")
_LINE = re.compile(r"[^\n]+")


@dataclass(frozen=True, slots=True)
class TableView:
    """A table in a text.

    Args:
        start: First character of its first row.
        end: One past its last row.
        columns: Their names; "" for one without.
        rows: For each column where its cell lies in the text, without the column's name; empty where nothing does.
        head: Where the row with the names lies; empty, at the start, where each row names its columns.
    """

    start: int
    end: int
    columns: tuple[str, ...]
    rows: tuple[tuple[Span, ...], ...]
    head: Span


def tables_in(text: str) -> list[TableView]:
    """Return a text's tables in order: the first row names the columns, unless all rows do. Markdown is left alone."""
    return [_view(text, rows) for run in _runs(text) for rows in _parted(text, run)]


def as_markdown(text: str) -> str:
    """Return the text with its tables as Markdown, a blank line around each; as it is where it holds none."""
    parts: list[str] = []
    position = 0
    for table in tables_in(text):
        parts += [text[position : table.start], "\n".join(_markdown_lines(text, table))]
        position = table.end
    parts.append(text[position:])
    return "\n\n".join(part.strip("\n") for part in parts if part.strip("\n")) if position else text


def _markdown_lines(text: str, table: TableView) -> Iterator[str]:
    yield _markdown_row(table.columns)
    yield _markdown_row(["---"] * len(table.columns))
    for row in table.rows:
        yield _markdown_row([text[start:end] for start, end in row])


def _markdown_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _runs(text: str) -> Iterator[list[list[Span]]]:
    """Yield the cells of each run of lines that look like rows."""
    run: list[list[Span]] = []
    end = 0
    for match in _LINE.finditer(text):
        if run and match.start() > end + 1:  # A blank line.
            yield run
            run = []
        if _is_row(match.group()) or (run and _label(text, match.span()) in _column_names(text, run)):
            run.append(list(_cells(text, *match.span())))
        elif run:
            yield run
            run = []
        end = match.end()
    if run:
        yield run


def _column_names(text: str, run: list[list[Span]]) -> set[str | None]:
    """Return what the cells of a run's first and last rows call columns."""
    return {text[start:end] for start, end in run[0]} | {_label(text, cell) for cell in run[-1]} - {None}


def _is_row(line: str) -> bool:
    is_markdown = line.startswith("|") and line.endswith("|")
    return (SEPARATOR in line or line.startswith("| ")) and not is_markdown


def _cells(text: str, start: int, end: int) -> Iterator[Span]:
    if text.startswith("| ", start):  # The first cell is empty, and the line begins with the bar behind it.
        yield start, start
        start += 2
    while (bar := text.find(SEPARATOR, start, end)) >= 0:
        yield start, bar
        start = bar + len(SEPARATOR)
    yield start, end


def _parted(text: str, run: list[list[Span]]) -> Iterator[list[list[Span]]]:
    """Cut a run before each row that names the columns of the next: one table may follow another at once."""
    if any(all(_RULE.fullmatch(text[s:e]) for s, e in row) for row in run):
        return  # Markdown without bars at its ends.
    first = 0
    for number in range(1, len(run) - 1):
        if _names(text, run[number], run[number + 1]):
            yield from _table(text, run[first:number])
            first = number
    yield from _table(text, run[first:])


def _table(text: str, rows: list[list[Span]]) -> Iterator[list[list[Span]]]:
    if len(rows) > 1 or _are_labelled(text, rows):
        yield rows


def _names(text: str, row: list[Span], below: list[Span]) -> bool:
    """Whether a row holds the names that the cells below begin with."""
    names = {text[start:end] for start, end in row} - {""}
    labels = [_label(text, cell) for cell in below]
    return bool(names & set(labels)) and all(label is None or label in names for label in labels[:1])


def _label(text: str, cell: Span) -> str | None:
    match = _LABEL.match(text, *cell)
    return match.group(1) if match else None


def _are_labelled(text: str, rows: list[list[Span]]) -> bool:
    """Whether every row's first cell names its column, and so do most others; a row alone must name all."""
    labels = [[_label(text, cell) for cell in row] for row in rows]
    if len(rows) == 1:
        return None not in labels[0]
    n_named = sum(label is not None for row in labels for label in row)
    is_shared = len(set(filter(None, sum(labels, [])))) < n_named
    return all(row[0] is not None for row in labels) and is_shared and 2 * n_named >= sum(map(len, labels))


def _view(text: str, rows: list[list[Span]]) -> TableView:
    start, end = rows[0][0][0], rows[-1][-1][1]
    head = (start, rows[0][-1][1])
    columns = [text[s:e] for s, e in rows[0]]
    if len(rows) > 1 and _names(text, rows[0], rows[1]):
        return TableView(start, end, tuple(columns), _placed(text, columns, rows[1:]), head)
    if _are_labelled(text, rows):
        columns = _column_order(text, rows)
        return TableView(start, end, tuple(columns), _placed(text, columns, rows), (start, start))
    width = max(map(len, rows))
    padded = tuple((*row, *[(row[-1][1],) * 2] * (width - len(row))) for row in rows[1:])
    return TableView(start, end, (*columns, *[""] * (width - len(columns))), padded, head)


def _column_order(text: str, rows: list[list[Span]]) -> list[str]:
    """Return the columns that rows name, each after those that it follows in a row; empty cells name none."""
    order: list[str] = []
    for row in rows:
        place = 0
        for label in filter(None, (_label(text, cell) for cell in row)):
            if label not in order:
                order.insert(place, label)
            place = order.index(label) + 1
    return order


def _placed(text: str, columns: list[str], rows: list[list[Span]]) -> tuple[tuple[Span, ...], ...]:
    return tuple(_under_columns(text, columns, row) for row in rows)


def _under_columns(text: str, columns: list[str], row: list[Span]) -> tuple[Span, ...]:
    """Put a row's cells under the columns that they name; what names none belongs to the cell before it."""
    places: list[Span] = [(row[0][0],) * 2] * len(columns)
    last = -1
    for start, end in row:
        label = _label(text, (start, end))
        following = range(last + 1, len(columns))
        # A cell that begins with its column's name anyway is not given it twice.
        plain = next((at for at in following if columns[at] and text.startswith(columns[at], start)), None)
        unnamed = next((at for at in following if not columns[at]), None)
        if label in columns[last + 1 :]:
            last = columns.index(label, last + 1)
            places[last] = (start + len(label) + 2, end)
        elif plain is not None or unnamed is not None:
            last = plain if plain is not None else unnamed or 0
            places[last] = (start, end)
        else:
            places[max(last, 0)] = (places[last][0] if last >= 0 else start, end)
            last = max(last, 0)
    return tuple(places)
