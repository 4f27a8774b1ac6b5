"""How well one text supports another, by shared words (pure): the measure behind quotes and checked citations."""

from __future__ import annotations

import re
from collections.abc import Iterable

from retrieval.keyword.folding import HAN_RANGES
from retrieval.keyword.tokens import is_single, tokenize
from retrieval.rerankers.coverage import sentence_spans

Span = tuple[int, int]

_HAN = re.compile("[" + "".join(f"{chr(first)}-{chr(end - 1)}" for first, end in HAN_RANGES) + "]")


def tokens(text: str) -> list[str]:
    """Return words and pairs of Chinese characters, as the keyword index folds them; single characters if no more."""
    found = tokenize(text)
    return [token for token in found if not is_single(token)] or found


def has_han(text: str) -> bool:
    """Whether the text holds a Chinese character."""
    return _HAN.search(text) is not None


def share(claim: Iterable[str], held: set[str]) -> float:
    """Return the share of the claim's different tokens that are held, in [0, 1]; 0 for a claim without tokens."""
    wanted = set(claim)
    return len(wanted & held) / len(wanted) if wanted else 0.0


def best_sentence(claim: str, text: str) -> Span:
    """Return the sentence of the text that shares most with the claim; the first of equals; all of it if it has none.

    Args:
        claim: What is to be supported.
        text: Where to look; not empty.
    """
    wanted = set(tokens(claim))
    spans = sentence_spans(text) or [(0, len(text))]
    return max(spans, key=lambda span: (share(wanted, set(tokens(text[span[0] : span[1]]))), -span[0]))
