"""Tells headings by the look of a line, where a loader saw no structure (pure)."""

from __future__ import annotations

import re

from ingest.split.numbers import NUMERAL, number_of

BELOW_BLOCKS = 10
"""Added to the level of a heading found by its look in a document whose loader found headings too."""

MAX_CHARS = 40
_MARKDOWN = re.compile(r"(#{1,6})\s+\S")
_CHAPTER = re.compile(rf"第\s?({NUMERAL})\s?([编篇卷部章节節編])(?:分)?(?=[\s\u3000:：、]|[\u4e00-\u9fff《“]|$)")
_CHAPTER_LEVELS = {"编": 1, "編": 1, "篇": 1, "卷": 1, "部": 1, "章": 2, "节": 3, "節": 3}
_LISTED = re.compile(rf"({NUMERAL})、\s*\S")
_BRACKETED = re.compile(rf"[（(]({NUMERAL})[）)]\s*\S")
_DECIMAL = re.compile(r"\d{1,2}((?:\.\d{1,2}){1,4})\.?[\s\u3000]+(?![万亿元年月日个倍])(?=[A-Za-z\u4e00-\u9fff《“])")
_BRACES = re.compile(r"【[^【】]{1,30}】$")
_PROSE_END = re.compile(r"[。；，、！？!?;,…]$|\.{3,}|\s\d+$")
_ROW = re.compile(r"\|.*\|\s*$|[^|\n]+ \| [^|\n]+")


class HeadingFinder:
    """Reads a document's lines in order.

    Args:
        has_blocks: Whether the loader gave structure; Markdown marks are then gone from the text.
        has_headings: Whether it found headings; then only chapters are looked for.
    """

    def __init__(self, *, has_blocks: bool, has_headings: bool) -> None:
        self._has_blocks = has_blocks
        self._has_headings = has_headings
        self._last_listed = 0
        self._last_bracketed = 0

    def level(self, line: str) -> int:
        """Return a line's heading level, 0 for body text."""
        if not self._has_blocks and (match := _MARKDOWN.match(line)) and len(line) <= 2 * MAX_CHARS:
            return len(match.group(1))
        if len(line) > MAX_CHARS or _PROSE_END.search(line):
            return 0
        base = BELOW_BLOCKS if self._has_headings else 0
        if match := _CHAPTER.match(line):
            self._last_listed = self._last_bracketed = 0
            return base + _CHAPTER_LEVELS[match.group(2)] if "。" not in line else 0
        return 0 if self._has_headings or "。" in line else self._numbered(line)

    def _numbered(self, line: str) -> int:
        """Return the level of a numbered line; its number must be the first or the next."""
        if match := _LISTED.match(line):
            number = number_of(match.group(1))
            if number not in (1, self._last_listed + 1):
                return 0
            self._last_listed, self._last_bracketed = number, 0
            return 4
        if match := _BRACKETED.match(line):
            number = number_of(match.group(1))
            if number not in (1, self._last_bracketed + 1):
                return 0
            self._last_bracketed = number
            return 5
        if match := _DECIMAL.match(line):
            return 4 + match.group(1).count(".")
        return 6 if _BRACES.match(line) else 0

    def is_row(self, line: str) -> bool:
        """Tell a table's row in text without blocks."""
        return not self._has_blocks and _ROW.match(line) is not None
