"""Documents and their versions: build unseen, switch in one transaction, forget when the indexes have forgotten.

A version is `building` until its chunks are in every index, then `live`, then `retired`. Searches and listings see
`live` alone. What a crash leaves in another state is invisible and swept at the next start.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from retrieval.catalog.database import Database
from retrieval.catalog.tables import BUILDING, LIVE, RETIRED, chunks, documents, texts, vectors, versions
from retrieval.catalog.vectors import SQL_BATCH
from retrieval.errors import DocumentNotFoundError, Message
from retrieval.models import Chunk, Document, Span, StoredDocument


@dataclass(frozen=True, slots=True)
class NewVersion:
    """What ingestion hands over for one document.

    Args:
        source_id: Identity within the collection (a file's absolute path).
        source: What people are shown.
        document: The parsed document.
        spans: Where its chunks lie, in order.
        content_hash: sha256 hex of the original bytes.
        recipe: Names how text and chunks were made.
        media_type: MIME type of the original.
        size: Bytes of the original.
    """

    source_id: str
    source: str
    document: Document
    spans: tuple[Span, ...]
    content_hash: str
    recipe: str
    media_type: str
    size: int


@dataclass(frozen=True, slots=True)
class BuiltVersion:
    """A version in the catalog that no search sees yet, with its chunks."""

    document_id: str
    version_id: str
    chunks: tuple[Chunk, ...]


@dataclass(frozen=True, slots=True)
class KnownSource:
    """What the catalog holds live for a source: enough to decide whether to read it again."""

    document_id: str
    content_hash: str
    recipe: str


@dataclass(frozen=True, slots=True)
class Leftover:
    """A version that is not live: its chunks are to leave the indexes, then it is forgotten."""

    collection_id: str
    version_id: str
    chunk_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DocumentText:
    """The parsed text of a live version, in which offsets count."""

    document_id: str
    version_id: str
    title: str
    source: str
    media_type: str
    content_hash: str
    text: str
    page_starts: tuple[int, ...]
    metadata: Mapping[str, str] = field(default_factory=dict)


def make_id(prefix: str, *parts: object) -> str:
    """Return a stable id: prefix and 24 hex digits of the parts' sha256."""
    digest = hashlib.sha256("\0".join(map(str, parts)).encode("utf-8", "surrogatepass")).hexdigest()
    return f"{prefix}{digest[:24]}"


# Written out: this is the one query on the path of every search. CROSS JOIN fixes SQLite's order: chunks by id first;
# left to itself it starts at the live versions and reads every chunk (30 times as long at 9,000 chunks).
_LIVE_CHUNKS = """
SELECT c.id, v.document_id, c.version_id, c.ordinal, v.title, d.source, c.text, c.start, c."end", c.page,
       c.heading, v.metadata
FROM chunks c CROSS JOIN versions v ON v.id = c.version_id CROSS JOIN documents d ON d.id = v.document_id
WHERE v.state = 'live' AND d.collection_id = ? AND c.id IN ({marks})
"""


class DocumentTable:
    """The documents part of the catalog."""

    _db: Database

    def known_sources(self, collection_id: str) -> dict[str, KnownSource]:
        """Return what is live, by source_id."""
        query = (
            sa.select(documents.c.source_id, documents.c.id, versions.c.content_hash, versions.c.recipe)
            .join(versions, versions.c.document_id == documents.c.id)
            .where(documents.c.collection_id == collection_id, versions.c.state == LIVE)
        )
        with self._db.read() as connection:
            return {row[0]: KnownSource(*row[1:]) for row in connection.execute(query)}

    def build_versions(
        self, collection_id: str, new: Sequence[NewVersion], key_of: Callable[[Chunk], bytes | None]
    ) -> list[BuiltVersion]:
        """Write versions with their chunks, unseen by any search until `publish`.

        Args:
            collection_id: Where they belong.
            new: The versions, of different sources.
            key_of: Gives the key of a chunk's vector; None without an embedder.

        Returns:
            What was built, in the order of `new`.
        """
        now = time.time()
        built: list[BuiltVersion] = []
        with self._db.write() as connection:
            for item in new:
                document_id = make_id("file-", collection_id, item.source_id)
                connection.execute(
                    insert(documents).on_conflict_do_nothing(),
                    {
                        "id": document_id,
                        "collection_id": collection_id,
                        "source_id": item.source_id,
                        "source": item.source,
                        "created_at": now,
                    },
                )
                last = connection.execute(
                    sa.select(sa.func.max(versions.c.number)).where(versions.c.document_id == document_id)
                ).scalar()
                number = (last or 0) + 1
                version_id = make_id("ver_", document_id, number, item.content_hash)
                made = _make_chunks(document_id, version_id, item)
                connection.execute(versions.insert(), _version_row(version_id, document_id, number, item, now))
                connection.execute(texts.insert(), {"version_id": version_id, "text": item.document.text})
                if made:
                    connection.execute(chunks.insert(), [_chunk_row(chunk, key_of(chunk)) for chunk in made])
                built.append(BuiltVersion(document_id, version_id, made))
        return built

    def publish(self, version_ids: Sequence[str]) -> None:
        """Make versions visible, and what they replace invisible, in one transaction."""
        if not version_ids:
            return
        chosen = versions.c.id.in_(version_ids)
        touched = sa.select(versions.c.document_id).where(chosen)
        with self._db.write() as connection:
            connection.execute(
                versions.update()
                .where(versions.c.document_id.in_(touched), versions.c.state == LIVE)
                .values(state=RETIRED)
            )
            connection.execute(versions.update().where(chosen).values(state=LIVE))

    def retire_documents(self, document_ids: Sequence[str]) -> None:
        """Make documents invisible in one transaction; their leftovers are swept afterwards."""
        with self._db.write() as connection:
            connection.execute(
                versions.update()
                .where(versions.c.document_id.in_(document_ids), versions.c.state == LIVE)
                .values(state=RETIRED)
            )

    def leftovers(self, document_ids: Sequence[str] | None = None) -> list[Leftover]:
        """Return versions that are not live, of the named documents or of all."""
        query = (
            sa.select(documents.c.collection_id, versions.c.id, chunks.c.id)
            .select_from(versions.join(documents).outerjoin(chunks, chunks.c.version_id == versions.c.id))
            .where(versions.c.state != LIVE)
        )
        if document_ids is not None:
            query = query.where(versions.c.document_id.in_(document_ids))
        found: dict[tuple[str, str], list[str]] = {}
        with self._db.read() as connection:
            for collection_id, version_id, chunk_id in connection.execute(query):
                ids = found.setdefault((collection_id, version_id), [])
                if chunk_id is not None:
                    ids.append(chunk_id)
        return [Leftover(collection_id, version_id, tuple(ids)) for (collection_id, version_id), ids in found.items()]

    def forget_versions(self, version_ids: Sequence[str]) -> list[str]:
        """Delete versions that are not live, with what only they used.

        Returns:
            Content hashes that no version refers to any more: their originals may go.
        """
        if not version_ids:
            return []
        gone = sa.and_(versions.c.id.in_(version_ids), versions.c.state != LIVE)
        with self._db.write() as connection:
            hashes = set(connection.execute(sa.select(versions.c.content_hash).where(gone)).scalars())
            keys = set(
                connection.execute(
                    sa.select(chunks.c.vector_key).join(versions, versions.c.id == chunks.c.version_id).where(gone)
                ).scalars()
            ) - {None}
            connection.execute(versions.delete().where(gone))
            connection.execute(
                documents.delete().where(
                    ~sa.select(versions.c.id).where(versions.c.document_id == documents.c.id).exists()
                )
            )
            listed = sorted(keys)
            for i in range(0, len(listed), SQL_BATCH):
                used = sa.select(chunks.c.id).where(chunks.c.vector_key == vectors.c.key).exists()
                connection.execute(vectors.delete().where(vectors.c.key.in_(listed[i : i + SQL_BATCH]), ~used))
            kept = set(
                connection.execute(
                    sa.select(versions.c.content_hash).where(versions.c.content_hash.in_(hashes))
                ).scalars()
            )
        return sorted(hashes - kept)

    def live_chunks(self, collection_id: str, chunk_ids: Sequence[str]) -> dict[str, Chunk]:
        """Return those of the chunks that a search may show, by id."""
        found: dict[str, Chunk] = {}
        with self._db.read() as connection:
            for i in range(0, len(chunk_ids), SQL_BATCH):
                batch = tuple(chunk_ids[i : i + SQL_BATCH])
                query = _LIVE_CHUNKS.format(marks=",".join("?" * len(batch)))
                for row in connection.exec_driver_sql(query, (collection_id, *batch)):
                    fields: tuple[Any, ...] = (*row[:10], tuple(json.loads(row[10])), json.loads(row[11]))
                    found[row[0]] = Chunk(*fields)
        return found

    def live_chunk_vectors(self, collection_id: str) -> list[tuple[str, bytes | None]]:
        """Return (chunk_id, vector key) of every live chunk, in document order: what the indexes should hold."""
        query = (
            sa.select(chunks.c.id, chunks.c.vector_key)
            .select_from(chunks.join(versions).join(documents))
            .where(documents.c.collection_id == collection_id, versions.c.state == LIVE)
            .order_by(documents.c.id, chunks.c.ordinal)
        )
        with self._db.read() as connection:
            return [(row[0], row[1]) for row in connection.execute(query)]

    def live_content_hashes(self) -> set[str]:
        """Return the hashes of every original that must be there."""
        with self._db.read() as connection:
            return set(connection.execute(sa.select(versions.c.content_hash).where(versions.c.state == LIVE)).scalars())

    def list_documents(self, collection_id: str) -> list[StoredDocument]:
        """Return the live documents of a collection, by source."""
        with self._db.read() as connection:
            rows = connection.execute(_stored().where(documents.c.collection_id == collection_id))
            return [_stored_document(row) for row in rows.mappings()]

    def get_document(self, document_id: str) -> StoredDocument:
        """Return a live document.

        Raises:
            DocumentNotFoundError: If there is none.
        """
        with self._db.read() as connection:
            row = connection.execute(_stored().where(documents.c.id == document_id)).mappings().first()
        if row is None:
            raise _no_document(document_id)
        return _stored_document(row)

    def document_text(self, document_id: str) -> DocumentText:
        """Return the parsed text of a live document.

        Raises:
            DocumentNotFoundError: If there is none.
        """
        query = (
            sa.select(versions, documents.c.source, texts.c.text)
            .join(documents, documents.c.id == versions.c.document_id)
            .join(texts, texts.c.version_id == versions.c.id)
            .where(documents.c.id == document_id, versions.c.state == LIVE)
        )
        with self._db.read() as connection:
            row = connection.execute(query).mappings().first()
        if row is None:
            raise _no_document(document_id)
        return DocumentText(
            document_id=document_id,
            version_id=row["id"],
            title=row["title"],
            source=row["source"],
            media_type=row["media_type"],
            content_hash=row["content_hash"],
            text=row["text"],
            page_starts=tuple(row["page_starts"]),
            metadata=row["metadata"],
        )

    def match_documents(self, collection_id: str, filters: Mapping[str, str]) -> list[str]:
        """Return the ids of live documents whose title, source or metadata equal every filter."""
        query = (
            sa.select(documents.c.id)
            .join(versions, versions.c.document_id == documents.c.id)
            .where(documents.c.collection_id == collection_id, versions.c.state == LIVE)
        )
        columns = {
            "title": versions.c.title,
            "source": documents.c.source,
            "document_id": documents.c.id,
            "media_type": versions.c.media_type,
        }
        for key, value in filters.items():
            if key in columns:
                query = query.where(columns[key] == value)
            else:
                pair = sa.func.json_each(versions.c.metadata).table_valued("key", "value")
                query = query.where(
                    sa.select(sa.literal(1)).select_from(pair).where(pair.c.key == key, pair.c.value == value).exists()
                )
        with self._db.read() as connection:
            return list(connection.execute(query).scalars())


def _make_chunks(document_id: str, version_id: str, item: NewVersion) -> tuple[Chunk, ...]:
    text = item.document.text
    return tuple(
        Chunk(
            chunk_id=make_id("", version_id, ordinal, text[span.start : span.end]),
            document_id=document_id,
            version_id=version_id,
            ordinal=ordinal,
            title=item.document.title,
            source=item.source,
            text=text[span.start : span.end],
            start=span.start,
            end=span.end,
            page=span.page,
            heading=span.heading,
            metadata=item.document.metadata,
        )
        for ordinal, span in enumerate(item.spans)
    )


def _version_row(version_id: str, document_id: str, number: int, item: NewVersion, now: float) -> dict[str, Any]:
    return {
        "id": version_id,
        "document_id": document_id,
        "number": number,
        "state": BUILDING,
        "title": item.document.title,
        "content_hash": item.content_hash,
        "recipe": item.recipe,
        "media_type": item.media_type,
        "size": item.size,
        "page_starts": list(item.document.page_starts),
        "metadata": dict(item.document.metadata),
        "n_chunks": len(item.spans),
        "created_at": now,
    }


def _chunk_row(chunk: Chunk, key: bytes | None) -> dict[str, Any]:
    return {
        "id": chunk.chunk_id,
        "version_id": chunk.version_id,
        "ordinal": chunk.ordinal,
        "start": chunk.start,
        "end": chunk.end,
        "page": chunk.page,
        "heading": list(chunk.heading),
        "text": chunk.text,
        "vector_key": key,
    }


def _stored() -> sa.Select[Any]:
    return (
        sa.select(
            documents.c.id.label("document_id"),
            documents.c.collection_id,
            documents.c.source,
            versions.c.id.label("version_id"),
            versions.c.title,
            versions.c.content_hash,
            versions.c.media_type,
            versions.c.size,
            versions.c.n_chunks,
            versions.c.page_starts,
            versions.c.created_at,
        )
        .join(versions, versions.c.document_id == documents.c.id)
        .where(versions.c.state == LIVE)
        .order_by(documents.c.source, documents.c.id)
    )


def _stored_document(row: Any) -> StoredDocument:
    return StoredDocument(
        document_id=row["document_id"],
        collection_id=row["collection_id"],
        version_id=row["version_id"],
        source=row["source"],
        title=row["title"],
        content_hash=row["content_hash"],
        media_type=row["media_type"],
        size=row["size"],
        n_chunks=row["n_chunks"],
        n_pages=len(row["page_starts"]) or None,
        updated_at=row["created_at"],
    )


def _no_document(document_id: str) -> DocumentNotFoundError:
    return DocumentNotFoundError(
        Message(f"There is no document {document_id!r}.", f"没有编号为 {document_id!r} 的文档。"),
        hint=Message(
            "It may have been deleted; see `huozi documents list`.", "它可能已被删除；请看 `huozi documents list`。"
        ),
    )
