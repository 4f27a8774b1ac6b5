"""Files whose bytes are stored -> jobs; an archive is one job first, which becomes one for each of its files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ingest.archives import safe_name
from retrieval.catalog.job_record import JobRecord, new_batch_id, new_job_id
from retrieval.catalog.versions import make_id
from retrieval.data_folder import DataFolder
from retrieval.models import Collection

UPLOAD = "upload:"
"""What the source id of a file begins with that came by its name alone: the same name again replaces it."""
UNPACK = "unpack"
ATTRIBUTES = "attributes"


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to bring in, whose bytes are an original already.

    Args:
        name: What people are shown; may hold folders with `/`.
        content_hash: sha256 hex of its bytes.
        size: Bytes.
        source_id: Identity within the collection; None: made of the name.
        document_id: What a new document is called; None: an id made of collection and source id.
        options: See `JobRecord`; `unpack` is set by the name.
    """

    name: str
    content_hash: str
    size: int
    source_id: str | None = None
    document_id: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


def enqueue_file(
    folder: DataFolder,
    collection: str,
    name: str,
    data: bytes,
    *,
    source_id: str | None = None,
    document_id: str | None = None,
    options: Mapping[str, Any] | None = None,
    batch_id: str | None = None,
) -> JobRecord:
    """Store a file's bytes and queue it; both durable when this returns.

    Args:
        folder: The open data folder.
        collection: Name or id of a collection that is there.
        name: What people are shown.
        data: The whole file.
        source_id: As in `NewFile`.
        document_id: As in `NewFile`.
        options: As in `NewFile`.
        batch_id: Of the request that it came with.

    Raises:
        CollectionNotFoundError: If there is no such collection.
        EmbedderMismatchError: If it was built with another embedder.
        DataFolderError: If nothing can be written.
    """
    content_hash = hashlib.sha256(data).hexdigest()
    with folder.originals.keeping([content_hash]):
        folder.originals.put(content_hash, data)
        new = NewFile(name, content_hash, len(data), source_id, document_id, options or {})
        return enqueue_files(folder, collection, [new], batch_id=batch_id)[0]


def enqueue_files(
    folder: DataFolder, collection: str, files: Sequence[NewFile], *, batch_id: str | None = None
) -> list[JobRecord]:
    """Queue files whose bytes are stored, in one transaction; call it inside `originals.keeping` of their hashes.

    Args:
        folder: The open data folder.
        collection: Name or id of a collection that is there.
        files: What to bring in, in order.
        batch_id: Of the request that they came with; None: a new one.

    Returns:
        Their jobs, in the same order.

    Raises:
        CollectionNotFoundError: If there is no such collection.
        EmbedderMismatchError: If it was built with another embedder.
    """
    found = folder.collection(collection)
    batch = batch_id or new_batch_id()
    records = [job_of(new, found, batch, _document_id(folder, found, new)) for new in files]
    folder.catalog.jobs.add(records)
    return records


def job_of(new: NewFile, collection: Collection, batch_id: str | None, document_id: str) -> JobRecord:
    """Return the job of a file (pure but for its id)."""
    options = dict(new.options)
    if new.name.lower().endswith(".zip"):
        options[UNPACK] = True
    return JobRecord(
        job_id=new_job_id(),
        collection_id=collection.collection_id,
        batch_id=batch_id,
        origin="upload",
        source_id=source_id_of(new),
        source=shown_name(new.name),
        document_id=document_id,
        content_hash=new.content_hash,
        size=new.size,
        options=options,
        counts={"bytes": new.size},
    )


def source_id_of(new: NewFile) -> str:
    """Return a file's identity within its collection."""
    return new.source_id or UPLOAD + shown_name(new.name)


def shown_name(name: str) -> str:
    """Return a client's name for a file without what would lead out of a folder; never empty."""
    return safe_name(name) or "file"


def _document_id(folder: DataFolder, collection: Collection, new: NewFile) -> str:
    """Return what the file's document is called, or will be."""
    source_id = source_id_of(new)
    there = folder.catalog.document_id_of(collection.collection_id, source_id)
    return there or new.document_id or make_id("file-", collection.collection_id, source_id)
