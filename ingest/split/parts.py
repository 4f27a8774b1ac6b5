"""Lines -> the articles, questions with answers, and mails that they make (pure).

Each kind is told by what stands in the lines, never by a file's name; a document may hold several kinds, and most hold
none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ingest.clean import clean_line
from ingest.split.articles import ArticleCounter, article_name
from ingest.split.faq import pairs_of
from ingest.split.mails import message_starts

MAX_NAME_CHARS = 80


@dataclass(frozen=True, slots=True)
class Part:
    """Lines that belong together.

    Args:
        kind: What they are.
        first: Number of the first line.
        end: One past the last; of a message, one past its heads.
        name: What its pieces are headed with where it is cut; a message's always.
    """

    kind: Literal["article", "question", "message"]
    first: int
    end: int
    name: str


def parts_of(lines: Sequence[str], is_heading: Sequence[bool], is_row: Sequence[bool]) -> dict[int, Part]:
    """Return for each line the part that it belongs to; a line of none is left out.

    Args:
        lines: A document's visible lines.
        is_heading: For each line, whether it is a heading.
        is_row: The same for rows of tables, which stand on their own.
    """
    messages = message_starts(lines, is_row)
    starts = {number: Part("message", number, number + 1, name) for number, name in messages.items()}
    articles = ArticleCounter()
    for number, line in enumerate(lines):
        if not is_heading[number] and not is_row[number] and number not in starts and articles.is_article(line):
            starts[number] = Part("article", number, number + 1, article_name(line))
    asked = {
        pair.first: Part(
            "question", pair.first, pair.end, "" if is_heading[pair.first] else _question(lines[pair.first])
        )
        for pair in pairs_of(lines, is_heading, is_row)
        if pair.first not in starts
    }
    return _spread({**asked, **starts}, is_heading, is_row)


def _question(line: str) -> str:
    return clean_line(line)[:MAX_NAME_CHARS]


def _spread(starts: dict[int, Part], is_heading: Sequence[bool], is_row: Sequence[bool]) -> dict[int, Part]:
    """Give each part its lines, up to where another begins, or a heading or table ends it."""
    parts: dict[int, Part] = {}
    for first, part in starts.items():
        end = first + 1
        while (
            part.kind != "message"
            and end < len(is_heading)
            and end not in starts
            and not is_heading[end]
            and not is_row[end]
        ):
            end += 1
        whole = Part(part.kind, first, end, part.name)
        parts |= dict.fromkeys(range(first, end), whole)
    return parts
