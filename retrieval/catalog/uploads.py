"""Files that were uploaded: kept as originals, in no collection until somebody attaches them."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from retrieval.catalog.database import Database
from retrieval.catalog.tables import LIVE, documents, uploads, versions
from retrieval.errors import FileUnknownError, Message

DOCUMENT_PURPOSE = "assistants"
"""What OpenAI's lists call a file that belongs to a collection."""

Order = Literal["asc", "desc"]


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file as clients list it: an upload, or a document that came in another way.

    Args:
        file_id: `file-...`.
        name: What people are shown.
        purpose: Why it was uploaded, in OpenAI's words.
        content_hash: sha256 hex of its bytes.
        size: Bytes.
        created_at: Seconds since the epoch.
        is_document: Whether it lives in a collection and was never uploaded by itself.
    """

    file_id: str
    name: str
    purpose: str
    content_hash: str
    size: int
    created_at: float
    is_document: bool = False


class UploadTable:
    """The uploads of a catalog."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, name: str, purpose: str, content_hash: str, size: int, *, file_id: str | None = None) -> FileRecord:
        """Record an upload whose bytes are stored.

        Args:
            name: What people are shown.
            purpose: Why it was uploaded.
            content_hash: sha256 hex of its bytes.
            size: Bytes.
            file_id: Its id; one that is there already stays as it is. None: a new one.

        Returns:
            What is recorded.
        """
        file_id = file_id or f"file-{secrets.token_hex(12)}"
        record = FileRecord(file_id, name, purpose, content_hash, size, time.time())
        row = {"id": file_id, "name": name, "purpose": purpose, "content_hash": content_hash, "size": size}
        with self._db.write() as connection:
            added = connection.execute(
                insert(uploads).values(row | {"created_at": record.created_at}).on_conflict_do_nothing()
            ).rowcount
        return record if added else self.get(file_id)

    def find(self, file_id: str) -> FileRecord | None:
        """Return an upload, or None."""
        with self._db.read() as connection:
            row = connection.execute(sa.select(uploads).where(uploads.c.id == file_id)).first()
        return None if row is None else FileRecord(*row)

    def get(self, file_id: str) -> FileRecord:
        """Return an upload.

        Raises:
            FileUnknownError: If there is none.
        """
        record = self.find(file_id)
        if record is None:
            raise unknown_file(file_id)
        return record

    def remove(self, file_id: str) -> str | None:
        """Forget an upload; returns its content hash, or None if there was none."""
        with self._db.write() as connection:
            query = uploads.delete().where(uploads.c.id == file_id).returning(uploads.c.content_hash)
            return connection.execute(query).scalar()

    def content_hashes(self) -> set[str]:
        """Return the hashes of every upload's bytes: these originals must be there."""
        with self._db.read() as connection:
            return set(connection.execute(sa.select(uploads.c.content_hash)).scalars())

    def list_files(
        self, limit: int, *, after: str | None = None, order: Order = "desc", purpose: str | None = None
    ) -> list[FileRecord]:
        """Return uploads and live documents together, by age.

        Args:
            limit: Most to return.
            after: The id that the page before ended with; one that is gone since begins at the first.
            order: `desc` is newest first.
            purpose: Only these.
        """
        files = _files()
        key = sa.tuple_(files.c.created_at, files.c.id)
        query = sa.select(files)
        with self._db.read() as connection:
            if after is not None:
                last = connection.execute(sa.select(files.c.created_at).where(files.c.id == after)).scalar()
                if last is not None:
                    here = sa.tuple_(sa.literal(last), sa.literal(after))
                    query = query.where(key < here if order == "desc" else key > here)
            if purpose is not None:
                query = query.where(files.c.purpose == purpose)
            columns = (files.c.created_at, files.c.id)
            query = query.order_by(*(column.desc() if order == "desc" else column.asc() for column in columns))
            return [_file(row) for row in connection.execute(query.limit(limit))]


def unknown_file(file_id: str) -> FileUnknownError:
    """Return the error for an id that is neither an upload's nor a document's."""
    return FileUnknownError(
        Message(f"There is no file {file_id[:80]!r}.", f"没有编号为 {file_id[:80]!r} 的文件。"),
        hint=Message("It may have been deleted; see GET /v1/files.", "它可能已被删除；请看 GET /v1/files。"),
    )


def _files() -> sa.Subquery:
    uploaded = sa.select(
        uploads.c.id, uploads.c.name, uploads.c.purpose, uploads.c.content_hash, uploads.c.size, uploads.c.created_at,
        sa.literal(0).label("is_document"),
    )  # fmt: skip
    live = sa.select(
        documents.c.id, documents.c.source, sa.literal(DOCUMENT_PURPOSE), versions.c.content_hash, versions.c.size,
        documents.c.created_at, sa.literal(1),
    ).join(versions, versions.c.document_id == documents.c.id)  # fmt: skip
    # A document of an upload is that file again, also where it has an id of its own (in a second collection).
    known = sa.select(uploads.c.id)
    live = live.where(versions.c.state == LIVE, documents.c.id.not_in(known), documents.c.source_id.not_in(known))
    return uploaded.union_all(live).subquery("files")


def _file(row: Any) -> FileRecord:
    values: tuple[Any, ...] = (*row[:6], bool(row[6]))
    return FileRecord(*values)
