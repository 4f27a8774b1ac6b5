"""Texts -> vectors, each kept in the catalog soon after it is there: a stop costs little embedding twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np

from retrieval.data_folder import DataFolder
from retrieval.protocols import Embedder, Vectors

KEEP_EVERY_S = 0.5
"""Seconds of embedding that a stop may cost."""

_T = TypeVar("_T")


def embed_missing(
    folder: DataFolder,
    embedder: Embedder,
    texts: Mapping[bytes, str],
    found: dict[bytes, Vectors],
    fresh: dict[bytes, Vectors],
    is_wanted: Callable[[bytes], bool],
) -> Iterator[Sequence[bytes]]:
    """Embed what is not in `found`, in full batches, and put it there; yields the keys of each batch.

    Texts of about equal length go together, whichever document they are from: a batch is padded to its longest, and
    takes as long as that. The longest come first: if there is too little memory for them, that shows at once.

    Args:
        folder: Where vectors are kept.
        embedder: Gives (n, dim) float32 for n texts.
        texts: What to embed, by the keys of its vectors.
        found: Vectors by key, each (dim,) float32; it grows.
        fresh: Gets those of the last `KEEP_EVERY_S`, which whoever writes the chunks is to keep: that costs less.
        is_wanted: Asked before a text's turn: whether anybody still waits for it.
    """
    last = time.monotonic()
    by_length = sorted((key for key in texts if key not in found), key=lambda key: -len(texts[key]))
    missing = (key for key in by_length if is_wanted(key))
    try:
        for keys in _batches(missing, embedder.batch_size):
            matrix = embedder.embed_batch([texts[key] for key in keys])
            fresh.update(zip(keys, matrix, strict=True))
            found.update(zip(keys, matrix, strict=True))
            if time.monotonic() - last >= KEEP_EVERY_S:
                keep_vectors(folder, fresh)
                fresh.clear()
                last = time.monotonic()
            yield keys
    except BaseException:
        keep_vectors(folder, fresh)
        raise


def keep_vectors(folder: DataFolder, vectors: Mapping[bytes, Vectors]) -> None:
    """Keep vectors in the catalog; those that are there stay."""
    if vectors:
        folder.catalog.put_vectors(list(vectors), np.stack(list(vectors.values())))


def _batches(items: Iterator[_T], size: int) -> Iterator[list[_T]]:
    batch: list[_T] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
