"""An embedder that is loaded by the first text: a service that only searches by keyword never pays for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from retrieval.protocols import Embedder, Vectors


class LazyEmbedder:
    """An `Embedder` behind its name.

    Args:
        name: The spec.
        load: Loads it; called once.
    """

    def __init__(self, name: str, load: Callable[[], Embedder]) -> None:
        self.name = name
        self._load = load
        self._loaded: Embedder | None = None
        self._lock = threading.Lock()

    @property
    def is_loaded(self) -> bool:
        """Whether the first text has come."""
        return self._loaded is not None

    @property
    def dim(self) -> int:
        """Vector dimension; loads the embedder."""
        return self.loaded().dim

    @property
    def batch_size(self) -> int:
        """Texts that `embed_batch` likes to get at once; loads the embedder."""
        return self.loaded().batch_size

    def loaded(self) -> Embedder:
        """Return the embedder itself, loading it if need be."""
        with self._lock:
            if self._loaded is None:
                self._loaded = self._load()
            return self._loaded

    def embed_batch(self, texts: Sequence[str]) -> Vectors:
        """Embed passages; returns (len(texts), dim) float32, unit length."""
        return self.loaded().embed_batch(texts)

    def embed_question(self, text: str) -> Vectors:
        """Embed one question; returns (dim,) float32, unit length."""
        return self.loaded().embed_question(text)
