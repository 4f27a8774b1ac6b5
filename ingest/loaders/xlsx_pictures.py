"""Which pictures lie on which sheet of a workbook, and where: openpyxl's streaming mode does not tell."""

from __future__ import annotations

import io
import posixpath
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

from ingest.loaders.sheets import column_name

_S = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_D = "{http://schemas.openxmlformats.org/drawingml/2006/spreadsheetDrawing}"
_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_WORKBOOK = "xl/workbook.xml"
_DAMAGE = (zipfile.BadZipFile, zlib.error, KeyError, ValueError, TypeError, NotImplementedError, EOFError, OSError)


class Pictures:
    """The pictures of a workbook.

    Args:
        data: The file.
    """

    def __init__(self, data: bytes) -> None:
        self._zip = zipfile.ZipFile(io.BytesIO(data))
        self._names = frozenset(self._zip.namelist())
        self._has_any = any(name.startswith("xl/drawings/") for name in self._names)
        self._sheets = self._paths_of_sheets() if self._has_any else {}

    def of(self, sheet: str) -> Iterator[tuple[str, bytes]]:
        """Yield a sheet's pictures from above: the cell of each one's upper left corner, and its file.

        What cannot be found is left out: the sheet's text is worth more than its pictures.
        """
        for place, name in self._placed(self._sheets.get(sheet, "")):
            try:
                yield place, self._zip.read(name)
            except _DAMAGE:
                continue

    def _paths_of_sheets(self) -> dict[str, str]:
        root = self._parsed(_WORKBOOK)
        targets = self._targets(_WORKBOOK)
        sheets = root.iter(f"{_S}sheet") if root is not None else ()
        return {str(one.get("name")): targets.get(one.get(f"{_R}id", ""), "") for one in sheets}

    def _placed(self, sheet: str) -> list[tuple[str, str]]:
        found: list[tuple[int, int, str]] = []
        for drawing in self._targets(sheet).values():
            root = self._parsed(drawing) if drawing.startswith("xl/drawings/") else None
            images = self._targets(drawing) if root is not None else {}
            for blip in root.iter(f"{_A}blip") if root is not None else ():
                name = images.get(blip.get(f"{_R}embed", ""))
                if name:
                    found.append((*_corner(blip), name))
        return [(f"{column_name(column)}{row + 1}", name) for row, column, name in sorted(found)]

    def _targets(self, part: str) -> dict[str, str]:
        """Return the parts that a part refers to, by the ids that it calls them by."""
        folder, name = posixpath.split(part)
        root = self._parsed(f"{folder}/_rels/{name}.rels")
        return {
            str(one.get("Id")): posixpath.normpath(posixpath.join("/", folder, str(one.get("Target"))))[1:]
            for one in (root if root is not None else ())
            if one.get("TargetMode") != "External"
        }

    def _parsed(self, name: str) -> Any:
        """Return a part's root element; None where there is none or it is damaged."""
        from lxml import etree

        if name not in self._names:
            return None
        try:
            parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
            return etree.fromstring(self._zip.read(name), parser)
        except (*_DAMAGE, etree.LxmlError):
            return None


def _corner(blip: Any) -> tuple[int, int]:
    """Return row and column, from 0, of the cell in which a picture begins."""
    for anchor in blip.iterancestors(f"{_D}twoCellAnchor", f"{_D}oneCellAnchor"):
        row, column = anchor.findtext(f"{_D}from/{_D}row", "0"), anchor.findtext(f"{_D}from/{_D}col", "0")
        return (int(row), int(column)) if row.isdecimal() and column.isdecimal() else (0, 0)
    return 0, 0
