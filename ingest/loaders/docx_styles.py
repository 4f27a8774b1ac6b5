"""Which Word styles are headings: by name, by outline level, by the style they are based on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_HEADING_NAME = re.compile(r"(?:heading|标题|標題)\s*([1-9])", re.I)
_TITLE_NAMES = ("title", "标题", "標題", "文档标题")
_MAX_BASES = 20


@dataclass(frozen=True, slots=True)
class ParagraphStyle:
    """What a paragraph's style says.

    Args:
        level: Heading level, 1 the highest; 0 for body text.
        is_title: Whether it is the document's title.
        numbering: (list id, level) that the style brings, or None.
    """

    level: int = 0
    is_title: bool = False
    numbering: tuple[str, int] | None = None


class Styles:
    """Looks up paragraphs' styles.

    Args:
        root: The `w:styles` element.
    """

    def __init__(self, root: Any) -> None:
        self._elements = {style.get(f"{W}styleId"): style for style in root.iter(f"{W}style")}
        self._cache: dict[str | None, ParagraphStyle] = {None: ParagraphStyle()}

    def of(self, paragraph: Any) -> ParagraphStyle:
        """Return a paragraph's style; its own outline level comes before the style's."""
        properties = paragraph.find(f"{W}pPr")
        if properties is None:
            return ParagraphStyle()
        named = properties.find(f"{W}pStyle")
        style = self._resolve(named.get(f"{W}val") if named is not None else None)
        own_level = _outline_level(properties)
        if own_level is None:
            return style
        return ParagraphStyle(own_level, style.is_title, style.numbering)

    def _resolve(self, style_id: str | None) -> ParagraphStyle:
        if style_id not in self._cache:
            self._cache[style_id] = self._read(style_id)
        return self._cache[style_id]

    def _read(self, style_id: str | None) -> ParagraphStyle:
        level: int | None = None
        is_title = False
        numbering: tuple[str, int] | None = None
        for _ in range(_MAX_BASES):  # A style may be based on itself in a broken file.
            style = self._elements.get(style_id)
            if style is None:
                break
            name = (_value(style.find(f"{W}name")) or "").strip().lower()
            heading = _HEADING_NAME.fullmatch(name)
            is_title = is_title or name in _TITLE_NAMES
            properties = style.find(f"{W}pPr")
            if level is None:
                outline = _outline_level(properties) if properties is not None else None
                level = int(heading.group(1)) if heading else outline
            if numbering is None and properties is not None:
                numbering = numbering_of(properties)
            style_id = _value(style.find(f"{W}basedOn"))
        return ParagraphStyle(level if level is not None else int(is_title), is_title, numbering)


def numbering_of(properties: Any) -> tuple[str, int] | None:
    """Return (list id, level) of paragraph properties, or None without any."""
    number = properties.find(f"{W}numPr")
    if number is None:
        return None
    list_id, level = _value(number.find(f"{W}numId")), _value(number.find(f"{W}ilvl")) or "0"
    return (list_id, min(int(level), 8)) if list_id and level.isdecimal() else None


def _outline_level(properties: Any) -> int | None:
    value = _value(properties.find(f"{W}outlineLvl"))
    if value is None or not value.isdecimal():
        return None
    return int(value) + 1 if int(value) < 9 else 0  # 9 means body text.


def _value(element: Any) -> str | None:
    return element.get(f"{W}val") if element is not None else None
