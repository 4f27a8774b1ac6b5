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
_ARTICLE = re.compile(rf"第\s?{NUMERAL}\s?[条條]")
_SECTION_ONE = re.compile(r"^[ \t\u3000]*(\d{1,2})\.1[\s\u3000.．](?!\d)", re.M)
_SINGLE = re.compile(r"(\d{1,2})(?:[.．、]\s*|[\s\u3000]+)(?![万亿元年月日个倍%])(?=[A-Za-z\u4e00-\u9fff《“])")
_BRACES = re.compile(r"【[^【】]{1,30}】$")
_PROSE_END = re.compile(r"[。；，、！？!?;,…]$|\.{3,}|\s\d+$")
_ROW = re.compile(r"\|.*\|\s*$|[^|\n]+ \| [^|\n]+")


class HeadingFinder:
    """Reads a document's lines in order.

    Args:
        has_blocks: Whether the loader gave structure; Markdown marks are then gone from the text.
        has_headings: Whether it found headings; then only chapters are looked for.
        chapters: Numbers whose sections are numbered too (3 where 3.1 stands): a line with one of them is a heading.
    """

    def __init__(self, *, has_blocks: bool, has_headings: bool, chapters: frozenset[int] = frozenset()) -> None:
        self._has_blocks = has_blocks
        self._has_headings = has_headings
        self._chapters = chapters
        self._last_chapter = 0
        self._in_article = False
        self._last_listed = 0
        self._last_bracketed = 0

    def level(self, line: str) -> int:
        """Return a line's heading level, 0 for body text."""
        if not self._has_blocks and (match := _MARKDOWN.match(line)) and len(line) <= 2 * MAX_CHARS:
            return len(match.group(1))
        self._in_article = self._in_article or _ARTICLE.match(line) is not None
        if len(line) > MAX_CHARS or _PROSE_END.search(line):
            return 0
        base = BELOW_BLOCKS if self._has_headings else 0
        if match := _CHAPTER.match(line):
            self._last_listed = self._last_bracketed = 0
            self._in_article = False
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
        if match := _SINGLE.match(line):
            number = int(match.group(1))
            # A chapter without sections is told from an item of a list by its number alone, without a full stop.
            is_next = bool(self._chapters) and number == self._last_chapter + 1 and match.group().strip().isdecimal()
            if is_next or (number in self._chapters and number > self._last_chapter):
                self._last_chapter = number
                return 4
        if match := _BRACKETED.match(line):
            if self._in_article:
                return 0  # An item of the article.
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


class HeadingPath:
    """The headings that a line stands under, outermost first, and the mail that it is part of."""

    def __init__(self) -> None:
        self._stack: list[tuple[float, str]] = []
        self._message_level = 0.0
        self.names: tuple[str, ...] = ()

    def heading(self, level: float, name: str) -> None:
        """Go under a heading, out of those of its level and below."""
        while self._stack and self._stack[-1][0] >= level:
            self._stack.pop()
        self._stack.append((level, name))
        self.names = tuple(name for _, name in self._stack)

    def message(self, name: str) -> None:
        """Go into a mail, out of the one before: both stand under what stood above the first."""
        if not any(level == self._message_level for level, _ in self._stack):
            self._message_level = (self._stack[-1][0] if self._stack else 0) + 0.5
        self.heading(self._message_level, name)


def chapters_of(text: str) -> frozenset[int]:
    """Return the numbers of chapters whose first section is numbered under them: 3 where a line begins with 3.1."""
    return frozenset(int(match.group(1)) for match in _SECTION_ONE.finditer(text))
