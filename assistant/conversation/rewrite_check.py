"""Whether a model's rewriting of a follow-up may be searched (pure): it says the same question, with its subject named.

The rules let through what the history itself could have given, and nothing else: a rewriting that drops what was asked,
brings in words from elsewhere, speaks of an older topic, answers, explains or obeys somebody is as good as none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from assistant.checking.support import has_han
from retrieval.keyword.folding import fold
from retrieval.keyword.tokens import is_pair, is_single, query_weights, tokenize

MIN_KEPT = 0.5
"""Least share of the question's own words that a rewriting keeps; the rest it may say otherwise."""

MAX_FOREIGN = 0.5
"""Most of the characters that a rewriting adds which what the question leans on does not hold."""

_MAX_CHARS = 200
_MAX_LONGER = 60  # characters that a name and a year may add
_LABEL = re.compile(
    r"^\W*(?:改写后?的?|独立的?|完整的?)*(?:问题|问句)\s*[:：]\s*|^\W*(?:rewritten |standalone )?question\s*:\s*",
    re.IGNORECASE,
)
_QUOTES = "\"'“”‘’「」『』`*"
# Words that make a sentence a question, and glue between a name and what is asked of it.
_GLUE = frozenset(
    fold(
        "的地得是在了吗呢么什谁哪里个些位种为何如怎样多少几时候年月日天有没是否和与及其中对于从由被把将会能可以及到向给所之一这那"
    )
)
_ASKS = re.compile(
    r"[?？]|什么|什麼|谁|誰|哪|几|幾|多[少久大长長高远遠]|怎|如何|何|吗|嗎|呢|是否|能否|有[没沒]有|"
    r"\b(?:what|who|whom|whose|when|where|how|which|why|is|are|was|were|do|does|did|can|could|will|has|have)\b",
    re.IGNORECASE,
)


def checked(reply: str, question: str, leans_on: Sequence[str]) -> str | None:
    """Return the rewriting that a model's reply holds, or None where it strays.

    Args:
        reply: All that the model said.
        question: As asked.
        leans_on: What the question leans on: the turn that names its subject, what was asked and answered last.
    """
    lines = [line for line in reply.strip().splitlines() if line.strip()]
    if len(lines) != 1:
        return None
    text = _LABEL.sub("", lines[0]).strip().strip(_QUOTES).strip()
    sound = _is_sound(text, question) and _keeps(text, question) and _adds_only(text, question, leans_on)
    return text if sound else None


def _is_sound(text: str, question: str) -> bool:
    """Whether it has the form of a self-contained question in the same language."""
    fits = len(question) / 2 <= len(text) <= min(_MAX_CHARS, len(question) + _MAX_LONGER)
    asks = _ASKS.search(text) is not None or _ASKS.search(question) is None
    return fits and asks and has_han(text) == has_han(question) and "\x00" not in text


def _keeps(text: str, question: str) -> bool:
    """Whether it keeps most of the question's own words, and all of its numbers and names in Latin letters."""
    own = _content(question)
    kept = own & set(tokenize(text))
    words = {token for token in own if not is_single(token)}
    if not has_han(question):
        return len(kept) >= MIN_KEPT * len(own)
    return words <= kept and len(kept) >= MIN_KEPT * len(own)


def _adds_only(text: str, question: str, leans_on: Sequence[str]) -> bool:
    """Whether what it adds comes from what the question leans on, and is something."""
    known = set(tokenize(question))
    near = {token for turn in leans_on for token in tokenize(turn)}
    added = _content(text) - known
    named = {token for token in tokenize(text) if not is_single(token)} - known
    if not named & near:
        return False
    foreign = {token for token in added - near if not is_pair(token)}
    if any(not is_single(token) for token in foreign):
        return False  # a number or a name that nobody mentioned
    return len(foreign) <= MAX_FOREIGN * len(added)


def _content(text: str) -> set[str]:
    """Return the characters, words and numbers of a text that say what is asked, without glue."""
    return {token for token in query_weights(text) if not is_pair(token) and token not in _GLUE}
