"""Documents as searches and listings see them: their live versions."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from retrieval.catalog.database import Database
from retrieval.catalog.job_record import KEEPS_BYTES
from retrieval.catalog.tables import LIVE, chunks, documents, jobs, texts, uploads, versions
from retrieval.catalog.vectors import SQL_BATCH
from retrieval.errors import DocumentNotFoundError, Message
from retrieval.models import Chunk, Sections, StoredDocument


@dataclass(frozen=True, slots=True)
class KnownSource:
    """What the catalog holds live for a source: enough to decide whether to read it again."""

    document_id: str
    content_hash: str
    recipe: str
    size: int = 0
    source: str = ""


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


# Written out: this is the one query on the path of every search. CROSS JOIN fixes SQLite's order: chunks by id first;
# left to itself it starts at the live versions and reads every chunk (30 times as long at 9,000 chunks).
_CHUNK_COLUMNS = """
SELECT c.id, v.document_id, c.version_id, c.ordinal, v.title, d.source, c.text, c.start, c."end", c.page,
       c.heading, v.metadata, c.sections
FROM chunks c CROSS JOIN versions v ON v.id = c.version_id CROSS JOIN documents d ON d.id = v.document_id
WHERE v.state = 'live'"""
_LIVE_CHUNKS = _CHUNK_COLUMNS + " AND d.collection_id = ? AND c.id IN ({marks})"
_CHUNK_RANGE = _CHUNK_COLUMNS + " AND c.version_id = ? AND c.ordinal BETWEEN ? AND ? ORDER BY c.ordinal"


class DocumentTable:
    """The documents part of the catalog."""

    _db: Database

    def known_sources(self, collection_id: str, *, source_ids: Sequence[str] | None = None) -> dict[str, KnownSource]:
        """Return what is live, by source_id: of all sources, or of a few hundred at most."""
        columns = (documents.c.source_id, documents.c.id, versions.c.content_hash, versions.c.recipe)
        query = (
            sa.select(*columns, versions.c.size, documents.c.source)
            .join(versions, versions.c.document_id == documents.c.id)
            .where(documents.c.collection_id == collection_id, versions.c.state == LIVE)
        )
        if source_ids is not None:
            query = query.where(documents.c.source_id.in_(source_ids))
        with self._db.read() as connection:
            return {row[0]: KnownSource(*row[1:]) for row in connection.execute(query)}

    def live_chunks(self, collection_id: str, chunk_ids: Sequence[str]) -> dict[str, Chunk]:
        """Return those of the chunks that a search may show, by id."""
        found: dict[str, Chunk] = {}
        metadata: dict[str, dict[str, str]] = {}  # the chunks of a document share theirs
        for i in range(0, len(chunk_ids), SQL_BATCH):
            batch = chunk_ids[i : i + SQL_BATCH]
            query = _LIVE_CHUNKS.format(marks=",".join("?" * len(batch)))
            for row in self._db.fetch(query, (collection_id, *batch)):
                heading, listed, sections = row[10:]
                known = metadata.get(listed)
                if known is None:
                    known = metadata[listed] = json.loads(listed)
                values: tuple[Any, ...] = (*row[:10], _path(heading), known, _sections(sections))
                found[row[0]] = Chunk(*values)
        return found

    def chunk_range(self, version_id: str, first: int, last: int) -> list[Chunk]:
        """Return the chunks of a live version from one ordinal to another, in order; none of a version that is gone."""
        found: list[Chunk] = []
        for row in self._db.fetch(_CHUNK_RANGE, (version_id, first, last)):
            heading, listed, sections = row[10:]
            values: tuple[Any, ...] = (*row[:10], _path(heading), json.loads(listed), _sections(sections))
            found.append(Chunk(*values))
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
        """Return the hashes of every original that a live version is made of."""
        with self._db.read() as connection:
            return set(connection.execute(sa.select(versions.c.content_hash).where(versions.c.state == LIVE)).scalars())

    def wanted_hashes(self, hashes: Collection[str] | None = None) -> set[str]:
        """Return those of the hashes, or of all, whose originals must be kept: versions, jobs and uploads need them."""
        waiting = sa.and_(jobs.c.origin == "upload", jobs.c.state.in_(KEEPS_BYTES))
        found: set[str] = set()
        listed = None if hashes is None else list(hashes)
        with self._db.read() as connection:
            for column, condition in (
                (versions.c.content_hash, sa.true()),
                (uploads.c.content_hash, sa.true()),
                (jobs.c.content_hash, waiting),
            ):
                query = sa.select(column).where(condition).distinct()
                if listed is None:
                    found |= set(connection.execute(query).scalars())
                    continue
                for i in range(0, len(listed), SQL_BATCH):
                    batch = query.where(column.in_(listed[i : i + SQL_BATCH]))
                    found |= set(connection.execute(batch).scalars())
        return found

    def document_id_of(self, collection_id: str, source_id: str) -> str | None:
        """Return the id of the document that a source has in a collection, live or on its way; None if none."""
        query = sa.select(documents.c.id).where(
            documents.c.collection_id == collection_id, documents.c.source_id == source_id
        )
        with self._db.read() as connection:
            found: str | None = connection.execute(query).scalar()
            return found

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

    def page_starts(self, version_ids: Sequence[str]) -> dict[str, tuple[int, ...]]:
        """Return the offset at which each page starts, of those versions that are live, without reading their text."""
        query = sa.select(versions.c.id, versions.c.page_starts).where(
            versions.c.id.in_(version_ids), versions.c.state == LIVE
        )
        with self._db.read() as connection:
            return {version_id: tuple(starts) for version_id, starts in connection.execute(query)}

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


def _path(listed: str) -> tuple[str, ...]:
    return () if listed == "[]" else tuple(json.loads(listed))


def _sections(listed: str) -> Sections:
    return () if listed == "[]" else tuple((start, tuple(path)) for start, path in json.loads(listed))


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
