"""What every embedder shares: our arrays outwards as LangChain's lists."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from langchain_core.embeddings import Embeddings

from retrieval.protocols import Vectors


class BaseEmbedder(Embeddings):
    """An `Embedder` that is also a LangChain `Embeddings`; subclasses give the two array methods.

    Attributes:
        name: The spec that a collection remembers, e.g. `e5`.
        dim: Vector dimension.
        batch_size: Texts that `embed_batch` likes to get at once.
    """

    name: str
    dim: int
    batch_size: int

    @abstractmethod
    def embed_batch(self, texts: Sequence[str]) -> Vectors:
        """Embed passages; returns (len(texts), dim) float32, unit length. Safe to call from several threads."""

    @abstractmethod
    def embed_question(self, text: str) -> Vectors:
        """Embed one question; returns (dim,) float32, unit length."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed passages, as LangChain wants them."""
        vectors: list[list[float]] = self.embed_batch(texts).tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """Embed one question, as LangChain wants it."""
        vector: list[float] = self.embed_question(text).tolist()
        return vector
