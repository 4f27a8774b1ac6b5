"""Files that arrived -> uploads, or jobs of a collection: their bytes first, then the rows that need them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from api.uploading.find import find_file
from api.uploading.receive import Received
from ingest.jobs.enqueue import ATTRIBUTES, NewFile, enqueue_files
from retrieval.catalog import FileRecord
from retrieval.catalog.job_record import JobRecord
from retrieval.data_folder import DataFolder


def keep_uploads(
    folder: DataFolder, files: Sequence[Received], purpose: str, file_ids: Sequence[str | None]
) -> list[FileRecord]:
    """Store files that belong to no collection yet; durable when this returns.

    Args:
        folder: The data folder.
        files: What arrived.
        purpose: Why, in OpenAI's words.
        file_ids: What each is called; None: a new id.
    """
    with _kept(folder, files):
        return [
            folder.catalog.uploads.add(one.name, purpose, one.incoming.content_hash, one.incoming.size, file_id=file_id)
            for one, file_id in zip(files, file_ids, strict=True)
        ]


def keep_for_collection(
    folder: DataFolder, collection: str, files: Sequence[Received], attributes: Mapping[str, str], batch_id: str | None
) -> list[JobRecord]:
    """Store files and queue them for a collection; durable when this returns.

    Args:
        folder: The data folder.
        collection: Name or id.
        files: What arrived; a name that is there already is replaced.
        attributes: For filters.
        batch_id: What the jobs are called together; None: a new one.
    """
    options = {ATTRIBUTES: dict(attributes)} if attributes else {}
    with _kept(folder, files):
        new = [NewFile(one.name, one.incoming.content_hash, one.incoming.size, options=options) for one in files]
        return enqueue_files(folder, collection, new, batch_id=batch_id)


def keep_once_for_collection(
    folder: DataFolder, collection: str, files: Sequence[Received], attributes: Mapping[str, str], batch_id: str | None
) -> list[JobRecord]:
    """Do as `keep_for_collection`, unless the batch has its jobs already: then return those."""
    if batch_id is not None and (known := folder.catalog.jobs.find(batch_id=batch_id, oldest_first=True)):
        return known
    return keep_for_collection(folder, collection, files, attributes, batch_id)


def attach(
    folder: DataFolder,
    collection: str,
    uploads: Sequence[FileRecord],
    attributes: Mapping[str, str],
    batch_id: str | None,
) -> list[JobRecord]:
    """Queue uploads, or documents of elsewhere, for a collection, each under its own id; durable when this returns.

    Raises:
        FileUnknownError: If one is gone.
    """
    if batch_id is not None and (known := folder.catalog.jobs.find(batch_id=batch_id, oldest_first=True)):
        return known
    options = {ATTRIBUTES: dict(attributes)} if attributes else {}
    with folder.originals.keeping([one.content_hash for one in uploads]):
        for one in uploads:
            find_file(folder, one.file_id)  # not deleted meanwhile: from here on its bytes stay
        new = [
            NewFile(
                one.name, one.content_hash, one.size, source_id=one.file_id, document_id=one.file_id, options=options
            )
            for one in uploads
        ]
        return enqueue_files(folder, collection, new, batch_id=batch_id)


@contextmanager
def _kept(folder: DataFolder, files: Sequence[Received]) -> Iterator[None]:
    """Store the bytes of files, and see that nobody removes them before a block has written the rows for them."""
    hashes = [one.incoming.content_hash for one in files]
    try:
        with folder.originals.keeping(hashes):
            folder.originals.keep_all([one.incoming for one in files])
            yield
    except BaseException:
        folder.originals.remove_unused(hashes, folder.catalog.wanted_hashes)
        raise
