"""An uploaded archive -> a job for each file in it; a file that cannot be unpacked is a failed one."""

from __future__ import annotations

import hashlib
import time
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

from ingest.archives import Archive, Member
from ingest.errors import IngestError
from ingest.jobs.enqueue import UNPACK, NewFile, job_of
from ingest.settings import IngestSettings
from retrieval.catalog.job_record import FAILED, JobRecord, job_error
from retrieval.catalog.versions import make_id
from retrieval.data_folder import DataFolder
from retrieval.models import Collection

STORED_TOGETHER_BYTES = 16 * 1024 * 1024
_DOCUMENT_PARTS = {"[Content_Types].xml", "mimetype"}
"""What office files and books have, which are zip archives too."""


def is_archive(folder: DataFolder, record: JobRecord) -> bool:
    """Tell whether a job's file is an archive to unpack, and not a document under an archive's name."""
    if not record.options.get(UNPACK):
        return False
    try:
        with zipfile.ZipFile(folder.originals.path(record.content_hash)) as archive:
            return not _DOCUMENT_PARTS & set(archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return True  # Whoever opens it says what is wrong.


def unpack(folder: DataFolder, collection: Collection, record: JobRecord, settings: IngestSettings) -> bool:
    """Store an archive's files, and put their jobs in place of its own, in one transaction.

    Args:
        folder: The open data folder.
        collection: Where they go.
        record: The archive's job, running.
        settings: Limits.

    Returns:
        Whether that was done; False: the job was cancelled meanwhile.

    Raises:
        IngestError: If it cannot be opened, or no document is in it.
    """
    hashes: set[str] = {record.content_hash}
    try:
        with ExitStack() as kept:
            records: list[JobRecord] = []
            path = folder.originals.path(record.content_hash)
            with Archive(path, record.source, settings.load) as archive:
                for files in _together(archive, record, settings):
                    stored = {hashlib.sha256(data).hexdigest(): data for _, data in files if isinstance(data, bytes)}
                    kept.enter_context(folder.originals.keeping(stored))
                    folder.originals.put_all(stored)
                    hashes |= set(stored)
                    records += [_member_job(folder, collection, record, member, data) for member, data in files]
            return folder.catalog.jobs.add(records, instead_of=record.job_id)
    finally:
        folder.originals.remove_unused(hashes, folder.catalog.wanted_hashes)


def _together(
    archive: Archive, record: JobRecord, settings: IngestSettings
) -> Iterator[list[tuple[Member, bytes | IngestError]]]:
    """Yield an archive's files with their bytes, or why there are none, some MB at a time."""
    files: list[tuple[Member, bytes | IngestError]] = []
    size = 0
    for member in archive.members:
        data: bytes | IngestError
        try:
            data = archive.read(member, f"{record.source}/{member.name}", settings.max_upload_mb)
            size += len(data)
        except IngestError as error:
            data = error
        files.append((member, data))
        if size >= STORED_TOGETHER_BYTES:
            yield files
            files, size = [], 0
    if files:
        yield files


def _member_job(
    folder: DataFolder, collection: Collection, record: JobRecord, member: Member, data: bytes | IngestError
) -> JobRecord:
    """Return the job of one file; it has the archive's request and options."""
    source_id = f"{record.source_id}/{member.name}"
    there = folder.catalog.document_id_of(collection.collection_id, source_id)
    document_id = there or make_id("file-", collection.collection_id, source_id)
    options = {name: value for name, value in record.options.items() if name != UNPACK}
    is_read = isinstance(data, bytes)
    content_hash = hashlib.sha256(data).hexdigest() if isinstance(data, bytes) else ""
    size = len(data) if isinstance(data, bytes) else member.size
    new = NewFile(f"{record.source}/{member.name}", content_hash, size, source_id, options=options)
    job = replace(job_of(new, collection, record.batch_id, document_id), options=options)
    if is_read:
        return job
    assert isinstance(data, IngestError)
    now = time.time()
    return replace(job, state=FAILED, attempts=1, error=job_error(data), started_at=now, finished_at=now)
