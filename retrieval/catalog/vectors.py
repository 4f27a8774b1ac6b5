"""Vectors by embedder and embedded text: what the indexes are rebuilt from, and the embedding cache."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa

from retrieval.catalog.bulk import insert_rows
from retrieval.catalog.database import Database
from retrieval.catalog.tables import chunks, vectors
from retrieval.protocols import Vectors

SQL_BATCH = 500
"""Parameters a statement; SQLite takes 32,766, older builds 999."""


def vector_key(embedder: str, text: str) -> bytes:
    """Return the 16-byte key under which the vector of a text is kept."""
    return hashlib.sha256(f"{embedder}\0{text}".encode("utf-8", "surrogatepass")).digest()[:16]


class VectorTable:
    """The vectors part of the catalog."""

    _db: Database

    def get_vectors(self, keys: Sequence[bytes]) -> dict[bytes, Vectors]:
        """Return the vectors that are known, each (dim,) float32."""
        rows = self._rows_of("SELECT key, vector", keys)
        return {key: np.frombuffer(blob, dtype=np.float32) for key, blob in rows}

    def has_vectors(self, keys: Sequence[bytes]) -> set[bytes]:
        """Return those of the keys whose vectors are known."""
        return {key for (key,) in self._rows_of("SELECT key", keys)}

    def forget_orphans(self) -> int:
        """Delete the vectors that no chunk uses, which embedding left that was not finished; returns how many."""
        is_used = sa.select(chunks.c.id).where(chunks.c.vector_key == vectors.c.key).exists()
        with self._db.read() as connection:
            # To look first costs no write lock; mostly there are none.
            orphans = list(connection.execute(sa.select(vectors.c.key).where(~is_used)).scalars())
        for i in range(0, len(orphans), SQL_BATCH):
            with self._db.write() as connection:
                connection.execute(vectors.delete().where(vectors.c.key.in_(orphans[i : i + SQL_BATCH]), ~is_used))
        return len(orphans)

    def put_vectors(self, keys: Sequence[bytes], matrix: Vectors) -> None:
        """Keep vectors, (len(keys), dim) float32."""
        rows = [(key, row.tobytes()) for key, row in zip(keys, np.ascontiguousarray(matrix), strict=True)]
        if rows:
            with self._db.write() as connection:
                insert_rows(connection, vectors, rows, or_ignore=True)

    def _rows_of(self, select: str, keys: Sequence[bytes]) -> Iterator[Any]:
        """Yield the rows of some keys; a SELECT for each `SQL_BATCH`, which SQLAlchemy would take longer to write."""
        unique = list(dict.fromkeys(keys))
        for i in range(0, len(unique), SQL_BATCH):
            batch = unique[i : i + SQL_BATCH]
            marks = ",".join("?" * len(batch))
            yield from self._db.fetch(f"{select} FROM vectors WHERE key IN ({marks})", batch)
