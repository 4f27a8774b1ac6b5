"""Text -> readable text: control characters out, line ends and odd spaces made plain. Nothing else is changed."""

from __future__ import annotations

import re

_LINE_END = re.compile(r"\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_DROPPED = re.compile(
    r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f"
    r"\xad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff]"
)
_ODD_SPACE = re.compile(r"[\t\xa0\u2000-\u200a\u202f\u205f]")
_TRAILING = re.compile(r" +(?=\n|$)")
_BLANK_LINES = re.compile(r"\n{3,}")
_SPACES = re.compile(r"\s+")


def clean_text(text: str) -> str:
    """Return text with LF line ends, no control or invisible characters, and at most one blank line in a row."""
    text = _ODD_SPACE.sub(" ", _DROPPED.sub("", _LINE_END.sub("\n", text)))
    return _BLANK_LINES.sub("\n\n", _TRAILING.sub("", text)).strip("\n")


def clean_line(text: str) -> str:
    """Return text on one line, runs of white space (the ideographic space too) as one space."""
    return _SPACES.sub(" ", _DROPPED.sub("", text)).strip()
