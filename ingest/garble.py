"""Text that no reader would have written: what damaged files and fonts without a code give instead of text (pure).

Such a text would be stored, never found, and shown as an answer's source one day; so its file is refused.
"""

from __future__ import annotations

import re
import unicodedata

MIN_COUNT = 3
"""Fewer bad characters than this are an accident, however short the text is."""

# Replacement and control characters, halves of pairs, and what is no character at all.
_LOST = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufff0-\ufff8\ufffd-\uffff]")
# A font's own signs; bullets of lists are often among them.
_PRIVATE = re.compile("[\ue000-\uf8ff\U000f0000-\U0010ffff]")
# Code page 1252's upper half and what follows it in Unicode: how bytes of other codes, and fonts without one, look.
# Left out are signs that Chinese texts use, and the vowels of pinyin.
_WRONG_CODE = re.compile(
    "[\u00a1-\u00a6\u00a8\u00aa-\u00ad\u00af\u00b2-\u00b6\u00b8-\u00df\u00e2-\u00e7\u00eb\u00ee-\u00f1"
    "\u00f4-\u00f8\u00fb\u00fd-\u00ff\u0102-\u0112\u0114-\u011a\u011c-\u012a\u0130-\u014c\u014e-\u016a\u016c-\u01cc\u01dd-\u01f7\u01fa-\u024f‚ƒ„†‡ˆŠ‹ŒŽ˜™š›œžŸ]"
)
# Characters in dictionaries alone: digits and letters read as halves of UTF-16 units are among them.
_RARE = re.compile("[\u3400-\u4dbf\ua000-\ua4cf]")
_HAN = re.compile("[\u4e00-\u9fff]")


def is_garbled(text: str) -> bool:
    """Tell whether so much of a text is unreadable that it cannot be what its author wrote."""
    n_chars = sum(1 for char in text if not char.isspace())
    is_chinese = _count(_HAN, text) > 0.3 * n_chars
    # Vietnamese and Turkish have letters of the later ranges; a Chinese text has none of either.
    return (
        _is_over(_LOST, text, 0.01 * n_chars)
        or 0 < n_chars <= 4 * _count(_LOST, text)
        or _is_over(_PRIVATE, text, 0.2 * n_chars)
        # French and Spanish, which have the most of them, have 0.06; Chinese has nearly none.
        or _is_over(_WRONG_CODE, text, (0.05 if is_chinese else 0.2) * n_chars)
        or _is_over(_RARE, text, 0.1 * n_chars)
        or _is_mixed(text, n_chars)
    )


def _is_mixed(text: str, n_chars: int) -> bool:
    """Tell text that got out of step (a byte of UTF-16 is missing in it): some of everything that nobody writes."""
    unassigned = sum(text.count(char) for char in set(text) if unicodedata.category(char) == "Cn")
    strange = unassigned + _count(_RARE, text)
    return strange >= MIN_COUNT and strange > 0.05 * n_chars and strange + _count(_PRIVATE, text) > 0.1 * n_chars


def _is_over(pattern: re.Pattern[str], text: str, most: float) -> bool:
    count = _count(pattern, text)
    return count >= MIN_COUNT and count > most


def _count(pattern: re.Pattern[str], text: str) -> int:
    return sum(1 for _ in pattern.finditer(text))
