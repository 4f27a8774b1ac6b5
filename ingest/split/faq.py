"""Tells which lines are questions with their answers (pure).

A question is told by a mark that an answer's mark follows (问：… 答：…, Q: … A: …), by being a heading that asks, or by
being one of several short lines that ask and that something else follows, as a list of answered questions has them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ingest.split.numbers import NUMERAL

MIN_MARKED = 1
"""Question and answer that both have their marks need no others beside them."""
MIN_NUMBERED = 2
MIN_PLAIN = 3
MAX_ASKED_CHARS = 80
"""A longer line that ends with a question mark is prose."""
_MIN_SHARE = 0.12
"""Share of a text's lines that must ask, where neither number nor mark says so."""

_NUMBER = rf"(?:[（(]?{NUMERAL}[)）、.．:：]|[①-⑳])\s*"
_ASKS = re.compile(
    rf"(?:{_NUMBER})?(?:[【\[](?:问题?|提问|Q)\s*{NUMERAL}?\s*[】\]]|(?:问题?|提问|客户问)\s*{NUMERAL}?\s*[:：、.．]"
    r"|Q(?:uestion)?\s*\d*\s*[:：.、)])",
    re.I,
)
_ANSWERS = re.compile(
    rf"[【\[](?:答案?|回答|解答|A)\s*{NUMERAL}?\s*[】\]]|(?:答案?|回答|解答|回复|答复)\s*{NUMERAL}?\s*[:：、.．]"
    r"|A(?:nswer)?\s*(?:\d+\s*[:：.、)]|[:：])",
    re.I,
)
_NUMBERED = re.compile(_NUMBER)
_ENDS_ASKING = re.compile(r"[?？][\"”』」）)]*$")


@dataclass(frozen=True, slots=True)
class Pair:
    """Lines of one question with its answer, from `first` to before `end`."""

    first: int
    end: int


def pairs_of(lines: Sequence[str], is_heading: Sequence[bool], is_row: Sequence[bool]) -> list[Pair]:
    """Return the questions with their answers, in order.

    Args:
        lines: A document's visible lines.
        is_heading: For each line, whether it is a heading.
        is_row: The same for rows of tables, which stand on their own.
    """
    asking = _asking(lines, is_heading, is_row)
    pairs: list[Pair] = []
    for first in sorted(asking):
        end = first + 1
        while end < len(lines) and end not in asking and not is_heading[end] and not is_row[end]:
            end += 1
        if end > first + 1:
            pairs.append(Pair(first, end))
    return pairs


def _asking(lines: Sequence[str], is_heading: Sequence[bool], is_row: Sequence[bool]) -> set[int]:
    """Return the numbers of the lines that begin a question with an answer."""
    marked = {number for number in range(len(lines)) if not is_row[number] and _ASKS.match(lines[number])}
    answered = {number for number in marked if _has_answer(lines, is_heading, number, marked)}
    headed = {n for n, line in enumerate(lines) if is_heading[n] and _ENDS_ASKING.search(line)}
    if answered:
        return answered | headed
    ends = [
        number
        for number, line in enumerate(lines)
        if not is_heading[number] and not is_row[number] and _is_short_question(line)
    ]
    alone = [number for number in ends if number + 1 < len(lines) and not _is_short_question(lines[number + 1])]
    numbered = [number for number in alone if _NUMBERED.match(lines[number])]
    if len(numbered) >= MIN_NUMBERED and len(numbered) > 0.5 * len(ends):
        return headed | set(numbered)
    if len(alone) >= MIN_PLAIN and len(alone) > max(0.7 * len(ends), _MIN_SHARE * len(lines)):
        return headed | set(alone)
    return headed


def _has_answer(lines: Sequence[str], is_heading: Sequence[bool], asked: int, marked: set[int]) -> bool:
    """Whether an answer's mark follows a question's before the next question or heading."""
    for number in range(asked + 1, len(lines)):
        if number in marked or is_heading[number]:
            return False
        if _ANSWERS.match(lines[number]):
            return True
    return False


def _is_short_question(line: str) -> bool:
    """Whether a line is one question, not prose that ends with one."""
    return (
        len(line) <= MAX_ASKED_CHARS
        and _ENDS_ASKING.search(line) is not None
        and not re.search(r"[。；;!！]", line)
        and line.count("？") + line.count("?") == 1
    )
