"""Collections: a user's name, an id for URLs and indexes, and the embedder that the name remembers."""

from __future__ import annotations

import json
import secrets
import time
import unicodedata
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import IntegrityError

from retrieval.catalog.database import Database
from retrieval.catalog.tables import LIVE, chunks, collections, documents, removed_collections, vectors, versions
from retrieval.errors import CollectionExistsError, CollectionNameError, CollectionNotFoundError, Message
from retrieval.models import Collection

MAX_NAME_CHARS = 100

# Written out: every search asks it.
_COLUMNS = ("id", "name", "embedder", "dim", "created_at", "calibration", "n_changes")
_BY_NAME_OR_ID = f"SELECT {', '.join(_COLUMNS)} FROM collections WHERE name = ? OR id = ?"
_N_CHANGES = "SELECT n_changes FROM collections WHERE id = ?"


def normalise_name(name: str) -> str:
    """Return a collection name as it is stored: NFC, no white space around it.

    Raises:
        CollectionNameError: If it is empty, too long, or holds a control character or a slash.
    """
    cleaned = unicodedata.normalize("NFC", name).strip()
    if (
        not cleaned
        or len(cleaned) > MAX_NAME_CHARS
        or any(c == "/" or unicodedata.category(c) in ("Cc", "Cs") for c in cleaned)
    ):
        raise CollectionNameError(
            Message(f"Collection name {name[:120]!r} cannot be used.", f"集合名 {name[:120]!r} 不可用。"),
            hint=Message(
                f"Use 1 to {MAX_NAME_CHARS} characters without '/' and control characters.",
                f"请用 1 到 {MAX_NAME_CHARS} 个字符，不含“/”和控制字符。",
            ),
        )
    return cleaned


class CollectionTable:
    """The collections part of the catalog."""

    _db: Database

    def create_collection(self, name: str, embedder: str, dim: int) -> Collection:
        """Create a collection.

        Raises:
            CollectionExistsError: If the name is taken.
            CollectionNameError: If the name cannot be used.
        """
        row = {
            "id": f"vs_{secrets.token_hex(12)}",
            "name": normalise_name(name),
            "embedder": embedder,
            "dim": dim,
            "created_at": time.time(),
        }
        try:
            with self._db.write() as connection:
                connection.execute(collections.insert().values(**row))
        except IntegrityError as exc:
            raise CollectionExistsError(
                Message(f"Collection {row['name']!r} exists already.", f"集合 {row['name']!r} 已存在。")
            ) from exc
        return _collection(row)

    def get_collection(self, name_or_id: str, *, counted: bool = False) -> Collection:
        """Return a collection by name or id; its document and chunk counts only when `counted`.

        Raises:
            CollectionNotFoundError: If there is none.
        """
        name = unicodedata.normalize("NFC", name_or_id).strip()
        rows = [_parsed(dict(zip(_COLUMNS, row, strict=True))) for row in self._db.fetch(_BY_NAME_OR_ID, (name, name))]
        if not rows:
            known = [c.name for c in self.list_collections()]
            listed = ", ".join(repr(n) for n in known[:10]) or "none yet"
            listed_zh = "、".join(known[:10]) or "（还没有）"
            raise CollectionNotFoundError(
                Message(f"There is no collection {name!r}.", f"没有名为 {name!r} 的集合。"),
                hint=Message(
                    f"Known: {listed}. Create it with `huozi ingest PATH -c NAME`.",
                    f"现有集合：{listed_zh}。用 `huozi ingest 路径 -c 集合名` 创建。",
                ),
            )
        # A name wins over an id, should somebody name a collection like another's id.
        row = next((r for r in rows if r["name"] == name), rows[0])
        if counted:
            return next(c for c in self.list_collections() if c.collection_id == row["id"])
        return _collection(row)

    def n_changes(self, collection_id: str) -> int:
        """Return a collection's `Collection.n_changes` as it is now; -1 if the collection is gone."""
        rows = self._db.fetch(_N_CHANGES, (collection_id,))
        return int(rows[0][0]) if rows else -1

    def list_collections(self) -> list[Collection]:
        """Return every collection with its counts, by name."""
        live = sa.and_(versions.c.document_id == documents.c.id, versions.c.state == LIVE)
        query = (
            sa.select(
                *collections.c,
                sa.func.count(versions.c.id).label("n_documents"),
                sa.func.coalesce(sa.func.sum(versions.c.n_chunks), 0).label("n_chunks"),
            )
            .select_from(
                collections.outerjoin(documents, documents.c.collection_id == collections.c.id).outerjoin(
                    versions, live
                )
            )
            .group_by(collections.c.id)
            .order_by(collections.c.name)
        )
        with self._db.read() as connection:
            return [_collection(row) for row in connection.execute(query).mappings()]

    def calibrate(self, collection_id: str, calibration: Mapping[str, Any] | None) -> None:
        """Keep what was learnt from a collection's questions, in place of what was kept before; None forgets it."""
        with self._db.write() as connection:
            one = collections.update().where(collections.c.id == collection_id)
            connection.execute(one.values(calibration=calibration))

    def remove_collection(self, collection_id: str) -> None:
        """Delete a collection with all it holds; invisible to every search when this returns."""
        with self._db.write() as connection:
            connection.execute(collections.delete().where(collections.c.id == collection_id))
            connection.execute(insert(removed_collections).values(id=collection_id).on_conflict_do_nothing())
            used = sa.select(chunks.c.vector_key).where(chunks.c.vector_key == vectors.c.key).exists()
            connection.execute(vectors.delete().where(~used))

    def removed_collections(self) -> list[str]:
        """Return the ids of deleted collections that the indexes may still hold."""
        return [row[0] for row in self._db.fetch("SELECT id FROM removed_collections ORDER BY id")]

    def forget_removed(self, collection_id: str) -> None:
        """Forget a deleted collection, now that no index holds it."""
        with self._db.write() as connection:
            connection.execute(removed_collections.delete().where(removed_collections.c.id == collection_id))


def _parsed(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as SQLAlchemy would: JSON read."""
    return {**row, "calibration": json.loads(row["calibration"]) if row["calibration"] else None}


def _collection(row: Any) -> Collection:
    return Collection(
        collection_id=row["id"],
        name=row["name"],
        embedder=row["embedder"],
        dim=row["dim"],
        created_at=row["created_at"],
        n_documents=row.get("n_documents", 0),
        n_chunks=row.get("n_chunks", 0),
        calibration=row.get("calibration"),
        n_changes=row.get("n_changes", 0),
    )
