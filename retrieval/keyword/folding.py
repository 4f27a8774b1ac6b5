"""Folding: the form in which texts are compared.

NFKC, case folding, traditional to simplified characters, and no invisible characters. Only matching sees the folded
form; what is stored, shown and cited is the original, and `fold_with_offsets` leads back to it.
"""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Sequence
from functools import cache, lru_cache

import numpy as np
import numpy.typing as npt

HAN_RANGES = ((0x3400, 0xA000), (0xF900, 0xFB00), (0x20000, 0x323B0))
"""Half-open code-point ranges of Han characters."""

# Soft hyphen, zero-width spaces and joiners, direction marks, byte order mark, variation selectors: they would keep
# neighbours from being neighbours.
_INVISIBLE = (
    0xAD,
    *range(0x200B, 0x2010),
    *range(0x202A, 0x202F),
    *range(0x2060, 0x2065),
    *range(0xFE00, 0xFE10),
    0xFEFF,
    *range(0xE0100, 0xE01F0),
)
_TABLE_SIZE = 0x32400  # up to the last Han character
_NO_ENTRY = 0xFFFF_FFFF
_SHORT_CHARS = 48  # below, the table's fixed cost is more than it saves
# Where a character's folded form differs from itself, apart from Han; the rest goes the slow way.
_FOLDED_RANGES = ((0x41, 0x5B), (0x80, 0x3400), (0xA640, 0xAC00), (0xFB00, 0x10000))


@cache
def script_map() -> dict[int, str]:
    """Return traditional to simplified, one character to one; about 5,100 entries, made from OpenCC's tables."""
    import opencc  # type: ignore[import-untyped,unused-ignore]  # late: 5 ms that `--help` need not pay

    characters = [chr(code) for first, end in HAN_RANGES for code in range(first, end)]
    # One text of lines: 25 ms, where one call a character takes seconds.
    simplified = opencc.OpenCC("t2s").convert("\n".join(characters)).split("\n")
    pairs = {one: other for one, other in zip(characters, simplified, strict=True) if one != other and len(other) == 1}
    return {ord(one): pairs.get(other, other) for one, other in pairs.items()}


@cache
def _late_map() -> dict[int, str | None]:
    """Return what happens after NFKC and case folding: script, and invisible characters dropped."""
    return {**script_map(), **dict.fromkeys(_INVISIBLE)}


def _fold_slowly(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().translate(_late_map())


@cache
def _whole_map() -> dict[int, str | None]:
    """Return every step in one map, for texts whose characters do not combine."""
    whole: dict[int, str | None] = dict(_late_map())
    codes = itertools.chain.from_iterable(range(first, end) for first, end in (*_FOLDED_RANGES, (0xF900, 0xFB00)))
    for code in codes:
        folded = _fold_slowly(chr(code))
        # A mark must keep its class, or NFKC could no longer see that it stands in the wrong order.
        if folded != chr(code) and not unicodedata.combining(chr(code)):
            whole[code] = folded or None
    return whole


@cache
def _resizing() -> frozenset[str]:
    """Return the characters whose folded form is not exactly one character."""
    return frozenset(chr(code) for code, folded in _whole_map().items() if folded is None or len(folded) != 1)


@cache
def _table() -> npt.NDArray[np.uint32]:
    """Return `_whole_map` by code point, with `_NO_ENTRY` where it does not give exactly one character."""
    table = np.arange(_TABLE_SIZE, dtype=np.uint32)
    table[-1] = _NO_ENTRY  # where all higher code points are looked up
    for code, folded in _whole_map().items():
        if code < _TABLE_SIZE:
            table[code] = ord(folded) if folded is not None and len(folded) == 1 else _NO_ENTRY
    return table


def _mapped(text: str) -> str:
    """Return a text with `_whole_map` applied: for 400 characters 4 us by the table, 25 us by `str.translate`."""
    if len(text) < _SHORT_CHARS:
        return text.translate(_whole_map())
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.dtype("<u4"))
    folded = _table().take(codes, mode="clip")
    if folded.max() == _NO_ENTRY:
        return text.translate(_whole_map())
    return folded.astype("<u4", copy=False).tobytes().decode("utf-32-le", "surrogatepass")


def fold(text: str) -> str:
    """Fold a text for matching; 8 us for 400 Chinese characters, against 75 us one step after the other."""
    folded = _mapped(text)
    if unicodedata.is_normalized("NFKC", folded):
        return folded.casefold()
    return _fold_slowly(text)


@lru_cache(maxsize=2048)
def fold_chunk(text: str) -> str:
    """As `fold`, remembered: the steps of one search, and searches after each other, fold the same chunks."""
    return fold(text)


def fold_with_offsets(text: str) -> tuple[str, Sequence[int]]:
    """Fold a text and remember where each character came from.

    Returns:
        The folded text and offsets, one more than it has characters: `offsets[i]` is where the original of character
        i starts, the last is len(text). They never fall. `original_span` turns a slice of one into a slice of the
        other.
    """
    folded = _mapped(text)
    if unicodedata.is_normalized("NFKC", folded) and _resizing().isdisjoint(text):
        return folded.casefold(), range(len(text) + 1)
    pieces: list[str] = []
    offsets: list[int] = []
    for start, end in _clusters(text):
        piece = _fold_slowly(text[start:end])
        pieces.append(piece)
        offsets.extend([start] * len(piece))
    offsets.append(len(text))
    return "".join(pieces), offsets


def original_span(offsets: Sequence[int], start: int, end: int) -> tuple[int, int]:
    """Return the slice of the original that became folded[start:end], whole characters only.

    Args:
        offsets: From `fold_with_offsets`.
        start: First character of the folded slice.
        end: One past its last; an empty slice stays empty.
    """
    if end <= start:
        return offsets[start], offsets[start]
    last = offsets[end - 1]
    while offsets[end] == last and end < len(offsets) - 1:
        end += 1
    return offsets[start], offsets[end]


def _clusters(text: str) -> list[tuple[int, int]]:
    """Cut a text into pieces that no normalisation joins."""
    starts = [index for index, character in enumerate(text) if index == 0 or not _may_join(character)]
    return list(zip(starts, [*starts[1:], len(text)], strict=True))


def _may_join(character: str) -> bool:
    """Tell whether normalisation may join a character to the one before it: marks and Hangul medials and finals."""
    first = unicodedata.normalize("NFKD", character)[:1]
    return unicodedata.category(first).startswith("M") or "\u1160" <= first <= "\u11ff"
