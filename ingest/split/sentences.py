"""Where sentences end in Chinese, English and mixed text (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterator

_END = re.compile(
    r"(?:[。！？；]+|[…⋯]{2,}|[!?]+(?=[\s\u3000-\uffef”’]|$)|;(?=[\s\u3000-\uffef]|$)|(?<=[A-Za-z0-9)\]\"'%])\.(?=\s+[A-Z\u4e00-\u9fff“\"']|\s*$))"
    r"[”’』」】）》\"')\]]*"
)
_ABBREVIATION = re.compile(
    r"(?:\b(?:[A-Z]|e\.g|i\.e|etc|vs|cf|al|No|Nos|Fig|Figs|Eq|Sec|Mr|Mrs|Ms|Dr|Prof|St|Inc|Ltd|Co|Jan|Feb|Mar|Apr|Aug|Sept?|Oct|Nov|Dec|approx|pp?))\.$"
)
_OPENING = "“‘「『（《【〈("
_CLOSING = "”’」』）》】〉)"
_BRACKETS = re.compile(f"[{re.escape(_OPENING + _CLOSING)}]")
_LONG_QUOTE = 120
"""A quote or bracket that is open for more characters than this, or never closed, joins sentences no longer."""

_CLAUSE_END = re.compile(r"[，,、：:；;）)】》”’」』—]+|\s+\|\s+|\s")


def sentence_spans(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Return the sentences between two offsets, without white space around them; quotes stay whole."""
    spans: list[tuple[int, int]] = []
    last = start
    for cut in (*_ends(text, start, end), end):
        sentence = _trimmed(text, last, cut)
        if sentence[0] < sentence[1]:
            spans.append(sentence)
        last = cut
    return spans


def _ends(text: str, start: int, end: int) -> Iterator[int]:
    """Yield offsets after sentence ends that are not inside a quote or bracket."""
    opened: list[int] = []
    position = start
    has_brackets = _BRACKETS.search(text, start, end) is not None  # Most lines have none.
    for match in _END.finditer(text, start, end):
        if has_brackets:
            for bracket in _BRACKETS.finditer(text, position, match.end()):
                if bracket.group() in _OPENING:
                    opened.append(bracket.start())
                elif opened:
                    opened.pop()
        position = match.end()
        if opened:
            opened = [offset for offset in opened if position - offset <= _LONG_QUOTE]
        is_aside = text[position - 1] in "）)】》"  # The sentence around a bracket goes on.
        if not opened and not is_aside and not _is_abbreviation(text, max(start, position - 8), position):
            yield position


def _is_abbreviation(text: str, start: int, end: int) -> bool:
    return text[end - 1] == "." and _ABBREVIATION.search(text, start, end) is not None


def cut_long(text: str, start: int, end: int, max_chars: int) -> Iterator[tuple[int, int]]:
    """Yield a span as it is, or in pieces of at most max_chars, cut after clauses where there are any."""
    while end - start > max_chars:
        cut = _last_cut(text, start, max_chars)
        piece = _trimmed(text, start, cut)
        if piece[0] < piece[1]:
            yield piece
        start = cut
    piece = _trimmed(text, start, end)
    if piece[0] < piece[1]:
        yield piece


def _last_cut(text: str, start: int, max_chars: int) -> int:
    limit = start + max_chars
    for pattern in (_END, _CLAUSE_END):
        cuts = [match.end() for match in pattern.finditer(text, start + max_chars // 3, limit) if match.end() <= limit]
        if cuts:
            return cuts[-1]
    # Not between a character and what modifies it.
    while limit > start + 1 and (text[limit] in "\u200d\ufe0e\ufe0f\u20e3" or text[limit - 1] == "\u200d"):
        limit -= 1
    return limit


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Return a span without white space around it; an empty one where there is nothing else."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end
