"""Documents under another name: a file that was moved, and content that is stored already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from retrieval.catalog.database import Database
from retrieval.catalog.tables import LIVE, chunks, collections, documents, texts, versions
from retrieval.models import Chunk, Document, Span


@dataclass(frozen=True, slots=True)
class Move:
    """What a document is called from now on; `must_reread` if its new name may mean another text."""

    document_id: str
    source_id: str
    source: str
    title: str
    must_reread: bool = False


@dataclass(frozen=True, slots=True)
class StoredCopy:
    """A live version with the content that is asked for; `source` is what its document is called."""

    document_id: str
    source_id: str
    source: str


@dataclass(frozen=True, slots=True)
class LiveVersion:
    """A live version, whole.

    Args:
        chunks: In order.
        vector_keys: Of each chunk; None without an embedder.
    """

    document: Document
    source: str
    media_type: str
    size: int
    chunks: tuple[Chunk, ...]
    vector_keys: tuple[bytes | None, ...]

    @property
    def spans(self) -> tuple[Span, ...]:
        """Where the chunks lie."""
        return tuple(Span(one.start, one.end, one.page, one.heading, one.sections) for one in self.chunks)


class SourceTable:
    """The part of the catalog that knows documents by their content and renames them."""

    _db: Database

    def find_copies(self, content_hash: str, *, recipe: str, embedder: str) -> list[StoredCopy]:
        """Return the live versions of some content, in any collection with this embedder, oldest first."""
        query = (
            sa.select(documents.c.id, documents.c.source_id, documents.c.source)
            .select_from(versions.join(documents).join(collections))
            .where(versions.c.content_hash == content_hash, versions.c.recipe == recipe, versions.c.state == LIVE)
            .where(collections.c.embedder == embedder)
            .order_by(versions.c.created_at, documents.c.id)
        )
        with self._db.read() as connection:
            return [StoredCopy(*row) for row in connection.execute(query)]

    def live_version(self, document_id: str) -> LiveVersion | None:
        """Return what is live of a document; None if nothing is."""
        whole = (
            sa.select(versions, documents.c.source, texts.c.text)
            .select_from(versions.join(documents).join(texts))
            .where(documents.c.id == document_id, versions.c.state == LIVE)
        )
        with self._db.read() as connection:
            version = connection.execute(whole).mappings().first()
            if version is None:
                return None
            rows = connection.execute(
                chunks.select().where(chunks.c.version_id == version["id"]).order_by(chunks.c.ordinal)
            ).mappings()
            listed = [(_chunk(row, version, document_id), row["vector_key"]) for row in rows]
        return LiveVersion(
            document=Document(
                title=version["title"],
                text=version["text"],
                page_starts=tuple(version["page_starts"]),
                metadata=version["metadata"],
            ),
            source=version["source"],
            media_type=version["media_type"],
            size=version["size"],
            chunks=tuple(chunk for chunk, _ in listed),
            vector_keys=tuple(key for _, key in listed),
        )

    def move_documents(self, moves: Sequence[Move]) -> list[str]:
        """Give documents their new names, all in one transaction; versions, chunks and ids stay.

        Returns:
            The ids of those that were renamed; one is left out if it is gone, or another has its new `source_id`.
        """
        moved: list[str] = []
        with self._db.write() as connection:
            for move in moves:
                here = sa.select(documents.c.collection_id).where(documents.c.id == move.document_id).scalar_subquery()
                other = documents.alias()
                is_taken = (
                    sa.select(other.c.id)
                    .where(other.c.collection_id == here, other.c.source_id == move.source_id)
                    .where(other.c.id != move.document_id)
                )
                renamed = connection.execute(
                    documents.update()
                    .where(documents.c.id == move.document_id, ~is_taken.exists())
                    .values(source_id=move.source_id, source=move.source)
                )
                if renamed.rowcount:
                    live = versions.update().where(versions.c.document_id == move.document_id, versions.c.state == LIVE)
                    # No recipe is empty: whoever compares it reads the file again.
                    connection.execute(live.values(title=move.title, **({"recipe": ""} if move.must_reread else {})))
                    moved.append(move.document_id)
        return moved


def _chunk(row: sa.RowMapping, version: sa.RowMapping, document_id: str) -> Chunk:
    return Chunk(
        chunk_id=row["id"],
        document_id=document_id,
        version_id=version["id"],
        ordinal=row["ordinal"],
        title=version["title"],
        source=version["source"],
        text=row["text"],
        start=row["start"],
        end=row["end"],
        page=row["page"],
        heading=tuple(row["heading"]),
        metadata=version["metadata"],
        sections=tuple((start, tuple(path)) for start, path in row["sections"]),
    )
