"""Two ranked lists into one. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from retrieval.models import Hit

FULL_MATCH = 1.5
"""BM25 of a chunk that answers a question in its own words, beside the question's keyword mass: what counts as 1."""


def fuse(
    keyword: Sequence[Hit], vectors: Sequence[Hit], *, keyword_mass: float = 0.0, vector_weight: float
) -> list[Hit]:
    """Merge a keyword list and a vector list: BM25 / (1.5 x keyword mass) + vector_weight x cosine.

    Measured against the question instead of the list's best, BM25 counts little where no chunk has the question's
    words, and the cosine decides. Without a vector list there is nothing to weigh it against: BM25 / best BM25.

    A chunk that the vector list lacks gets that list's last cosine, one that the keyword list lacks gets 0.

    Args:
        keyword: BM25 scores, best first.
        vectors: Cosines, best first; empty without an embedder.
        keyword_mass: BM25 of a chunk of average length that holds each token of the question once.
        vector_weight: Cosines of unrelated texts lie close together, so well above 1.

    Returns:
        Unique chunks, best first, ties by chunk_id. Only differences of scores mean something.

    Raises:
        ValueError: If vector_weight is negative.
    """
    if vector_weight < 0:
        raise ValueError(f"vector_weight must not be negative, got {vector_weight!r}")
    unit = FULL_MATCH * keyword_mass if vectors and keyword_mass > 0 else keyword[0].score if keyword else 1.0
    bm25 = {hit.chunk_id: hit.score / unit for hit in keyword}
    cosine = {hit.chunk_id: hit.score for hit in vectors}
    least_cosine = vectors[-1].score if vectors else 0.0
    fused = [
        Hit(chunk_id, bm25.get(chunk_id, 0.0) + vector_weight * (cosine.get(chunk_id, least_cosine) - least_cosine))
        for chunk_id in {**bm25, **cosine}
    ]
    fused.sort(key=lambda hit: (-hit.score, hit.chunk_id))
    return fused
