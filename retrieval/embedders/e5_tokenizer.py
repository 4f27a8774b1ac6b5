"""Text to token ids: the Unigram model of multilingual-e5, with its whole vocabulary.

Written here because a table of pieces and sixty lines take 57 MB, where the `tokenizers` package builds a trie of
281 MB (docs/embedders.md). The ids are the same; a test compares them.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from functools import lru_cache

from retrieval.embedders.e5_weights import Vocabulary

MAX_TOKENS = 512
_MARK = "\u2581"  # stands for a space, at the start of every word
_UNKNOWN_PENALTY = 10.0
_LONGEST_CACHED_WORD = 24
_CACHED_WORDS = 20_000
_SPACES = re.compile(" +")


class Tokenizer:
    """Split text into the likeliest pieces. Read-only after construction, so threads may share one.

    Args:
        vocabulary: Pieces with their scores.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._folding = vocabulary.folding
        self.bos, self.eos, self.unk = vocabulary.bos, vocabulary.eos, vocabulary.unk
        pieces = vocabulary.pieces()
        self._scores = array("d", vocabulary.scores.tolist())
        self._unknown_score = min(self._scores) - _UNKNOWN_PENALTY
        self._ids = dict(zip(pieces, range(len(pieces)), strict=True))
        # Text that reads like a control token stays text.
        for special in (*{vocabulary.bos, vocabulary.eos, vocabulary.pad, vocabulary.unk}, len(pieces) - 1):
            if pieces[special].startswith("<"):
                del self._ids[pieces[special]]
        self._longest = _longest_by_start(pieces)
        self._max_piece = max(map(len, pieces))
        self._cached_word = lru_cache(_CACHED_WORDS)(self._viterbi)

    def encode(self, text: str, *, max_tokens: int = MAX_TOKENS) -> list[int]:
        """Return token ids between `<s>` and `</s>`, at most `max_tokens` in all; the text's end is cut off."""
        room = max_tokens - 2
        # No piece is longer, so nothing beyond this can be among the tokens kept.
        text = self.normalize(text[: (room + 1) * self._max_piece * 2])
        ids = [self.bos]
        for word in text.split(" "):
            ids += self._cached_word(_MARK + word) if len(word) < _LONGEST_CACHED_WORD else self._viterbi(_MARK + word)
            if len(ids) > room:
                del ids[room + 1 :]
                break
        ids.append(self.eos)
        return ids

    def normalize(self, text: str) -> str:
        """Return text as the model was trained to see it: NFKC with its own exceptions, single spaces."""
        if not text.isascii():
            text = unicodedata.normalize("NFC", text)
        return _SPACES.sub(" ", text.translate(self._folding)).strip(" ")

    def _viterbi(self, text: str) -> tuple[int, ...]:
        """Return the pieces with the highest sum of scores; the first loop in which most time goes."""
        ids, scores, longest, unk = self._ids, self._scores, self._longest, self.unk
        end = len(text)
        best = [0.0] + [-1e30] * end
        start_of = [0] * (end + 1)
        piece_of = [unk] * (end + 1)
        for start in range(end):
            score = best[start]
            stop = start + 1
            piece = ids.get(text[start:stop], unk)
            total = score + (self._unknown_score if piece == unk else scores[piece])
            if total > best[stop]:
                best[stop], start_of[stop], piece_of[stop] = total, start, piece
            for stop in range(start + 2, min(end, start + longest.get(text[start : start + 2], 1)) + 1):
                piece = ids.get(text[start:stop], unk)
                if piece != unk:
                    total = score + scores[piece]
                    if total > best[stop]:
                        best[stop], start_of[stop], piece_of[stop] = total, start, piece
        return self._backtrack(start_of, piece_of)

    def _backtrack(self, start_of: list[int], piece_of: list[int]) -> tuple[int, ...]:
        path: list[int] = []
        stop = len(start_of) - 1
        while stop:
            piece = piece_of[stop]
            # A run of unknown characters is one token, as in training.
            if piece != self.unk or not path or path[-1] != self.unk:
                path.append(piece)
            stop = start_of[stop]
        path.reverse()
        return tuple(path)


def _longest_by_start(pieces: list[str]) -> dict[str, int]:
    """Return the length of the longest piece for each first two characters: how far to look ahead."""
    longest: dict[str, int] = {}
    for piece in pieces:
        start = piece[:2]
        if len(piece) > longest.get(start, 0):
            longest[start] = len(piece)
    return longest
