"""Tells where a mail begins in a text: its own heads, and those of the mails quoted or forwarded in it (pure)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from email.utils import parsedate

_QUOTED = re.compile(r"^(?:>\s?)+")
_HEAD = re.compile(
    r"[*_]{0,2}(?P<name>发件人|寄件者|寄件人|发送者|发信人|From|Von"
    r"|发送时间|发送日期|寄件日期|传送时间|日期|时间|发件时间|Sent|Date"
    r"|收件人|收件者|To|抄送|副本|Cc|密送|Bcc|主题|主旨|标题|Subject|重要性|Importance|附件|Attachments?)"
    r"[*_]{0,2}\s*[:：][*_]{0,2}\s*(?P<value>.*)",
    re.I,
)
_SENDER = ("发件人", "寄件者", "寄件人", "发送者", "发信人", "from", "von")
_DATE = ("发送时间", "发送日期", "寄件日期", "传送时间", "日期", "时间", "发件时间", "sent", "date")
_REST = ("收件人", "收件者", "to", "主题", "主旨", "subject")
_WROTE = re.compile(
    r"(?:On|Am|Le)\s(?P<en>.{6,120}?)\s(?:wrote|schrieb|a écrit)\s*[:：]$"
    r"|(?:在|于)?\s*(?P<zh>(?=.{0,40}\d{1,2}).{6,120}?)\s*写道\s*[:：]$"
)
_ADDRESS = re.compile(r"\s*[<＜\[(（](?:mailto:)?[^<>＜＞\s]*@[^<>＜＞\s]*[>＞\])）]|[\"“”']")
_DAY = re.compile(r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})")
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_ENGLISH_DAY = re.compile(
    r"(?P<a>[A-Z][a-z]{2})[a-z]*\.?\s+(?P<b>\d{1,2}),?\s+(?P<c>\d{4})|(?P<d>\d{1,2})\s+(?P<e>[A-Z][a-z]{2})[a-z]*\.?,?\s+(?P<f>\d{4})"
)
MAX_HEAD_LINES = 8
MAX_LABEL_CHARS = 60


def message_starts(lines: Sequence[str], is_row: Sequence[bool]) -> dict[int, str]:
    """Return the numbers of the lines that begin a mail, with who wrote it when.

    Args:
        lines: A document's visible lines.
        is_row: For each line, whether it is a table's row.
    """
    starts: dict[int, str] = {}
    number = 0
    while number < len(lines):
        if is_row[number]:
            number += 1
            continue
        heads, end = _heads(lines, number)
        if _is_mail(heads):
            starts[number] = _label(_first(heads, _SENDER), _first(heads, _DATE))
            number = end
            continue
        if match := _WROTE.match(_plain(lines[number])):
            starts[number] = _wrote(match)
        number += 1
    return starts


def _heads(lines: Sequence[str], start: int) -> tuple[dict[str, str], int]:
    """Return the heads that stand in the lines from one on, and where they end."""
    heads: dict[str, str] = {}
    end = start
    while end < min(len(lines), start + MAX_HEAD_LINES):
        match = _HEAD.match(_plain(lines[end]))
        if match is None or match["name"].lower() in heads:
            break
        heads[match["name"].lower()] = match["value"].strip()
        end += 1
    return heads, end


def _is_mail(heads: dict[str, str]) -> bool:
    """Whether heads are those of a mail: who wrote it, and when, to whom or about what."""
    if not heads or next(iter(heads)) not in (*_SENDER, *_DATE, *_REST) or not _first(heads, _SENDER):
        return False
    return any(name in heads for name in _DATE) or sum(name in heads for name in _REST) > 1


def _first(heads: dict[str, str], names: Sequence[str]) -> str:
    return next((heads[name] for name in names if heads.get(name)), "")


def _wrote(match: re.Match[str]) -> str:
    said = match["en"] or match["zh"]
    day = _day(said)
    name = re.split(r"[,，]\s*", _ADDRESS.sub("", said))[-1]
    name = re.sub(r".*\d{1,2}:\d{2}(?::\d{2})?\s*(?:[AP]M)?\s*", "", name) or name
    return _label(name, day)


def _label(sender: str, date: str) -> str:
    name = _ADDRESS.sub("", sender).strip(" ,，;；") or sender
    return " ".join(filter(None, (name[:MAX_LABEL_CHARS], _day(date))))


def _day(date: str) -> str:
    """Return the day of a date as YYYY-MM-DD; as it was written where it cannot be told."""
    if match := _DAY.search(date):
        return "{}-{:0>2}-{:0>2}".format(*match.groups())
    if match := _ENGLISH_DAY.search(date):
        month, day, year = match["a"] or match["e"], match["b"] or match["d"], match["c"] or match["f"]
        if month.lower() in _MONTHS:
            return f"{year}-{_MONTHS.index(month.lower()) + 1:02}-{int(day):02}"
    if parsed := parsedate(date):
        return "{}-{:02}-{:02}".format(*parsed[:3])
    return date[:30].strip()


def _plain(line: str) -> str:
    return _QUOTED.sub("", line).strip()
