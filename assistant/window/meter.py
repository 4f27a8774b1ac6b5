"""Counts the parts of a prompt: many texts by one request, each remembered.

Texts are sent as one, with the control token that ends a turn between them, and the tokens that come back are cut
there. Each stands behind a line end, as it does in its turn, for some tokenizers write a space at the beginning of a
text; what the line end takes is counted with them and taken off again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol

from assistant.errors import ChatTemplateError
from assistant.events import Role, Turn
from assistant.serving.profile import Profile
from assistant.template import render
from assistant.window.bound import token_bound
from assistant.window.cut import Counted
from assistant.window.estimate import Estimate
from assistant.window.frame import CONTENT, TRIAL, Frame
from assistant.window.tokenizers import CountingError, Tokenizer

_MAX_REMEMBERED = 16_384
_AROUND = 32
"""What an unknown template adds to a turn, in tokens: more than any that we know."""


class Meter(Protocol):
    """Counts for one model server."""

    counted: Counted
    window: int | None

    async def count(self, texts: Sequence[str]) -> tuple[list[int], int]:
        """Return each text's tokens as a part of a turn, and how many requests that took."""

    def around(self, role: Role) -> int:
        """Return what the template adds to a turn."""

    @property
    def opening(self) -> int:
        """Tokens that open the answer."""

    def estimate(self, text: str) -> tuple[int, int]:
        """Return the fewest and the most tokens that a text is likely to have."""

    async def size(self, messages: Sequence[Turn]) -> int | None:
        """Return the tokens of a whole prompt; None if nobody can say."""


class ExactMeter:
    """Counts by a tokenizer.

    Args:
        tokenizer: The model's.
        frame: What its template writes around turns.
        window: The server's window in tokens, if it tells.
    """

    def __init__(self, tokenizer: Tokenizer, frame: Frame, window: int | None) -> None:
        self.counted: Counted = tokenizer.counted
        self.window = window
        self._tokenizer = tokenizer
        self._frame = frame
        self._known: OrderedDict[str, int] = OrderedDict()
        self._estimate = Estimate()
        self._content = 0

    @property
    def opening(self) -> int:
        """Tokens that open the answer."""
        return self._frame.opening

    def around(self, role: Role) -> int:
        """Return what the template adds to a turn; known once something was counted."""
        return self._frame.turns[role] - self._content

    async def count(self, texts: Sequence[str]) -> tuple[list[int], int]:
        """Return each text's tokens as a part of a turn, and how many requests that took.

        Raises:
            CountingError: The server does not answer, or its tokenizer does not read the control token.
        """
        # Before the request, for another one may forget them meanwhile.
        known = {text: self._known[text] for text in texts if text in self._known}
        wanted = dict.fromkeys(text for text in texts if text not in known)
        if not self._content:
            wanted[CONTENT] = None
        found = known | (await self._ask(list(wanted)) if wanted else {})
        self._remember(found, list(wanted))
        return [found[text] for text in texts], 1 if wanted else 0

    def estimate(self, text: str) -> tuple[int, int]:
        """Return the fewest and the most tokens that a text is likely to have, by those counted so far."""
        if (known := self._known.get(text)) is not None:
            return known, known
        return self._estimate.of(text)

    async def size(self, messages: Sequence[Turn]) -> int | None:
        """Return the tokens of a whole prompt; None if the server does not answer."""
        try:
            return await self._tokenizer.size(messages)
        except CountingError:
            return None

    async def _ask(self, texts: Sequence[str]) -> dict[str, int]:
        # Leading line ends would melt into the one in front; each is one token, or less.
        bare = [text.lstrip("\n") for text in texts]
        line_end, *lengths = await self._tokenizer.lengths([f"\n{text}" for text in ["", *bare]], self._frame)
        return {
            text: max(0, length - line_end) + len(text) - len(rest)
            for text, rest, length in zip(texts, bare, lengths, strict=True)
        }

    def _remember(self, counts: dict[str, int], new: Sequence[str]) -> None:
        for text in new:
            self._estimate.learn(text, counts[text])
        self._content = self._content or counts[CONTENT]
        for text, n in counts.items():
            self._known[text] = n
            self._known.move_to_end(text)
        while len(self._known) > _MAX_REMEMBERED:
            self._known.popitem(last=False)


class BoundMeter:
    """Counts the most that it can be.

    Args:
        around: Most tokens that the template adds to a turn.
        window: The server's window in tokens, if it tells.
    """

    counted: Counted = "bound"

    def __init__(self, around: int, window: int | None = None) -> None:
        self.window = window
        self._around = around

    @classmethod
    def of(cls, profile: Profile, window: int | None) -> BoundMeter:
        """Return the meter of a model, by its profile's template."""
        try:
            text = render([{"role": turn.role, "content": turn.text} for turn in TRIAL], template=profile.template_path)
        except ChatTemplateError:
            return cls(_AROUND, window)
        ends = [token for token in profile.control_tokens if text.count(token) == len(TRIAL)]
        turns = text.split(ends[-1]) if ends else [text]
        return cls(max(_bound_with_controls(turn, profile.control_tokens) for turn in turns), window)

    @property
    def opening(self) -> int:
        """Most tokens that open the answer."""
        return self._around

    def around(self, role: Role) -> int:
        """Return the most that the template adds to a turn."""
        return self._around

    async def count(self, texts: Sequence[str]) -> tuple[list[int], int]:
        """Return the most tokens that each text can have."""
        return [token_bound(text) for text in texts], 0

    def estimate(self, text: str) -> tuple[int, int]:
        """Return the bound, twice."""
        bound = token_bound(text)
        return bound, bound

    async def size(self, messages: Sequence[Turn]) -> int | None:
        """Return None: the bounds of the parts add up by themselves."""
        return None


def _bound_with_controls(text: str, control_tokens: Sequence[str]) -> int:
    """Return the most tokens of a rendered turn: of each control token one, and a space where each text begins."""
    for token in control_tokens:
        text = text.replace(token, "..")
    return token_bound(text) + 2
