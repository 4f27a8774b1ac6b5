"""How much of a question one sentence covers: the second stage, and the extractive answer's choice. Pure.

Coverage = share of the question's weight that a sentence holds together with its chunk's title and heading, in [0, 1].
Of a chunk's sentences the best one and the best two in a row count half each: an answer often stands in one sentence
and its subject in the one before. The weight of a token is its inverse document frequency in the collection.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from retrieval.keyword.folding import fold_chunk
from retrieval.keyword.tokens import is_pair, is_unspaced, tokenize, words

_SENTENCE_END = re.compile(r"[。！？!?；;\n]+[”’」』）)\"]*|\.(?=\s)")


def idf_weights(weights: Mapping[str, float], n_chunks: int, frequencies: Mapping[str, int]) -> dict[str, float]:
    """Return each token's weight times its inverse document frequency, as BM25 has it.

    Args:
        weights: From `query_weights`.
        n_chunks: Chunks in the collection.
        frequencies: Chunks that hold each token; one that is missing counts as in none.
    """
    return {
        token: weight * math.log(1 + (n_chunks - (n := frequencies.get(token, 0)) + 0.5) / (n + 0.5))
        for token, weight in weights.items()
    }


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Return where the sentences of a text lie, white space around them left out."""
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    if not ends or ends[-1] < len(text):
        ends.append(len(text))
    spans = []
    start = 0
    for end in ends:
        sentence = text[start:end]
        trimmed = sentence.strip()
        if trimmed:
            first = start + len(sentence) - len(sentence.lstrip())
            spans.append((first, first + len(trimmed)))
        start = end
    return spans


class Coverage:
    """A question, ready to be compared with many chunks.

    Pairs are left out: single characters and words rank better beside BM25, which has the pairs (docs/retrieval.md).

    Args:
        weights: Tokens and their weights, from `idf_weights`.
        with_pairs: Count pairs of characters too: stricter, for telling whether the question is answered at all.
    """

    def __init__(self, weights: Mapping[str, float], *, with_pairs: bool = False) -> None:
        kept = {token: weight for token, weight in weights.items() if with_pairs or not is_pair(token)}
        self._total = sum(kept.values())
        self._unspaced = [(token, weight) for token, weight in kept.items() if is_unspaced(token)]
        self._words = [(token, weight) for token, weight in kept.items() if not is_unspaced(token)]

    def best(self, text: str, context_line: str = "") -> float:
        """Return the coverage of a text's best sentences.

        Args:
            text: As stored.
            context_line: Title and heading; what they hold counts as held by every sentence.
        """
        if not self._total:
            return 0.0
        folded = fold_chunk(text)
        given, unspaced, wanted = self._split(context_line)
        # Most tokens of a question are nowhere in a chunk: asked once here instead of once a sentence.
        unspaced = [(token, weight) for token, weight in unspaced if token in folded]
        if wanted:
            anywhere = words(folded)
            wanted = [(token, weight) for token, weight in wanted if token in anywhere]
        alone = together = 0.0
        before: dict[str, float] = {}
        for sentence in _SENTENCE_END.split(folded):
            held = {token: weight for token, weight in unspaced if token in sentence}
            if wanted and len(sentence) > 1:
                present = words(sentence)
                held.update((token, weight) for token, weight in wanted if token in present)
            if held:
                own = sum(held.values())
                alone = max(alone, own)
                together = max(together, own + sum(before[token] for token in before if token not in held))
            before = held
        return min(1.0, (given + (alone + together) / 2) / self._total)

    def _split(self, context_line: str) -> tuple[float, Sequence[tuple[str, float]], Sequence[tuple[str, float]]]:
        """Return the weight that the context line holds, and the tokens that it does not hold."""
        if not context_line:
            return 0.0, self._unspaced, self._words
        held = _context_tokens(context_line)
        unspaced = [(token, weight) for token, weight in self._unspaced if token not in held]
        wanted = [(token, weight) for token, weight in self._words if token not in held]
        return self._total - _sum(unspaced) - _sum(wanted), unspaced, wanted


def best_sentences(weights: Mapping[str, float], text: str, *, top_k: int) -> list[tuple[int, int, float]]:
    """Return the sentences of a text that cover a question best.

    Args:
        weights: Tokens and their weights, from `idf_weights`.
        text: As stored.
        top_k: Most sentences to return.

    Returns:
        (start, end, coverage), best first; equal ones in reading order; none without coverage. Offsets count in text.
    """
    coverage = Coverage(weights, with_pairs=True)
    found = [(start, end, coverage.best(text[start:end])) for start, end in sentence_spans(text)]
    found.sort(key=lambda sentence: -sentence[2])
    return [sentence for sentence in found[:top_k] if sentence[2] > 0]


def _sum(tokens: Iterable[tuple[str, float]]) -> float:
    return sum(weight for _, weight in tokens)


@lru_cache(maxsize=512)
def _context_tokens(context_line: str) -> frozenset[str]:
    return frozenset(tokenize(context_line))
