"""Two ranked lists into one. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from retrieval.models import Hit


def fuse(keyword: Sequence[Hit], vectors: Sequence[Hit], *, vector_weight: float) -> list[Hit]:
    """Merge a keyword list and a vector list: BM25 / best BM25 + vector_weight x cosine.

    A chunk that one list lacks gets what is known of it there: no more than the list's last score, or 0 where the
    keyword list ended because nothing else matched.

    Args:
        keyword: BM25 scores, best first.
        vectors: Cosines, best first; empty without an embedder.
        vector_weight: Cosines of unrelated texts lie close together, so well above 1.

    Returns:
        Unique chunks, best first, ties by chunk_id. Only differences of scores mean something.

    Raises:
        ValueError: If vector_weight is negative.
    """
    if vector_weight < 0:
        raise ValueError(f"vector_weight must not be negative, got {vector_weight!r}")
    best = keyword[0].score if keyword else 1.0
    bm25 = {hit.chunk_id: hit.score / best for hit in keyword}
    cosine = {hit.chunk_id: hit.score for hit in vectors}
    least_cosine = vectors[-1].score if vectors else 0.0
    fused = [
        Hit(chunk_id, bm25.get(chunk_id, 0.0) + vector_weight * (cosine.get(chunk_id, least_cosine) - least_cosine))
        for chunk_id in {**bm25, **cosine}
    ]
    fused.sort(key=lambda hit: (-hit.score, hit.chunk_id))
    return fused
