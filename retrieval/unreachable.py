"""Chunks that the vector store holds and no search finds.

Chroma keeps vectors in a graph of neighbours, and each new one may take the last link to an older one away: 1 of 4,951
chunks of one collection, 1 of 161 after many replacements. Keywords still find them. Written once more, a vector is
linked anew.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from retrieval.catalog import Catalog
from retrieval.protocols import Vectors, VectorStore

SAME = 0.999
"""Cosine from which a vector was found: by itself, or by one that is equal."""
PASSES = 3
WRITE_BATCH = 500


def reach_all(
    catalog: Catalog, vectors: VectorStore, collection_id: str, *, repair: bool
) -> tuple[tuple[str, ...], bool]:
    """Ask for each stored chunk by its own vector.

    Args:
        catalog: Knows what is live, and its vectors.
        vectors: The store.
        collection_id: A collection that has vectors.
        repair: Write what is not found once more.

    Returns:
        The chunks that were not found, and whether all are now.
    """
    stored = vectors.chunk_ids(collection_id)
    live = catalog.live_chunk_vectors(collection_id)
    known = catalog.get_vectors([key for _, key in live if key is not None])
    own = {chunk_id: known[key] for chunk_id, key in live if key in known and chunk_id in stored}
    lost = left = _not_found(vectors, collection_id, own)
    # A vector that is linked anew may take a link from another one.
    for _ in range(PASSES if repair else 0):
        if not left:
            break
        restore_vectors(catalog, vectors, collection_id, {chunk_id: own[chunk_id] for chunk_id in left})
        left = _not_found(vectors, collection_id, own)
    return lost, not left


def restore_vectors(catalog: Catalog, vectors: VectorStore, collection_id: str, own: Mapping[str, Vectors]) -> None:
    """Write chunks with their vectors, each (dim,) float32, as far as they are live."""
    chunk_ids = list(own)
    for i in range(0, len(chunk_ids), WRITE_BATCH):
        chunks = catalog.live_chunks(collection_id, chunk_ids[i : i + WRITE_BATCH])
        if chunks:
            matrix = np.stack([own[chunk_id] for chunk_id in chunks])
            vectors.upsert(collection_id, list(chunks.values()), matrix)


def _not_found(vectors: VectorStore, collection_id: str, own: Mapping[str, Vectors]) -> tuple[str, ...]:
    if not own:
        return ()
    found = vectors.nearest(collection_id, np.stack(list(own.values())))
    return tuple(
        chunk_id
        for chunk_id, hit in zip(own, found, strict=True)
        if hit is None or (hit.chunk_id != chunk_id and hit.score < SAME)
    )
