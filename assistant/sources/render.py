"""A source -> the lines that the model sees (pure).

    [3] 差旅制度 > 第四章 住宿（2024-05-01，第2-3页）
    表头：城市 | 上限
    北京 | 500元

Documents are data. Nothing in a title, a heading or a text can end the block of sources, open another source or pass
for a marker of the answer: control tokens, the block's delimiters and numbers in brackets get a dot, in any width and
with invisible characters inside. What stands on the first line is one line, whatever its document called it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from assistant.control_tokens import DOT, INVISIBLE, OPENINGS, neutralise
from assistant.sources.source import Source
from retrieval.models import context_line

OMISSION = "……"
"""Stands where a text was cut."""

MAX_HEAD_CHARS = 300
"""Of title and heading path: longer ones are no titles, and would push the text out of the window."""

_DATE_KEYS = ("date", "published", "updated", "modified", "created", "日期", "发布日期", "更新日期")
_DATE = re.compile(r"\s*((?:1[5-9]|20)\d\d(?:[-/.年]\s?\d{1,2}(?:[-/.月]\s?\d{1,2}日?|月)?|年)?)(?!\d)")

# Where a sheet's row or an entry of a list lies, as loaders tell it: A5:F5, #12.
_ROW = re.compile(r"[A-Z]+\d+:[A-Z]+\d+|#\d+")
_GAP = rf"[\s{INVISIBLE}]*"
_SLASH = "[/／⁄∕＼\\\\]"
# What a source could close its own delimiter with, or open another: also in traditional characters, and with brackets
# that only look like one where a slash says what is meant.
_LOOK_ALIKES = "〈⟨‹《"
_DELIMITER = re.compile(
    rf"([{''.join(OPENINGS)}]|[{_LOOK_ALIKES}](?={_GAP}{_SLASH}))"
    rf"(?={_GAP}(?:{_SLASH}{_GAP})?(?:[资資]{_GAP}料|[对對]{_GAP}[话話]))"
)
# A number in brackets, as models write markers and as a source begins; years and the like are longer.
_NUMBER = r"(?:\d{1,3}(?!\d)|[①-⑳])"
_WORD = rf"(?:[资資]{_GAP}料|[来來]{_GAP}源|source|\^){_GAP}"
_BRACKETS = "[［【〖﹝⟦"
_MARKER = re.compile(
    rf"([{re.escape(_BRACKETS)}])(?={_GAP}(?:{_WORD})?(?!0\D){_NUMBER}(?:[\s,，、{INVISIBLE}]*(?:{_WORD})?{_NUMBER})*{_GAP}[\]］】〗﹞⟧])",
    re.IGNORECASE,
)

_DOTTED = rf"\1{DOT}"


def source_text(source: Source) -> str:
    """Return one source as the model sees it: number, title, heading, date and pages on a line, then its text."""
    lines = [_head(source)]
    if source.table_header:
        lines.append(f"表头：{_one_line(source.table_header)}")
    # All at once: a bracket may be opened in a heading and closed in the text.
    return f"[{source.number}] " + as_data("\n".join([*lines, shown_text(source).strip()]))


def shown_text(source: Source) -> str:
    """Return a source's text with a mark where it was cut."""
    text, shown, position = source.text, "", 0
    for start, end in source.omitted:
        shown += text[position:start] + OMISSION
        position = end
    return shown + text[position:]


def as_data(text: str) -> str:
    """Return other people's text with a dot in whatever could end the sources, open one, or pass for a marker."""
    shown = as_block(text)
    return _MARKER.sub(_DOTTED, shown) if _has_any(shown, _BRACKETS) else shown


def as_block(text: str) -> str:
    """Return other people's text with a dot in whatever could end the block of a prompt that it stands in."""
    shown = neutralise(text)
    return _DELIMITER.sub(_DOTTED, shown) if _has_any(shown, (*OPENINGS, *_LOOK_ALIKES)) else shown


def date_of(metadata: Mapping[str, str]) -> str:
    """Return the date that a document gives itself, as it wrote it; "" where it gives none that reads as one."""
    for key in _DATE_KEYS:
        if found := _DATE.match(str(metadata.get(key, ""))):
            return found[1]
    return ""


def _has_any(text: str, characters: Iterable[str]) -> bool:
    """Whether one of them is there: many times faster than a pattern, and most texts have none."""
    return any(character in text for character in characters)


def _head(source: Source) -> str:
    first = source.first
    line = _one_line(context_line(first.title, _path(source)))
    shown = line if len(line) <= MAX_HEAD_CHARS else line[:MAX_HEAD_CHARS] + "…"
    facts = "，".join(filter(None, (date_of(first.metadata), _pages(source))))
    return shown + (f"（{facts}）" if facts else "")


def _path(source: Source) -> tuple[str, ...]:
    """Return the heading path where the text begins; of a table's rows, the place from the first to the last."""
    first, last = source.first, source.chunks[-1].chunk
    path = first.heading_at(first.start)
    begin, end = "".join(path[-1:]), "".join(last.heading_at(last.end - 1)[-1:])
    if begin == end or not (_ROW.fullmatch(begin) and _ROW.fullmatch(end)):
        return path
    return (*path[:-1], f"{begin.partition(':')[0]}{':' if ':' in end else '-'}{end.rpartition(':')[2]}")


def _pages(source: Source) -> str:
    pages = [scored.chunk.page for scored in source.chunks if scored.chunk.page is not None]
    if not pages:
        return ""
    return f"第{pages[0]}页" if pages[0] == pages[-1] else f"第{pages[0]}-{pages[-1]}页"


def _one_line(text: str) -> str:
    return " ".join(text.split())
