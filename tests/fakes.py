"""Fakes: real classes with known behaviour, not mocks."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from retrieval.embedders.base import BaseEmbedder
from retrieval.protocols import Vectors

_NOISE_SIZE = 1 << 18


class FakeEmbedder(BaseEmbedder):
    """Deterministic unit vectors from the text's hash, in constant time; no meaning, but equal texts are equal.

    A passage and a question with the same text get the same vector, so a search by a chunk's own text finds it.

    Args:
        dim: Vector dimension.
        name: The spec that a collection remembers.
    """

    def __init__(self, dim: int = 384, *, name: str = "fake") -> None:
        self.name = name
        self.dim = dim
        self.batch_size = 256
        self.n_embedded = 0
        self._noise = np.random.default_rng(7).standard_normal(_NOISE_SIZE).astype(np.float32)

    def embed_batch(self, texts: Sequence[str]) -> Vectors:
        """Embed passages; counts them in `n_embedded`."""
        self.n_embedded += len(texts)
        return self._vectors(texts)

    def embed_question(self, text: str) -> Vectors:
        """Embed one question."""
        vector: Vectors = self._vectors([text])[0]
        return vector

    def _vectors(self, texts: Sequence[str]) -> Vectors:
        # Two windows into fixed noise, added: as good as random, without seeding a generator for each text.
        digests = b"".join(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).digest() for text in texts)
        starts: npt.NDArray[np.int64] = (
            np.frombuffer(digests, dtype=np.uint64).reshape(-1, 2) % np.uint64(_NOISE_SIZE - self.dim)
        ).astype(np.int64)
        windows = starts[:, :, None] + np.arange(self.dim)
        vectors: Vectors = self._noise[windows].sum(axis=1)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors
