"""A file by its id, and its end: uploads, documents and what is still on its way, all under one kind of id."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from retrieval.catalog import FileRecord, StoreFile
from retrieval.catalog.uploads import DOCUMENT_PURPOSE, unknown_file
from retrieval.data_folder import DataFolder
from retrieval.errors import DocumentNotFoundError, FileUnknownError, Message
from retrieval.models import Collection


def find_file(folder: DataFolder, file_id: str) -> FileRecord:
    """Return an upload, a live document, or a file whose job has not made it a document.

    Raises:
        FileUnknownError: If there is none.
    """
    upload = folder.catalog.uploads.find(file_id)
    if upload is not None:
        return upload
    try:
        document = folder.catalog.get_document(file_id)
    except DocumentNotFoundError:
        return _waiting_file(folder, file_id)
    return FileRecord(
        file_id,
        document.source,
        DOCUMENT_PURPOSE,
        document.content_hash,
        document.size,
        document.updated_at,
        is_document=True,
    )


def find_store_file(folder: DataFolder, collection: Collection, file_id: str) -> StoreFile:
    """Return a file of a collection.

    Raises:
        FileUnknownError: If there is none.
    """
    found = folder.catalog.store_files.find(collection.collection_id, file_id)
    # An id that is a file's own comes before the same id of a document in it.
    chosen = next((one for one in found if one.file_id == file_id), found[0] if found else None)
    chosen = chosen or _unpacked(folder, collection, file_id)
    if chosen is None:
        raise FileUnknownError(
            Message(
                f"There is no file {file_id[:80]!r} in collection {collection.name!r}.",
                f"集合 {collection.name!r} 中没有编号为 {file_id[:80]!r} 的文件。",
            ),
            hint=Message("See GET /v1/vector_stores/{id}/files.", "请看 GET /v1/vector_stores/{id}/files。"),
        )
    return chosen


def _unpacked(folder: DataFolder, collection: Collection, file_id: str) -> StoreFile | None:
    """Return an archive whose files have become jobs and documents of their own, as one file; None if it is none."""
    jobs = folder.catalog.jobs.find(collection_id=collection.collection_id, document_id=file_id, limit=1)
    source_id = jobs[0].source_id if jobs else file_id
    inside = folder.catalog.store_files.inside(collection.collection_id, source_id)
    if not inside:
        return None
    statuses = {one.status for one in inside}
    # It is what any of its files makes of it: ready with the last one, failed only if nothing of it is there.
    status = next(one for one in ("in_progress", "completed", "failed", "cancelled") if one in statuses)
    shown = next(one for one in inside if one.status == status)
    upload = folder.catalog.uploads.find(file_id)
    name = upload.name if upload else jobs[0].source if jobs else source_id
    size = sum(one.size for one in inside)
    return replace(shown, file_id=file_id, name=name, size=size, n_chunks=sum(one.n_chunks for one in inside))


def remove_from_store(folder: DataFolder, collection: Collection, file_id: str) -> None:
    """Take a file out of a collection, whatever is under way for it; final when this returns.

    Raises:
        FileUnknownError: If it is not in there.
    """
    with folder.writing:
        find_store_file(folder, collection, file_id)  # raises if there is none
        places = folder.catalog.store_files.places(file_id)
        _remove(folder, [place for place in places if place[0] == collection.collection_id])


def remove_everywhere(folder: DataFolder, file_id: str) -> None:
    """Take a file out of every collection, and the upload itself; final when this returns.

    Raises:
        FileUnknownError: If there is none.
    """
    with folder.writing:
        places = folder.catalog.store_files.places(file_id)
        upload_hash = folder.catalog.uploads.remove(file_id)
        if not places and upload_hash is None:
            raise unknown_file(file_id)
        _remove(folder, places)
    if upload_hash is not None:
        folder.originals.remove_unused([upload_hash], folder.catalog.wanted_hashes)


def _remove(folder: DataFolder, places: Iterable[tuple[str, str]]) -> None:
    """End jobs and documents of some sources; the caller holds `folder.writing`, so nothing is published meanwhile."""
    catalog = folder.catalog
    hashes: set[str] = set()
    documents = []
    for collection_id, source_id in places:
        hashes |= set(catalog.jobs.forget(collection_id, [source_id]))
        document_id = catalog.document_id_of(collection_id, source_id)
        if document_id is not None:
            documents.append(document_id)
    folder.delete_documents(documents)
    folder.originals.remove_unused(hashes, catalog.wanted_hashes)


def _waiting_file(folder: DataFolder, file_id: str) -> FileRecord:
    job = next(iter(folder.catalog.jobs.find(document_id=file_id, limit=1)), None)
    if job is None or not job.content_hash or job.state == "completed":
        raise unknown_file(file_id)
    return FileRecord(
        file_id, job.source, DOCUMENT_PURPOSE, job.content_hash, job.size, job.created_at, is_document=True
    )
