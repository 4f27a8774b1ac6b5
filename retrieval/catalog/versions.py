"""Versions of documents: built unseen, switched in one transaction, forgotten when the indexes have forgotten them.

A version is `building` until its chunks are in every index, then `live`, then `retired`. Searches and listings see
`live` alone. What a crash leaves in another state is invisible and swept at the next start.
"""

from __future__ import annotations

import functools
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from retrieval.catalog import job_steps
from retrieval.catalog.bulk import insert_rows
from retrieval.catalog.database import Database, as_json
from retrieval.catalog.job_steps import JobDone
from retrieval.catalog.tables import BUILDING, LIVE, RETIRED, chunks, collections, documents, texts, vectors, versions
from retrieval.catalog.vectors import SQL_BATCH
from retrieval.models import Chunk, Document, Span

_tuple_json = functools.lru_cache(maxsize=1024)(as_json)  # Most chunks share their heading with their neighbours.


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
        document_id: What a new document is called; None: an id made of collection and source_id. One that is there
            keeps its own.
        vector_keys: Of each chunk's vector; None: not made yet, or there are no vectors.
    """

    source_id: str
    source: str
    document: Document
    spans: tuple[Span, ...]
    content_hash: str
    recipe: str
    media_type: str
    size: int
    document_id: str | None = None
    vector_keys: tuple[bytes | None, ...] | None = None


@dataclass(frozen=True, slots=True)
class BuiltVersion:
    """A version in the catalog that no search sees yet, with its chunks and the keys of their vectors.

    `is_update` if it will replace another.
    """

    document_id: str
    version_id: str
    chunks: tuple[Chunk, ...]
    is_update: bool
    vector_keys: tuple[bytes | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Leftover:
    """A version that is not live: its chunks are to leave the indexes, then it is forgotten."""

    collection_id: str
    version_id: str
    chunk_ids: tuple[str, ...]


def make_id(prefix: str, *parts: object) -> str:
    """Return a stable id: prefix and 24 hex digits of the parts' sha256."""
    digest = hashlib.sha256("\0".join(map(str, parts)).encode("utf-8", "surrogatepass")).hexdigest()
    return f"{prefix}{digest[:24]}"


