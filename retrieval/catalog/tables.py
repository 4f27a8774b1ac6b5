"""The catalog's tables, as SQLAlchemy Core sees them. Changing one needs a migration beside it."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData()

BUILDING = "building"
LIVE = "live"
RETIRED = "retired"

collections = Table(
    "collections",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("embedder", String, nullable=False),
    Column("dim", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    # What was learnt from its owner's questions; whoever learnt it knows what it means.
    Column("calibration", JSON(none_as_null=True)),
    # Goes up with whatever makes a version visible or invisible, so that a search can tell whether it saw one state.
    Column("n_changes", Integer, nullable=False, server_default="0"),
)

# Deleted collections that an index may still hold: a store that does not answer forgets them later.
removed_collections = Table("removed_collections", metadata, Column("id", String, primary_key=True))

documents = Table(
    "documents",
    metadata,
    Column("id", String, primary_key=True),
    Column("collection_id", ForeignKey("collections.id", ondelete="CASCADE"), nullable=False),
    # What a second ingest of the same thing has in common with the first; `source` is what people are shown.
    Column("source_id", String, nullable=False),
    Column("source", String, nullable=False),
    Column("created_at", Float, nullable=False),
    UniqueConstraint("collection_id", "source_id"),
)

versions = Table(
    "versions",
    metadata,
    Column("id", String, primary_key=True),
    Column("document_id", ForeignKey("documents.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("state", String, nullable=False),
    Column("title", String, nullable=False),
    Column("content_hash", String, nullable=False, index=True),
    # How text and chunks were made; another recipe makes an unchanged file worth reading again.
    Column("recipe", String, nullable=False),
    Column("media_type", String, nullable=False),
    Column("size", Integer, nullable=False),
    Column("page_starts", JSON, nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("n_chunks", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    UniqueConstraint("document_id", "number"),
    # The database itself refuses a document with two visible versions.
    Index("one_live_version", "document_id", unique=True, sqlite_where=text("state = 'live'")),
    Index("versions_by_state", "state"),
)

# Beside its version, not in it: SQLite walks through a long value to reach the columns behind it, which made every
# search read whole documents.
texts = Table(
    "texts",
    metadata,
    Column("version_id", ForeignKey("versions.id", ondelete="CASCADE"), primary_key=True),
    Column("text", Text, nullable=False),
)

chunks = Table(
    "chunks",
    metadata,
    Column("id", String, primary_key=True),
    Column("version_id", ForeignKey("versions.id", ondelete="CASCADE"), nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("start", Integer, nullable=False),
    Column("end", Integer, nullable=False),
    Column("page", Integer),
    Column("heading", JSON, nullable=False),
    Column("sections", JSON, nullable=False),
    Column("text", Text, nullable=False),
    Column("vector_key", LargeBinary),
    UniqueConstraint("version_id", "ordinal"),
    Index("chunks_by_vector", "vector_key"),
)

vectors = Table(
    "vectors",
    metadata,
    # sha256 of embedder and embedded text, 16 bytes: equal text is embedded once.
    Column("key", LargeBinary, primary_key=True),
    Column("vector", LargeBinary, nullable=False),
)

answers = Table(
    "answers",
    metadata,
    Column("id", String, primary_key=True),
    # None for a question to a collection that does not exist.
    Column("collection_id", ForeignKey("collections.id", ondelete="CASCADE")),
    Column("created_at", Float, nullable=False),
    # The trace: JSON, by zlib.
    Column("body", LargeBinary, nullable=False),
    Index("answers_by_collection", "collection_id"),
    Index("answers_by_time", "created_at", "id"),
)

# Work on uploaded files that outlives its process; also what a folder's run could not take in, so that it stays listed.
jobs = Table(
    "jobs",
    metadata,
    Column("id", String, primary_key=True),
    Column("collection_id", ForeignKey("collections.id", ondelete="CASCADE"), nullable=False),
    # Jobs that came with one request, e.g. the files of one drop.
    Column("batch_id", String),
    # `upload`: its bytes are kept by `content_hash`; `sync`: they lie in the file that `source_id` names.
    Column("origin", String, nullable=False),
    Column("source_id", String, nullable=False),
    Column("source", String, nullable=False),
    # What the document is called once it is there.
    Column("document_id", String, nullable=False),
    Column("content_hash", String, nullable=False),
    Column("size", Integer, nullable=False),
    # Metadata, and wishes such as `ocr`.
    Column("options", JSON, nullable=False),
    Column("state", String, nullable=False),
    Column("stage", String, nullable=False),
    Column("counts", JSON, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("not_before", Float, nullable=False),
    Column("is_cancelled", Integer, nullable=False),
    Column("error", JSON(none_as_null=True)),
    Column("created_at", Float, nullable=False),
    Column("started_at", Float),
    Column("finished_at", Float),
    Index("jobs_by_state", "state", "not_before"),
    Index("jobs_by_source", "collection_id", "source_id"),
    Index("jobs_by_content", "content_hash"),
    Index("jobs_by_time", "created_at", "id"),
)

# Files that were uploaded and belong to no collection yet (`POST /v1/files`); their bytes are originals.
uploads = Table(
    "uploads",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("purpose", String, nullable=False),
    Column("content_hash", String, nullable=False, index=True),
    Column("size", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
)

# What was answered to a request that named an Idempotency-Key, so that its repetition gets the same.
replies = Table(
    "replies",
    metadata,
    Column("key", String, primary_key=True),
    # sha256 of the request: the same key with another one is refused.
    Column("fingerprint", String, nullable=False),
    Column("status", Integer, nullable=False),
    Column("body", JSON, nullable=False),
    Column("created_at", Float, nullable=False, index=True),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("digest", String, nullable=False, unique=True),
    Column("created_at", Float, nullable=False),
    Column("revoked_at", Float),
)
