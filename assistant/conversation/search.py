"""What retrieval is asked."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Search:
    """What retrieval is asked.

    Args:
        question: The question, trimmed; of one that only asks for more (继续), the one that it continues.
        context: What was said before and helps to find its documents, most helpful first, each at less weight; empty
            if it stands alone. An empty text takes a place.
    """

    question: str
    context: tuple[str, ...] = ()