class VersionTable:
    """The versions part of the catalog."""

    _db: Database

    def build_versions(self, collection_id: str, new: Sequence[NewVersion]) -> list[BuiltVersion]:
        """Write versions with their chunks, unseen by any search until `publish`.

        Args:
            collection_id: Where they belong.
            new: The versions, of different sources.

        Returns:
            What was built, in the order of `new`.
        """
        now = time.time()
        built: list[BuiltVersion] = []
        version_rows, text_rows = [], []
        chunk_rows: list[tuple[Any, ...]] = []
        with self._db.write() as connection:
            ids = _document_ids(connection, collection_id, new)
            document_rows = [
                (document_id, collection_id, item.source_id, item.source, now)
                for document_id, item in zip(ids, new, strict=True)
            ]
            last = _last_numbers(connection, ids)
            for document_id, item in zip(ids, new, strict=True):
                number = last.get(document_id, 0) + 1
                version_id = make_id("ver_", document_id, number, item.content_hash)
                made = _make_chunks(document_id, version_id, item)
                version_rows.append(_version_row(version_id, document_id, number, item, now))
                text_rows.append((version_id, item.document.text))
                keys = item.vector_keys or (None,) * len(made)
                chunk_rows += map(_chunk_row, made, keys)
                built.append(BuiltVersion(document_id, version_id, made, number > 1, keys))
            insert_rows(connection, documents, document_rows, or_ignore=True)
            insert_rows(connection, versions, version_rows)
            insert_rows(connection, texts, text_rows)
            insert_rows(connection, chunks, chunk_rows)
        return built

    def publish(self, version_ids: Sequence[str], done: Sequence[JobDone] = ()) -> list[str]:
        """Make versions visible, and what they replace invisible, in one transaction that also ends their jobs.

        Args:
            version_ids: The versions.
            done: The jobs of those that have one; a version whose job was cancelled stays invisible.

        Returns:
            The versions that are visible now.
        """
        with self._db.write() as connection:
            unwanted = job_steps.complete(connection, done) if done else set()
            published = [version_id for version_id in version_ids if version_id not in unwanted]
            chosen = versions.c.id.in_(published)
            touched = sa.select(versions.c.document_id).where(chosen)
            connection.execute(
                versions.update()
                .where(versions.c.document_id.in_(touched), versions.c.state == LIVE)
                .values(state=RETIRED)
            )
            connection.execute(versions.update().where(chosen).values(state=LIVE))
            _count_change(connection, documents.c.id.in_(touched))
        return published

    def retire_documents(self, document_ids: Sequence[str]) -> list[str]:
        """Make documents invisible, and end what is under way for them, in one transaction.

        Their leftovers are swept afterwards.

        Returns:
            Content hashes of jobs that were ended: their originals may go.
        """
        hashes: set[str] = set()
        with self._db.write() as connection:
            for i in range(0, len(document_ids), SQL_BATCH):
                batch = document_ids[i : i + SQL_BATCH]
                hashes |= _discard_jobs(connection, batch)
                connection.execute(
                    versions.update()
                    .where(versions.c.document_id.in_(batch), versions.c.state == LIVE)
                    .values(state=RETIRED)
                )
                _count_change(connection, documents.c.id.in_(batch))
        return sorted(hashes)

    def leftovers(self, document_ids: Sequence[str] | None = None) -> list[Leftover]:
        """Return versions that are not live, of the named documents or of all."""
        query = (
            sa.select(documents.c.collection_id, versions.c.id, chunks.c.id)
            .select_from(versions.join(documents).outerjoin(chunks, chunks.c.version_id == versions.c.id))
            .where(versions.c.state.in_((BUILDING, RETIRED)))
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

    def has_leftovers(self) -> bool:
        """Whether there are versions that are not live."""
        query = f"SELECT 1 FROM versions WHERE state IN ('{BUILDING}', '{RETIRED}') LIMIT 1"
        return bool(self._db.fetch(query))

    def forget_versions(self, version_ids: Sequence[str]) -> list[str]:
        """Delete versions that are not live, with what only they used.

        The vectors of one that was never visible stay, so that the next attempt need not embed again.

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
                    sa.select(chunks.c.vector_key)
                    .join(versions, versions.c.id == chunks.c.version_id)
                    .where(gone, versions.c.state == RETIRED)
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


def _count_change(connection: sa.Connection, touched: sa.ColumnElement[bool]) -> None:
    """Let searches of the documents' collections know that they may have seen two states."""
    concerned = collections.c.id.in_(sa.select(documents.c.collection_id).where(touched))
    connection.execute(collections.update().where(concerned).values(n_changes=collections.c.n_changes + 1))


def _discard_jobs(connection: sa.Connection, document_ids: Sequence[str]) -> set[str]:
    """End what is under way for documents that are deleted; returns the jobs' hashes."""
    named = sa.select(documents.c.collection_id, documents.c.source_id).where(documents.c.id.in_(document_ids))
    sources: dict[str, list[str]] = {}
    for collection_id, source_id in connection.execute(named):
        sources.setdefault(collection_id, []).append(source_id)
    hashes: set[str] = set()
    for collection_id, source_ids in sources.items():
        hashes.update(job_steps.discard(connection, collection_id, source_ids))
    return hashes


def _document_ids(connection: sa.Connection, collection_id: str, new: Sequence[NewVersion]) -> list[str]:
    """Return the id of each version's document: its own if it is there, else one that no other document has."""
    there: dict[str, str] = {}
    wanted = [item.document_id or make_id("file-", collection_id, item.source_id) for item in new]
    taken: set[str] = set()
    for i in range(0, len(new), SQL_BATCH):
        named = documents.c.source_id.in_([item.source_id for item in new[i : i + SQL_BATCH]])
        query = sa.select(documents.c.source_id, documents.c.id)
        there.update(
            (source_id, document_id)
            for source_id, document_id in connection.execute(
                query.where(documents.c.collection_id == collection_id, named)
            )
        )
        taken |= {row[1] for row in connection.execute(query.where(documents.c.id.in_(wanted[i : i + SQL_BATCH])))}
    # A document that was moved keeps its id, so what lies at its old place now needs another one.
    return [
        there.get(item.source_id)
        or (make_id("file-", document_id, time.time_ns()) if document_id in taken else document_id)
        for item, document_id in zip(new, wanted, strict=True)
    ]


def _last_numbers(connection: sa.Connection, document_ids: Sequence[str]) -> dict[str, int]:
    """Return the number of the newest version of each document that has any."""
    found: dict[str, int] = {}
    for i in range(0, len(document_ids), SQL_BATCH):
        query = (
            sa.select(versions.c.document_id, sa.func.max(versions.c.number))
            .where(versions.c.document_id.in_(document_ids[i : i + SQL_BATCH]))
            .group_by(versions.c.document_id)
        )
        found.update((document_id, number) for document_id, number in connection.execute(query))
    return found


def _make_chunks(document_id: str, version_id: str, item: NewVersion) -> tuple[Chunk, ...]:
    texts = [item.document.text[span.start : span.end] for span in item.spans]
    return tuple(
        Chunk(
            chunk_id=make_id("", version_id, ordinal, text),
            document_id=document_id,
            version_id=version_id,
            ordinal=ordinal,
            title=item.document.title,
            source=item.source,
            text=text,
            start=span.start,
            end=span.end,
            page=span.page,
            heading=span.heading,
            metadata=item.document.metadata,
            sections=span.sections,
        )
        for ordinal, (span, text) in enumerate(zip(item.spans, texts, strict=True))
    )


def _version_row(version_id: str, document_id: str, number: int, item: NewVersion, now: float) -> tuple[Any, ...]:
    """Return the values of the table's columns, in their order."""
    return (
        version_id,
        document_id,
        number,
        BUILDING,
        item.document.title,
        item.content_hash,
        item.recipe,
        item.media_type,
        item.size,
        as_json(list(item.document.page_starts)),
        as_json(dict(item.document.metadata)),
        len(item.spans),
        now,
    )


def _chunk_row(chunk: Chunk, key: bytes | None) -> tuple[Any, ...]:
    """Return the values of the table's columns, in their order."""
    return (
        chunk.chunk_id,
        chunk.version_id,
        chunk.ordinal,
        chunk.start,
        chunk.end,
        chunk.page,
        _tuple_json(chunk.heading),
        _tuple_json(chunk.sections),
        chunk.text,
        key,
    )
