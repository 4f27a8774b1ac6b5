"""What the parts of retrieval promise each other. Implementations are chosen in `retrieval/data_folder.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np
import numpy.typing as npt

from retrieval.models import Chunk, Hit

Vectors = npt.NDArray[np.float32]
"""(n_texts, dim) float32, unit length."""


class Embedder(Protocol):
    """Text to vectors; every implementation is also a LangChain `Embeddings`."""

    @property
    def name(self) -> str:
        """The spec that a collection remembers, e.g. `e5`."""

    @property
    def dim(self) -> int:
        """Vector dimension."""

    @property
    def batch_size(self) -> int:
        """Texts that `embed_batch` likes to get at once; a multiple helps it sort by length."""

    def embed_batch(self, texts: Sequence[str]) -> Vectors:
        """Embed passages; returns (len(texts), dim) float32, unit length. Safe to call from several threads."""

    def embed_question(self, text: str) -> Vectors:
        """Embed one question; returns (dim,) float32, unit length."""


class KeywordIndex(Protocol):
    """An inverted index over folded characters and character pairs, one per collection, rebuilt from the catalog."""

    def upsert(self, collection_id: str, chunks: Sequence[Chunk]) -> None:
        """Add or overwrite chunks; durable and searchable when this returns."""

    def adding(
        self, collection_id: str, chunks: Sequence[Chunk], texts: Sequence[str] | None = None
    ) -> AbstractContextManager[None]:
        """As `upsert`, beside what a block does; a block that raises may leave them in or out.

        `texts` is what `tokens.indexed_text` gives for each chunk, where somebody has made them already.
        """

    def delete(self, collection_id: str, chunk_ids: Sequence[str]) -> None:
        """Forget chunks; unknown ids are no error. Durable when this returns."""

    def search(
        self,
        collection_id: str,
        weights: Mapping[str, float],
        *,
        top_k: int,
        document_ids: Sequence[str] | None = None,
    ) -> list[Hit]:
        """Return the best chunks by BM25 with each token weighted, best first, ties by chunk_id.

        `document_ids` restricts the search to those documents; None means all.
        """

    def frequencies(self, collection_id: str, tokens: Sequence[str]) -> tuple[int, dict[str, int]]:
        """Return the number of chunks indexed, and for each token the number of chunks that hold it."""

    def chunk_ids(self, collection_id: str) -> set[str]:
        """Return every chunk id indexed; for the doctor."""

    def collection_ids(self) -> set[str]:
        """Return the ids of the collections that have anything here."""

    def drop(self, collection_id: str) -> None:
        """Forget a whole collection."""

    def close(self) -> None:
        """Release files."""


class VectorStore(Protocol):
    """Chunks with their vectors, one store collection per collection, rebuilt from the catalog."""

    def add(self, collection_id: str, chunks: Sequence[Chunk], vectors: Vectors) -> None:
        """Add chunks; one whose id is there stays as it is. Searchable when this returns."""

    def upsert(self, collection_id: str, chunks: Sequence[Chunk], vectors: Vectors) -> None:
        """Add or overwrite chunks; searchable when this returns."""

    def delete(self, collection_id: str, chunk_ids: Sequence[str]) -> None:
        """Forget chunks; unknown ids are no error."""

    def search(
        self, collection_id: str, vector: Vectors, *, top_k: int, document_ids: Sequence[str] | None = None
    ) -> list[Hit]:
        """Return the nearest chunks, score = cosine, best first; `document_ids` restricts as in KeywordIndex."""

    def searching(
        self, collection_id: str, vector: Vectors, *, top_k: int, document_ids: Sequence[str] | None = None
    ) -> AbstractContextManager[Callable[[], list[Hit]]]:
        """As `search`, beside what a block does where the store can; the block asks for the hits when it needs them."""

    def nearest(self, collection_id: str, vectors: Vectors) -> list[Hit | None]:
        """Return the nearest chunk to each of (n, dim) vectors, None if nothing is stored; for the doctor."""

    def chunk_ids(self, collection_id: str) -> set[str]:
        """Return every chunk id stored; for the doctor."""

    def count(self, collection_id: str) -> int:
        """Return the number of chunks stored."""

    def collection_ids(self) -> set[str]:
        """Return the ids of the collections that have anything here."""

    def drop(self, collection_id: str) -> None:
        """Forget a whole collection."""

    def check(self) -> None:
        """Raise VectorStoreError if the store does not answer."""

    def close(self) -> None:
        """Release files and connections."""
