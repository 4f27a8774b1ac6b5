"""Tells where an article (第…条) of a law, contract or rule book starts (pure)."""

from __future__ import annotations

import re

from ingest.split.numbers import NUMERAL, number_of

_ARTICLE = re.compile(rf"[*_【]{{0,3}}第\s?({NUMERAL})\s?[条條](之{NUMERAL})?[*_】]{{0,3}}")
_ENGLISH = re.compile(r"(?:Article|ARTICLE)\s+(\d{1,4}|[IVXLC]{1,7})(?=\s*[.:：—–-]|\s*$|\s+[A-Z(\[\"“])")
_SEPARATOR = re.compile(r"[\s\u3000:：【（(《.．、]|$")
_REFERS = re.compile(r"[规規的和及或与與至、，,款项項第所中之内內以]|[规規]定")


class ArticleCounter:
    """Reads a document's lines in order; a reference (第三条规定的…) at the start of a line is no article."""

    def __init__(self) -> None:
        self._last = 0

    def is_article(self, line: str) -> bool:
        """Tell whether an article starts with this line."""
        match = _ARTICLE.match(line)
        if match is None:
            return _ENGLISH.match(line) is not None
        number = number_of(match.group(1))
        is_next = number == self._last + 1 or match.group(2) is not None
        rest = line[match.end() :]
        if _REFERS.match(rest) or not (_SEPARATOR.match(rest) or is_next):
            return False
        self._last = number
        return True


def article_name(line: str) -> str:
    """Return what an article is called by its first line: 第三条之一, Article 3."""
    match = _ARTICLE.match(line) or _ENGLISH.match(line)
    return (
        ""
        if match is None
        else "".join(match.group().strip("*_【】").split())
        if match.re is _ARTICLE
        else match.group()
    )
