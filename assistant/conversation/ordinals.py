"""第二个呢 -> the second thing that the last answer listed (pure)."""

from __future__ import annotations

import re

_DIGITS = "一二三四五六七八九十"
_ENGLISH = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_NTH = re.compile(
    rf"(?:那么?|而)?(?:第(?P<n>[{_DIGITS}两]|10|[1-9])|(?P<last>最[后後]一?))[个個点點项項种種位款部类類家座本条條]"
    rf"|(?:what about |how about |and )?the (?P<english>{'|'.join(_ENGLISH)}|last) (?:one|item|point)\b",
    re.IGNORECASE,
)
_MARK = rf"(?:[（(]?(?:\d{{1,2}}|[{_DIGITS}]{{1,2}})[)）.．、](?!\d)|第[{_DIGITS}][，,、：:]|[-*•·]\s)"
_LISTED = re.compile(rf"(?:^|(?<=[\n。；;：:]))\s*{_MARK}\s*(.+?)(?=[\n。；;]|$)", re.MULTILINE)
_CLAUSE_ENDS = re.compile(r"[。！？!?\n：:；;]")
_SEPARATORS = re.compile(r"、|以及|及其|(?<=[^、])[和与與及](?=[^、]+$)")
# What leads into an enumeration: 分别是A、B和C; 包括A、B; A、B和C三种.
_LEAD = re.compile(r".*(?:分别是|分別是|分为|分為|包括|有|是|为|為|如)")
_COUNT = re.compile(rf"(?:等.*|[{_DIGITS}两\d]+[个種种项类家].*)$")
_BRACKETED = re.compile(r"[（(\[［][^）)\]］]*[）)\]］]")
_QUESTION_CHARS = 200
_ANSWER_CHARS = 2_000
_MAX_ITEM_CHARS = 40
_MIN_ITEMS = 2


def resolve_ordinal(question: str, answer: str) -> str | None:
    """Return the question with 第二个 replaced by the second item that the answer lists; None where there is none."""
    found = _NTH.search(question) if len(question) <= _QUESTION_CHARS else None
    if found is None:
        return None
    items = listed_items(answer)
    index = _index(found, len(items))
    if index is None or not 0 <= index < len(items):
        return None
    return question[: found.start()] + items[index] + question[found.end() :]


def listed_items(answer: str) -> list[str]:
    """Return what an answer lists: its numbered or bulleted points, else the parts of its first enumeration."""
    answer = answer[:_ANSWER_CHARS]
    points = [_item(found[1]) for found in _LISTED.finditer(answer)]
    if len(points) >= _MIN_ITEMS:
        return points
    clauses = _CLAUSE_ENDS.split(_BRACKETED.sub("", answer))
    first, *others = _SEPARATORS.split(next((clause for clause in clauses if "、" in clause), ""))
    parts = [_LEAD.sub("", first), *others[:-1], *(_COUNT.sub("", part) for part in others[-1:])]
    return [part.strip() for part in parts if 0 < len(part.strip()) <= _MAX_ITEM_CHARS]


def _item(text: str) -> str:
    """Return a point's name: what stands before a colon, or its first clause."""
    plain = _BRACKETED.sub("", text).replace("*", "").strip()
    return re.split(r"[：:，,]", plain, maxsplit=1)[0].strip()[:_MAX_ITEM_CHARS]


def _index(found: re.Match[str], n_items: int) -> int | None:
    """Return the position asked for, from 0."""
    if found["last"] or (found["english"] or "").lower() == "last":
        return n_items - 1
    if found["english"]:
        return _ENGLISH.index(found["english"].lower())
    number = found["n"]
    return int(number) - 1 if number.isdecimal() else 1 if number == "两" else _DIGITS.index(number)
