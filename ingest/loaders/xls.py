"""Old Excel workbooks (.xls), binary ones (.xlsb) and OpenDocument sheets (.ods): visible sheets, by calamine."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from ingest.errors import BrokenFileError, EncryptedError
from ingest.loaders.base import LoadedFile, choose_title
from ingest.loaders.builder import DocumentBuilder
from ingest.loaders.sheets import Merge, add_sheet
from ingest.loaders.xlsx import hidden_sheets, shown
from ingest.settings import LoadSettings


def load(data: bytes, *, source: str, settings: LoadSettings) -> LoadedFile:
    """Parse every visible sheet."""
    from python_calamine import CalamineError, PasswordError, SheetVisibleEnum, load_workbook

    builder = DocumentBuilder(source, settings)
    try:
        workbook = load_workbook(io.BytesIO(data))
        hidden = [one.name for one in workbook.sheets_metadata if one.visible != SheetVisibleEnum.Visible]
        for name in workbook.sheet_names:
            if name not in hidden:
                sheet = workbook.get_sheet_by_name(name)
                merges = [Merge(*start, *end) for start, end in sheet.merged_cell_ranges or ()]
                add_sheet(builder, name, _rows(sheet), merges)
    except PasswordError as exc:
        raise EncryptedError(source) from exc
    except CalamineError as exc:
        raise BrokenFileError(source, "xls", str(exc)[:200]) from exc
    document = builder.build(choose_title([], source))
    return LoadedFile(document, "application/vnd.ms-excel", "xls", (hidden_sheets(source, hidden),) if hidden else ())


def _rows(sheet: Any) -> Iterator[list[str]]:
    """Yield the rows from the sheet's first on, which calamine leaves out where they are empty."""
    top, left = sheet.start or (0, 0)
    yield from ([] for _ in range(top))
    for row in sheet.to_python(skip_empty_area=True):
        yield [""] * left + [shown(cell) for cell in row]
