"""The most tokens that a text can have, for servers that cannot count (pure)."""

from __future__ import annotations

import unicodedata
from functools import lru_cache


@lru_cache(maxsize=1024)
def token_bound(text: str) -> int:
    """Return an upper bound of a text's tokens: its UTF-8 bytes, before or after NFKC, whichever are more.

    A tokenizer that falls back to bytes (byte-level BPE, and sentencepiece's BPE as Llama, Mixtral and huozi have it)
    begins with at most one symbol a byte, and every merge makes them fewer. A character outside the vocabulary, 䶮 for
    one, really takes its three bytes, so nothing smaller bounds every text; Chinese text that is in the vocabulary
    takes about a quarter of it. Some tokenizers normalise first, and ﷺ then has 33 bytes instead of 3. The space that
    sentencepiece puts in front of a turn counts with the turn.
    """
    if text.isascii():
        return len(text)
    return max(_n_bytes(text), _n_bytes(unicodedata.normalize("NFKC", text)))


def _n_bytes(text: str) -> int:
    return len(text.encode("utf-8", "replace"))
