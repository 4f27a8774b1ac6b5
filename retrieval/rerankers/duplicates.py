"""Leave out chunks that say what a better one said already. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import add
from typing import TypeVar

from retrieval.keyword.folding import fold

_T = TypeVar("_T")


def distinct(items: Iterable[_T], text_of: Callable[[_T], str], *, threshold: float, top_k: int) -> list[_T]:
    """Return the first items whose texts differ, in their order.

    Args:
        items: Best first.
        text_of: Gives an item's text.
        threshold: Two texts are the same when they share this part of the longer one's neighbouring pairs of
            characters, in [0, 1].
        top_k: Most items to return; the rest is not looked at.
    """
    kept: list[_T] = []
    seen: list[set[str]] = []
    for item in items:
        if len(kept) == top_k:
            break
        folded = fold(text_of(item))
        pairs = set(map(add, folded, folded[1:])) or {folded}
        if not any(_shared(pairs, other) >= threshold for other in seen):
            kept.append(item)
            seen.append(pairs)
    return kept


def _shared(one: set[str], other: set[str]) -> float:
    shorter, longer = sorted((len(one), len(other)))
    # Sets of very different sizes cannot be the same text: saves most of the intersections.
    return len(one & other) / longer if shorter > longer / 2 else 0.0
