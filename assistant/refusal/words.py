"""A question's words by a dictionary of Chinese: what is known as a name, and what no dictionary knows.

The only importer of rjieba. Retrieval needs no words; telling a name that the documents lack from everyday wording
that they put otherwise does.
"""

from __future__ import annotations

from typing import NamedTuple

from retrieval.keyword.folding import fold
from retrieval.keyword.tokens import without_question_words

GAP = "|"
"""Stands where question words stood, so that nothing grows together across them."""


_is_read = False


class Word(NamedTuple):
    """A word and its part of speech, in the letters of jieba's dictionary: `n...` nouns, `v` verbs, `ns` places."""

    text: str
    tag: str


def is_read() -> bool:
    """Whether the dictionary is there, so that nobody waits for it."""
    return _is_read


def words_of(question: str) -> list[Word]:
    """Return the words of what a question asks for, folded, in order; question words leave a gap."""
    return tagged(without_question_words(fold(question), GAP))


def tagged(folded: str) -> list[Word]:
    """Return the words of a folded text, in order.

    No word is guessed: what the dictionary lacks comes as single characters, which is what tells a name.
    """
    global _is_read
    import rjieba  # late: it reads its dictionary in a quarter of a second

    found = rjieba.tag(folded, False)
    _is_read = True
    return [Word(text, tag) for text, tag in found]
