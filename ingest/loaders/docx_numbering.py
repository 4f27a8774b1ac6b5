"""Automatic numbers of Word lists: `1.`, `（一）`, `第三条`, which stand nowhere in the text itself."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from ingest.loaders.docx_styles import numbering_of

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_CHINESE = "零一二三四五六七八九"
_CHINESE_FORMATS = (
    "chineseCounting",
    "chineseCountingThousand",
    "chineseLegalSimplified",
    "ideographDigital",
    "ideographTraditional",
    "japaneseCounting",
    "taiwaneseCounting",
    "taiwaneseCountingThousand",
)


@dataclass(frozen=True, slots=True)
class _Level:
    start: int
    number_format: str
    text: str


class Numbering:
    """Counts the paragraphs of each list.

    Args:
        root: The `w:numbering` element, or None if the document has no lists.
    """

    def __init__(self, root: Any) -> None:
        self._lists: dict[str, tuple[str, dict[int, _Level]]] = {}
        self._counts: dict[tuple[str, int], int] = defaultdict(int)
        if root is not None:
            self._read(root)

    def next_label(self, paragraph: Any, of_style: tuple[str, int] | None) -> str:
        """Count a paragraph and return its number with what follows it; empty if it is in no list."""
        properties = paragraph.find(f"{W}pPr")
        place = (numbering_of(properties) if properties is not None else None) or of_style
        if place is None or place[0] not in self._lists:
            return ""
        (list_id, levels), level = self._lists[place[0]], place[1]
        if level not in levels:
            return ""
        if levels[level].number_format in ("bullet", "none"):
            return "- " if levels[level].number_format == "bullet" else ""
        self._counts[list_id, level] += 1
        for deeper in range(level + 1, 9):
            self._counts[list_id, deeper] = 0
        return self._render(list_id, levels, level)

    def _render(self, list_id: str, levels: dict[int, _Level], level: int) -> str:
        def number(match: re.Match[str]) -> str:
            index = int(match.group(1)) - 1
            if index not in levels:
                return ""
            count = max(self._counts[list_id, index], 1) + levels[index].start - 1
            return format_number(count, levels[index].number_format)

        label = re.sub(r"%([1-9])", number, levels[level].text)
        return label if not label or label[-1] in "、）)．" else f"{label} "

    def _read(self, root: Any) -> None:
        abstract = {
            element.get(f"{W}abstractNumId"): {
                int(level.get(f"{W}ilvl", "0")): _read_level(level) for level in element.iter(f"{W}lvl")
            }
            for element in root.iter(f"{W}abstractNum")
        }
        for element in root.iter(f"{W}num"):
            reference = element.find(f"{W}abstractNumId")
            abstract_id = reference.get(f"{W}val") if reference is not None else None
            # Lists of one abstract list go on counting; one that restarts has an override.
            restarts = element.find(f"{W}lvlOverride") is not None
            list_id = element.get(f"{W}numId")
            if abstract_id in abstract and list_id is not None:
                self._lists[list_id] = (list_id if restarts else f"abstract {abstract_id}", abstract[abstract_id])


def _read_level(level: Any) -> _Level:
    def value(name: str, default: str) -> str:
        found = level.find(f"{W}{name}")
        return str(found.get(f"{W}val", default)) if found is not None else default

    start = value("start", "1")
    return _Level(int(start) if start.isdecimal() else 1, value("numFmt", "decimal"), value("lvlText", ""))


def format_number(number: int, number_format: str) -> str:
    """Return a list number as Word prints it; unknown formats as digits."""
    if number_format in _CHINESE_FORMATS:
        return chinese_number(number)
    if number_format in ("lowerLetter", "upperLetter") and 1 <= number <= 26:
        return chr((ord("a") if number_format == "lowerLetter" else ord("A")) + number - 1)
    if number_format in ("lowerRoman", "upperRoman"):
        roman = _roman(number)
        return roman.lower() if number_format == "lowerRoman" else roman
    if number_format.startswith("decimalEnclosedCircle") and 1 <= number <= 20:
        return chr(ord("①") + number - 1)
    return str(number)


def chinese_number(number: int) -> str:
    """Return a number from 0 to 9999 in Chinese counting words; larger ones as digits."""
    if not 0 < number < 10_000:
        return "零" if number == 0 else str(number)
    digits = [int(digit) for digit in f"{number:04d}"]
    words = "".join(_CHINESE[digit] + (unit if digit else "") for digit, unit in zip(digits, "千百十 ", strict=True))
    words = re.sub("零+", "零", words.replace(" ", "")).strip("零")
    return words[1:] if words.startswith("一十") else words


def _roman(number: int) -> str:
    if not 0 < number < 4000:
        return str(number)
    values = (1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1)
    signs = ("M", "CM", "D", "CD", "C", "XC", "L", "XL", "X", "IX", "V", "IV", "I")
    roman = ""
    for value, sign in zip(values, signs, strict=True):
        times, number = divmod(number, value)
        roman += sign * times
    return roman
