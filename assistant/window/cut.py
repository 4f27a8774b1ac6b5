"""What found no room in a window, and what the tokens went to: for the trace and the usage of an answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Counted = Literal["server", "file", "bound"]
"""Who counted: the model server, a tokenizer file, or nobody, so that an upper bound stands in."""

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class DroppedSource:
    """A source that found no room.

    Args:
        number: The n that it would have had.
        chunk_ids: Its chunks.
        tokens: What it would have taken; estimated where it could not have fitted anyway.
    """

    number: int
    chunk_ids: tuple[str, ...]
    tokens: int


@dataclass(frozen=True, slots=True)
class ShortenedSource:
    """A source whose middle was left out.

    Args:
        number: Its n.
        chunk_ids: Its chunks.
        tokens: What is left of it.
        omitted_tokens: What is not.
        omitted: Which (start, end) of its text were left out.
    """

    number: int
    chunk_ids: tuple[str, ...]
    tokens: int
    omitted_tokens: int
    omitted: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class TokenShares:
    """What the prompt's tokens go to.

    Args:
        system: The system turn.
        history: Earlier turns.
        sources: The sources.
        question: The last turn without its sources, and the opening of the answer.
        budget: Most tokens for all of them: the window less what is kept free for the answer.
    """

    system: int = 0
    history: int = 0
    sources: int = 0
    question: int = 0
    budget: int = 0

    @property
    def total(self) -> int:
        """The whole prompt."""
        return self.system + self.history + self.sources + self.question


@dataclass(frozen=True, slots=True)
class Cut:
    """How a prompt was fitted into its window.

    Args:
        tokens: What the prompt's tokens go to.
        counted: Who counted.
        calls: Requests for counts that it took.
        dropped_sources: Sources that found no room.
        shortened_sources: Sources whose middle was left out.
        dropped_turns: Turns of the history that are not sent, the oldest ones.
    """

    tokens: TokenShares = field(default_factory=TokenShares)
    counted: Counted = "bound"
    calls: int = 0
    dropped_sources: tuple[DroppedSource, ...] = ()
    shortened_sources: tuple[ShortenedSource, ...] = ()
    dropped_turns: int = 0
