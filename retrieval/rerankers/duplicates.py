"""Leave out chunks that say what a better one said already. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TypeVar

from retrieval.keyword.folding import fold_chunk

_T = TypeVar("_T")
_CLAUSE_END = re.compile(r"[^\w%]+")


def distinct(items: Iterable[_T], text_of: Callable[[_T], str], *, threshold: float, top_k: int) -> list[_T]:
    """Return the first items whose texts differ, in their order.

    Args:
        items: Best first.
        text_of: Gives an item's text.
        threshold: Two texts are the same when whole clauses that both have, compared folded, make up this part of
            the longer one, in [0, 1].
        top_k: Most items to return; the rest is not looked at.
    """
    kept: list[_T] = []
    seen: list[tuple[frozenset[str], int]] = []
    for item in items:
        if len(kept) == top_k:
            break
        clauses = frozenset(_CLAUSE_END.split(fold_chunk(text_of(item))))
        size = _size(clauses)
        if not any(_is_same(clauses, size, *other, threshold) for other in seen):
            kept.append(item)
            seen.append((clauses, size))
    return kept


def _is_same(one: frozenset[str], one_size: int, other: frozenset[str], other_size: int, threshold: float) -> bool:
    least = threshold * max(one_size, other_size)
    # Texts of very different sizes cannot be the same: saves most of the intersections.
    return min(one_size, other_size) >= least and _size(one & other) >= least


def _size(clauses: Iterable[str]) -> int:
    return sum(map(len, clauses))
