"""A look at a catalog from outside: nothing is created, migrated or locked, whoever has the data folder open."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from retrieval.catalog.collections import normalise_name
from retrieval.catalog.database import BUSY_TIMEOUT_S
from retrieval.catalog.documents import KnownSource
from retrieval.errors import CatalogError, Message

_COLLECTION = "SELECT id, embedder, dim FROM collections WHERE name = ? OR id = ?"
_SOURCES = """
SELECT d.source_id, d.id, v.content_hash, v.recipe, v.size, d.source
FROM documents d JOIN versions v ON v.document_id = d.id
WHERE d.collection_id = ? AND v.state = 'live'"""


@dataclass(frozen=True, slots=True)
class Peek:
    """What a collection holds; `embedder` is None where there is no such collection yet."""

    embedder: str | None = None
    dim: int = 0
    sources: dict[str, KnownSource] = field(default_factory=dict)


def peek(path: Path, collection: str) -> Peek:
    """Return what a collection holds.

    Args:
        path: The catalog's file, there or not.
        collection: Name or id.

    Raises:
        CatalogError: If the file is there and cannot be read.
        CollectionNameError: If no collection can have this name.
    """
    name = normalise_name(collection)
    if not path.exists():
        return Peek()
    try:
        with closing(sqlite3.connect(_address(path), uri=True, timeout=BUSY_TIMEOUT_S)) as connection:
            found = connection.execute(_COLLECTION, (name, name)).fetchone()
            if found is None:
                return Peek()
            collection_id, embedder, dim = found
            rows = connection.execute(_SOURCES, (collection_id,))
            return Peek(embedder, dim, {row[0]: KnownSource(*row[1:]) for row in rows})
    except sqlite3.Error as exc:
        raise CatalogError(
            Message(f"Catalog {str(path)!r} cannot be read: {exc}.", f"无法读取目录库 {str(path)!r}：{exc}。"),
            hint=Message("Run: huozi doctor", "请运行：huozi doctor"),
        ) from exc


def _address(path: Path) -> str:
    # Where nobody has it open, SQLite would create its two files beside it, and leave them there.
    is_open = path.with_name(f"{path.name}-wal").exists()
    return f"{path.absolute().as_uri()}?mode=ro{'' if is_open else '&immutable=1'}"
