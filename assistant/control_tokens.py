"""Control tokens in other people's text: broken with a dot on the way in, mended on the way out (pure).

Every tokenizer reads `<|endofutterance|>` inside a document as the token that ends a turn, so a document could forge
a turn of the system. A dot after the `<` keeps it text: `<·|endofutterance|>`. The chat templates in `prompts/` do
the same to whatever stands in a turn; what passes here first comes out of them unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

DOT = "·"
INVISIBLE = "".join(
    map(
        chr,
        [
            *(0x00AD, 0x034F, 0x061C, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x180F)),
            *(*range(0x200B, 0x2010), 0x202A, 0x202B, 0x202D, 0x202E, 0x202C),
            *(*range(0x2060, 0x2065), 0x2066, 0x2067, 0x2068, 0x2069, *range(0x206A, 0x2070)),
            *(0x3164, *range(0xFE00, 0xFE10), 0xFEFF, 0xFFA0),
        ],
    )
)
"""Characters without a shape, which some tokenizers drop before they look for tokens."""

OPENINGS = ("<", "＜", "﹤")
FOLLOWERS = ("|", "｜", "s>", "/s>", "unk>", "pad>", *INVISIBLE)
"""An opening with one of these after it may begin a control token, and gets the dot.

`<|` begins the tokens of huozi, Llama 3 and most others; the names are the base vocabularies' (Mixtral, BLOOM). NFKC
makes ＜ ﹤ ｜ of the shape of < and |, so these count too. Letters need no look: without `<|` there is no token.
"""
# The templates also dot the end of a tool's result, and context.py the delimiters of its sources.
_DOTTED_FOLLOWERS = (*FOLLOWERS, "/tool_response", "资料>", "/资料>")


def _one_of(texts: Iterable[str]) -> str:
    return "(?:" + "|".join(map(re.escape, sorted(texts, key=len, reverse=True))) + ")"


_BEFORE_TOKEN = re.compile(rf"({_one_of(OPENINGS)})(?={_one_of(FOLLOWERS)})")
_DOTTED = re.compile(rf"({_one_of(OPENINGS)}){DOT}(?={_one_of(_DOTTED_FOLLOWERS)})")
# What may still become a dotted token: everything from an opening on that is the beginning of one.
_BEGINNINGS = {text[:end] for text in _DOTTED_FOLLOWERS for end in range(len(text))}
_UNFINISHED = re.compile(rf"(?:{_one_of(OPENINGS)}(?:{DOT}{_one_of(_BEGINNINGS)})?|<\|\w{{0,40}}\|?)\Z")
# A control token that a model writes out, `<|endofutterance|>`: servers leave these out, and so do we.
_WRITTEN_OUT = re.compile(r"<\|\w{1,40}\|>")


def neutralise(text: str) -> str:
    """Put a dot after each `<` that could begin a control token; twice is the same as once."""
    # Most texts have no opening at all, and to look for three characters is many times faster than the pattern.
    return _BEFORE_TOKEN.sub(rf"\1{DOT}", text) if any(one in text for one in OPENINGS) else text


def restore(text: str) -> str:
    """Take the dots out again: `restore(neutralise(text)) == text` for every text that has no dotted token itself."""
    return _DOTTED.sub(r"\1", text)


class RestoringStream:
    """Restores a model's text that arrives in pieces, wherever it is cut.

    A control token without its dot is none that was quoted, for models only see dotted ones: it is left out.
    """

    def __init__(self) -> None:
        self._held = ""

    def feed(self, piece: str) -> str:
        """Take more text, and return what is settled: all but what may be the start of a dotted token."""
        pending = self._held + piece
        unfinished = _UNFINISHED.search(pending)
        settled = pending[: unfinished.start()] if unfinished else pending
        self._held = pending[len(settled) :]
        return restore(_WRITTEN_OUT.sub(" ", settled))

    def finish(self) -> str:
        """Return what was still held back; call once, at the end."""
        held, self._held = self._held, ""
        return held
