"""A model's text, in pieces -> its sentences, each with its markers, as soon as they are complete (pure).

A sentence ends with its full stop, the quotation marks and brackets that close it, and the markers behind it; a line
ends one too. A row of a table and a block of code are one each. All of them joined are the text, however it was cut.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from assistant.checking.kinds import CELL, FENCE, Kind, kind_of

_NUMBERS = r"(?:资料|来源|资料来源|source)?\s*\d{1,3}(?:\s*[,，、]\s*(?:资料|来源)?\s*\d{1,3})*\s*"
MARKER = re.compile(rf"[\[【［]\s*({_NUMBERS})[\]】］]")
"""`[1]`, `[1,2]`, `[资料1]`, `【1】` or `［1］`: numbers of sources."""
_MARKER = MARKER.pattern.replace("(资料", "(?:资料").replace(f"({_NUMBERS})", f"(?:{_NUMBERS})")
_ON_LINE = re.compile(rf"(?:[^\S\n]{{0,8}}{_MARKER}){{0,12}}")
_OWN_LINE = re.compile(rf"\s{{0,8}}\n\s{{0,8}}(?:{_MARKER}[^\S\n]{{0,8}}){{1,12}}(?=\n)")
_OWN_LAST_LINE = re.compile(rf"\s*\n\s*(?:{_MARKER}\s*)+\Z")
# What may still become markers: white space, whole markers on a line of their own, and one that has only begun.
_UNDECIDED = re.compile(rf"\s*(?:\n\s*(?:{_MARKER}[^\S\n]*)*)?(?:[\[【［][\s\d,，、资料来源source]{{0,40}})?\Z")
_STOP = re.compile(r"[。！？!?]+|\.+|\n")
_CLOSERS = '”’」』）)"》*_`'
_PAIRS = ("《》", "“”", "「」", "『』", "（）", "()")
_EVEN = ("**", '"', "`")
_LIST_NUMBER = re.compile(r"[\s>*#\-]*(?:\d{1,3}|[A-Za-z])\Z")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(（.])(?:[A-Z]|e\.g|i\.e|etc|vs|cf|no|mr|mrs|ms|dr|prof|fig|inc|ltd|co|st)\Z", re.IGNORECASE
)
_PREFIX = re.compile(
    r"\s*(?:>\s?)*(?:[-*+•·]\s+|#{1,6}\s+|\d{1,3}(?:[、)）]\s*|\.\s+)|[(（][\d一二三四五六七八九十]{1,3}[)）]\s*|[①-⑳]\s*)?"
)
MAX_CHARS = 4_000
"""A sentence is cut here, so that a text without an end does not wait for it."""
_LOOK_AHEAD = 600


class SentenceCutter:
    """Cuts a text that arrives in pieces; where they end changes nothing."""

    def __init__(self) -> None:
        self._pending = ""

    @property
    def pending(self) -> str:
        """What has come of the next sentence."""
        return self._pending

    def feed(self, piece: str) -> list[str]:
        """Take more text, and return the sentences that are complete, white space before them included."""
        self._pending += piece
        return self._take(is_final=False)

    def finish(self) -> list[str]:
        """Return what is left; call once, at the end."""
        found = self._take(is_final=True)
        if self._pending:
            found.append(self._pending)
            self._pending = ""
        return found

    def _take(self, *, is_final: bool) -> list[str]:
        found: list[str] = []
        while (end := _end_of_first(self._pending, is_final=is_final)) is not None:
            found.append(self._pending[:end])
            self._pending = self._pending[end:]
        return found


def _end_of_first(text: str, *, is_final: bool) -> int | None:
    """Return where the first sentence ends, or None while that is not known."""
    end = _sentence_end(text[: MAX_CHARS + _LOOK_AHEAD], is_final=is_final and len(text) <= MAX_CHARS + _LOOK_AHEAD)
    if end is not None and end <= MAX_CHARS:
        return end
    return MAX_CHARS if len(text) >= MAX_CHARS + _LOOK_AHEAD or (is_final and len(text) > MAX_CHARS) else None


def _sentence_end(text: str, *, is_final: bool) -> int | None:
    start = len(text) - len(text.lstrip())
    fence = FENCE.match(text, start)
    if fence is not None:
        return _fence_end(text, fence, is_final=is_final)
    if not is_final and text[start:] in ("`", "``", "~", "~~"):
        return None
    for stop in _STOP.finditer(text, start):
        end = stop.start() if stop[0] == "\n" else stop.end()
        if stop[0] != "\n":
            if end == len(text) and not is_final:
                return None
            if not _ends_sentence(text, start, stop):
                continue
            while not _is_balanced(text[start:end]) and text[end : end + 1] and text[end] in _CLOSERS:
                end += 1
            if not _is_balanced(text[start:end]):
                if end == len(text) and not is_final:
                    return None
                continue
        return _with_markers(text, end, is_final=is_final)
    return None


def _fence_end(text: str, fence: re.Match[str], *, is_final: bool) -> int | None:
    closing = re.compile(rf"\n[ \t]*{re.escape(fence[0][0])}{{{len(fence[0])},}}[^\n]*(?=\n{'|$' if is_final else ''})")
    found = closing.search(text, fence.end())
    return _with_markers(text, found.end(), is_final=is_final) if found else None


def _ends_sentence(text: str, start: int, stop: re.Match[str]) -> bool:
    """Whether a full stop is one: not in a number, a list's number, an abbreviation, an address, a table's row."""
    line = text[max(start, text.rfind("\n", start, stop.start()) + 1) : stop.start()]
    if line.lstrip().startswith("|") or CELL in line:
        return False
    if not stop[0].isascii():
        return True
    behind = text[stop.end() : stop.end() + 1]
    if stop[0][-1] == "!" and behind == "[":
        return False
    if behind and not (behind.isspace() or behind in _CLOSERS or behind in "[【［" or not behind.isascii()):
        return False
    return stop[0] != "." or not (_LIST_NUMBER.fullmatch(line) or _ABBREVIATION.search(line))


def _is_balanced(text: str) -> bool:
    """Whether nothing that was opened in the text is still open."""
    return all(text.count(one[0]) <= text.count(one[1]) for one in _PAIRS) and all(
        text.count(mark) % 2 == 0 for mark in _EVEN
    )


def _with_markers(text: str, end: int, *, is_final: bool) -> int | None:
    """Return the end of the markers behind a sentence's end, on its line or on one of their own."""
    on_line = _ON_LINE.match(text, end)
    end = on_line.end() if on_line else end
    if not is_final and _UNDECIDED.match(text, end):
        return None
    own_line = _OWN_LINE.match(text, end) or (_OWN_LAST_LINE.match(text, end) if is_final else None)
    return own_line.end() if own_line else end


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence as the model wrote it.

    Args:
        prefix: White space, and the mark of a list or quotation, before it.
        parts: Its text and the numbers of its markers in turn; text first, either may be empty.
        kind: `fact` states something; `frame` does not: a heading, a lead-in, a greeting, a question, the word that the
            sources hold nothing; `row` is a table's, `code` a block: facts too.
    """

    prefix: str
    parts: tuple[tuple[str, tuple[int, ...]], ...]
    kind: Kind

    @property
    def text(self) -> str:
        """Its words, without prefix and markers."""
        return "".join(text for text, _ in self.parts)


def read_sentence(written: str) -> Sentence:
    """Return a sentence of the cutter's with its markers taken out."""
    prefix = _PREFIX.match(written)
    at = prefix.end() if prefix else 0
    is_code = FENCE.match(written, at) is not None
    parts: list[tuple[str, tuple[int, ...]]] = []
    position = at
    # Brackets in code are no markers, but for those behind its last line.
    for match in MARKER.finditer(written, written.rfind("\n") if is_code else at):
        numbers = tuple(dict.fromkeys(map(int, re.findall(r"\d+", match[1]))))
        text = written[position : match.start()]
        if parts and not text.strip():
            before, held = parts.pop()
            parts.append((before, tuple(dict.fromkeys([*held, *numbers]))))
        else:
            parts.append((text, numbers))
        position = match.end()
    if position < len(written):
        parts.append((written[position:], ()))
    text = "".join(text for text, _ in parts)
    return Sentence(written[:at], tuple(parts), kind_of(written[:at], text))
