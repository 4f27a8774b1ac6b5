"""Does a model's answer say the same over and over? Found while it streams (pure).

A sentence that was said before waits until a new one follows it. Once the same sentences have come round often enough,
the answer is over and those that waited are never shown; how often, docs/answers.md says with what it was measured on.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from assistant.checking.sentences import MARKER

COPIES = 3
"""A loop has no fewer copies than this, the first one included, and..."""
REPEATED_CHARS = 160
"""...so many letters in all copies but the first..."""
REPEATED_SENTENCES = 24
"""...or so many sentences, for short ones."""
LOOP_CHARS = 320
"""The same inside one sentence: so many characters in all copies."""
_CHECK_EVERY = 64
_PROBE_CHARS = 12
_MAX_TRIES = 8
_MAX_PERIOD = 1_200
_ENDS = " \n。.！!？?…"
_MAX_END = 8
_COUNTER = re.compile(
    r"\s*(?:[>#*+\-•·]+\s*)*"
    r"(?:第?[\d一二三四五六七八九十百]{1,5}[条点步项、.)）:：]|[(（][\d一二三四五六七八九十]{1,4}[)）])?"
)
_NO_LETTER = re.compile(r"[\W_]+")


class LoopGuard:
    """Watches one answer.

    Attributes:
        is_loop: Whether the answer only repeats itself from here on.
    """

    def __init__(self) -> None:
        self.is_loop = False
        self._n_checked = 0
        self._keys: list[str] = []
        self._places: dict[str, list[int]] = {}
        # Distance to the earlier copy, in sentences -> how many sentences up to the last one have repeated it.
        self._runs: dict[int, int] = {}
        self._waiting: list[str] = []

    def pass_on(self, sentences: Sequence[str], unfinished: str = "") -> list[str]:
        """Return the sentences that may be settled: those that were said before only once a new one follows.

        Args:
            sentences: Complete ones, in order.
            unfinished: What has come of the next one.
        """
        passed: list[str] = []
        for sentence in sentences:
            self._waiting.append(sentence)
            self._note(_key(sentence))
            if self.is_loop or repeats_itself(sentence):
                self.is_loop = True
                return passed
            if not self._runs:
                passed += self._waiting
                self._waiting = []
        if abs(len(unfinished) - self._n_checked) >= _CHECK_EVERY:
            self._n_checked = len(unfinished)
            self.is_loop = repeats_itself(unfinished)
        return passed

    def rest(self, sentences: Sequence[str]) -> list[str]:
        """Return what may be settled at the end of the answer, the last sentence unfinished perhaps; call once."""
        if self.is_loop:
            return []
        passed = self.pass_on(sentences)
        return passed if self.is_loop else [*passed, *self._waiting]

    def _note(self, key: str) -> None:
        at = len(self._keys)
        places = self._places.setdefault(key, [])
        self._runs = {at - place: self._runs.get(at - place, 0) + 1 for place in places}
        places.append(at)
        self._keys.append(key)
        self.is_loop = any(self._is_enough(period, repeated) for period, repeated in self._runs.items())

    def _is_enough(self, period: int, repeated: int) -> bool:
        if repeated < (COPIES - 1) * period:
            return False
        return repeated >= REPEATED_SENTENCES or sum(map(len, self._keys[-repeated:])) >= REPEATED_CHARS


def repeats_itself(text: str) -> bool:
    """Whether a text ends in the same words over and over."""
    body = text.rstrip(_ENDS)
    tail = (body if len(text) - len(body) <= _MAX_END else text)[-COPIES * _MAX_PERIOD :]
    if len(tail) < LOOP_CHARS:
        return False
    probe = tail[-_PROBE_CHARS:]
    at = len(tail) - _PROBE_CHARS
    for _ in range(_MAX_TRIES):
        at = tail.rfind(probe, 0, at + _PROBE_CHARS - 1)
        period = len(tail) - _PROBE_CHARS - at
        wanted = max(LOOP_CHARS, COPIES * period)
        if at < 0 or wanted > len(tail):
            return False
        if tail[-wanted:-period] == tail[period - wanted :]:
            return True
    return False


def _key(sentence: str) -> str:
    """Return what makes two sentences the same: not their markers, list numbers, punctuation, width or case."""
    plain = MARKER.sub("", sentence)
    counter = _COUNTER.match(plain)
    folded = unicodedata.normalize("NFKC", plain[counter.end() if counter else 0 :]).casefold()
    return _NO_LETTER.sub("", folded)
