"""How many tokens a text is likely to have, learnt from those that were counted."""

from __future__ import annotations

from assistant.window.bound import token_bound

_RATE = 0.2
_SHORT = 40
_LOW, _HIGH = 1.08, 1.25
"""How far a text may lie from what was learnt."""


class Estimate:
    """Tokens of an ASCII and of any other character, followed text by text (normalised least mean squares)."""

    def __init__(self) -> None:
        self._ascii, self._other = 0.3, 0.8
        self._has_learnt = False

    def learn(self, text: str, tokens: int) -> None:
        """Take a text that was counted; very short ones say little."""
        if len(text) < _SHORT:
            return
        n_ascii, n_other = _characters(text)
        error = tokens - self._ascii * n_ascii - self._other * n_other
        weight = _RATE * error / (n_ascii**2 + n_other**2)
        self._ascii = min(1.0, max(0.05, self._ascii + weight * n_ascii))
        self._other = min(4.0, max(0.1, self._other + weight * n_other))
        self._has_learnt = True

    def of(self, text: str) -> tuple[int, int]:
        """Return the fewest and the most tokens that a text is likely to have; before anything is learnt, widely."""
        n_ascii, n_other = _characters(text)
        if not self._has_learnt:
            return int(0.15 * n_ascii + 0.4 * n_other), token_bound(text)
        likely = self._ascii * n_ascii + self._other * n_other
        return int(likely / _LOW), int(likely * _HIGH) + 1


def _characters(text: str) -> tuple[int, int]:
    """Return how many characters are ASCII and how many are not."""
    n_ascii = len(text) if text.isascii() else len(text.encode("ascii", "ignore"))
    return n_ascii, len(text) - n_ascii
