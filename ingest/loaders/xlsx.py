"""Excel workbooks (.xlsx, .xlsm): visible sheets, as their number formats show them.

Rows stream: openpyxl's read-only mode holds one at a time. It does not tell merged cells, which calamine does, nor
notes and formulas without a stored value, which are read where the workbook is small enough to be held whole.
"""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

from ingest.clean import clean_line
from ingest.errors import BrokenFileError
from ingest.loaders.base import LoadedFile, choose_title
from ingest.loaders.builder import DocumentBuilder
from ingest.loaders.sheets import Merge, add_sheet
from ingest.loaders.xlsx_pictures import Pictures
from ingest.ocr.reader import PictureReader
from ingest.settings import LoadSettings
from retrieval.errors import Message

HELD_WHOLE_BYTES = 1024 * 1024
"""A larger workbook's notes, and its formulas without a value, are not read."""

_MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
# openpyxl lets plain Python errors out; OSError where no part is the workbook.
_DAMAGE = (zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError, EOFError, IndexError, OSError)


def load(data: bytes, *, source: str, settings: LoadSettings) -> LoadedFile:
    """Parse every visible sheet."""
    from openpyxl import load_workbook

    builder = DocumentBuilder(source, settings)
    reader = PictureReader(settings, source)
    notices: list[Message] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Of styles and extensions that do not concern the text.
        try:
            workbook = load_workbook(io.BytesIO(data), read_only=True, data_only=True)
            whole = load_workbook(io.BytesIO(data)) if len(data) <= HELD_WHOLE_BYTES else None
            merges = _merges(data) if whole is None else {one.title: _merged(one) for one in whole.worksheets}
            hidden = [sheet.title for sheet in workbook.worksheets if sheet.sheet_state != "visible"]
            n_formulas = 0
            pictures = Pictures(data)
            for sheet in workbook.worksheets:
                if sheet.title in hidden:
                    continue
                beside = _Beside(whole[sheet.title] if whole is not None else None)
                add_sheet(builder, sheet.title, _rows(sheet, beside), merges.get(sheet.title, ()))
                for place, note in beside.notes():
                    builder.paragraph(f"{place} 批注：{note}")
                for place, picture in pictures.of(sheet.title) if reader.is_looking else ():
                    reader.add_to(builder, picture, label=f"{sheet.title}!{place} 图片：")
                n_formulas += beside.n_formulas
            facts = _facts(workbook.properties)
            title = choose_title([workbook.properties.title], source)
        except _DAMAGE as exc:
            raise BrokenFileError(source, "xlsx", f"{type(exc).__name__}: {exc}"[:200]) from exc
    reader.check_read(builder)
    if hidden:
        notices.append(hidden_sheets(source, hidden))
    if n_formulas:
        notices.append(_without_value(source, n_formulas))
    return LoadedFile(builder.build(title, facts), _MEDIA_TYPE, "xlsx", tuple(notices), reader.n_unread > 0)


def hidden_sheets(source: str, names: Sequence[str]) -> Message:
    """Return the warning that hidden sheets were not read."""
    listed = "、".join(names)
    return Message(
        en=f"{source!r}: hidden sheets were not read: {listed}.", zh=f"{source!r}：隐藏的工作表没有读取：{listed}。"
    )


class _Beside:
    """What the workbook held whole knows of a sheet."""

    def __init__(self, sheet: Any) -> None:
        self._sheet = sheet
        self.n_formulas = 0

    def formula(self, row: int, column: int) -> str:
        """Return the formula of a cell that has no stored value, or nothing."""
        cell = self._sheet._cells.get((row, column)) if self._sheet is not None else None
        value = None if cell is None else cell.value
        if not (isinstance(value, str) and value.startswith("=")):
            return ""
        self.n_formulas += 1
        return value

    def notes(self) -> Iterator[tuple[str, str]]:
        """Yield the cells' notes."""
        # Not by rows: those are made up to the last cell, which may be the last of a million rows.
        for _, cell in sorted(self._sheet._cells.items()) if self._sheet is not None else ():
            if cell.comment is not None and (text := clean_line(cell.comment.text or "")):
                yield cell.coordinate, text


def _rows(sheet: Any, beside: _Beside) -> Iterator[list[str]]:
    sheet.reset_dimensions()  # Programs write wrong ones.
    for number, row in enumerate(sheet.iter_rows(), 1):
        yield [
            shown(cell.value, cell.number_format or "") if cell.value is not None else beside.formula(number, column)
            for column, cell in enumerate(row, 1)
        ]


def shown(value: Any, number_format: str = "") -> str:
    """Return a cell's value as its sheet shows it, as far as it matters to a reader."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d}" if value.time() == time() else f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, date | time | timedelta):
        return str(value)
    if isinstance(value, int | float):
        return _number(value, number_format)
    return str(value)


def _number(value: float, number_format: str) -> str:
    if "%" in number_format:
        return f"{_plain(round(value * 100, 6))}%"
    return _plain(value)


def _plain(value: float) -> str:
    """Return a number without what binary fractions add, and without `.0`."""
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.15g}"


def _merged(sheet: Any) -> list[Merge]:
    """Return a held sheet's merged cells; calamine would lay out all cells between the first and the last."""
    return [
        Merge(one.min_row - 1, one.min_col - 1, one.max_row - 1, one.max_col - 1) for one in sheet.merged_cells.ranges
    ]


def _merges(data: bytes) -> dict[str, list[Merge]]:
    from python_calamine import CalamineError, load_workbook

    try:
        workbook = load_workbook(io.BytesIO(data))
        found = {name: workbook.get_sheet_by_name(name).merged_cell_ranges or [] for name in workbook.sheet_names}
    except CalamineError:
        return {}
    return {name: [Merge(*start, *end) for start, end in ranges] for name, ranges in found.items()}


def _facts(properties: Any) -> dict[str, str]:
    author, changed = clean_line(properties.creator or ""), properties.modified
    facts = {"author": author} if author and author != "openpyxl" else {}
    return {**facts, "date": f"{changed:%Y-%m-%d}"} if changed else facts


def _without_value(source: str, count: int) -> Message:
    return Message(
        en=f"{source!r}: {count} formulas have no stored value and are shown as formulas.",
        zh=f"{source!r}：有 {count} 个公式没有保存计算结果，按公式原样显示。",
    )
