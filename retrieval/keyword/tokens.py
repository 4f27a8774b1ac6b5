"""Tokens: what the keyword index holds and what a question asks for. Pure.

Runs of Han, kana and Hangul become their characters and their pairs of neighbours: no dictionary, so no word that the
dictionary cuts differently in question and text. Anything else becomes words. Numbers stay whole ("3.5", and "1,750"
as "1750"); a code such as "GPT-3" gives "gpt", "3" and "gpt3", so "gpt3" and "GPT 3" find it too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from operator import add

from retrieval.keyword.folding import fold

# Characters written without spaces between words: one token each, and one for each pair.
_UNSPACED = (
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U000323af"
)
_NUMBER = r"\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)*|\d+(?:\.\d+)*"
_LETTERS = rf"[^\W\d_{_UNSPACED}]+"
_PART = rf"{_NUMBER}|{_LETTERS}"
_WORDS = rf"(?:{_PART})(?:[-_./+]?(?:{_PART}))*"
_RUN = re.compile(rf"[{_UNSPACED}]+|{_WORDS}")
_WORD_RUN = re.compile(_WORDS)
_PARTS = re.compile(_PART)
_FIRST_UNSPACED = re.compile(rf"[{_UNSPACED}]")

_MAX_WORD_CHARS = 64  # longer runs are encoded data; the index would refuse terms of 65,530 bytes


def tokenize(text: str) -> list[str]:
    """Return every token of a text, repeats included, in no promised order."""
    return tokenize_folded(fold(text))


def tokenize_folded(text: str) -> list[str]:
    """As `tokenize`, for a text that is folded already."""
    tokens: list[str] = []
    for run in _RUN.findall(text):
        if run[0] >= "\u3005" and _FIRST_UNSPACED.match(run):
            tokens.extend(run)
            tokens.extend(map(add, run, run[1:]))
        elif run.isalpha() and len(run) <= _MAX_WORD_CHARS:
            tokens.append(run)
        else:
            tokens.extend(_words(run))
    return tokens


def indexed_text(context_line: str, text: str) -> str:
    """Return what the index takes of a chunk: the tokens of its context line and text, joined by spaces."""
    return " ".join(tokenize(f"{context_line}\n{text}"))


def is_pair(token: str) -> bool:
    """Tell whether a token is a pair of unspaced characters."""
    return len(token) == 2 and _FIRST_UNSPACED.match(token) is not None


def is_single(token: str) -> bool:
    """Tell whether a token is one unspaced character."""
    return len(token) == 1 and _FIRST_UNSPACED.match(token) is not None


def is_unspaced(token: str) -> bool:
    """Tell whether a token is a character or pair of a script that is written without spaces."""
    return len(token) <= 2 and _FIRST_UNSPACED.match(token) is not None


def words(text: str) -> set[str]:
    """Return the tokens of a folded text that are neither characters nor pairs: words, numbers, codes."""
    return {word for run in _WORD_RUN.findall(text) for word in _words(run)}


def _words(run: str) -> Iterable[str]:
    """Split one run of letters, digits and joints into words; a short run of both kinds is a word itself as well."""
    parts = [part.replace(",", "")[:_MAX_WORD_CHARS] for part in _PARTS.findall(run)]
    yield from parts
    if 1 < len(parts) <= 4 and any(part.isalpha() for part in parts) and any(part[0].isdigit() for part in parts):
        yield "".join(parts)[:_MAX_WORD_CHARS]


# Longest first: they say that something is asked, not what. Folded form.
_QUESTION_WORDS = (
    "为什么|凭什么|是什么样的?|什么样的?|是什么|有什么|什么|怎么样|怎么办|怎么|怎样|如何|为何|何时|何地|何种|多少|多久|多大|多长|多高"
    "|有哪些|哪一?[些个种位年天月日家条项类次部款座所名国省市县]|哪里|哪儿|是否|是不是|有没有|能不能|可不可以|会不会|要不要|请问|请告诉我|告诉我|我想知道|想知道"
)
_MOST_WORD_WEIGHT = 4
_ASKING = re.compile(
    rf"{_QUESTION_WORDS}|(?<!\w)(?:what|which|who|whom|whose|when|where|why|how|is|are|was|were|do|does|did|the|an?|of)(?!\w)"
    r"|[吗呢吧啊呀](?=[?!。,\s]|$)"
)


def without_question_words(folded: str, filler: str = " ") -> str:
    """Return a folded question with the filler for each word that says only that something is asked."""
    return _ASKING.sub(filler, folded)


def query_weights(question: str) -> Mapping[str, float]:
    """Return what a question asks for: each token of it with its weight in the search.

    Pure question words are left out, unless nothing else would remain. A word weighs as much as a Chinese word of its
    length would with all its characters; else "DeepSpeed" would count a quarter of "发布". Empty when the question
    holds no letters, characters or digits.
    """
    folded = fold(question)
    tokens = tokenize_folded(without_question_words(folded)) or tokenize_folded(folded)
    return {token: 1.0 if is_unspaced(token) else float(min(len(token), _MOST_WORD_WEIGHT)) for token in tokens}
