"""What a folder's run could not take in stays listed, until it is taken in or gone."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from ingest.batch import Run
from ingest.errors import FileVanishedError
from ingest.run_counts import Failure
from ingest.sync import FileEntry, Unreadable, gone_sources
from retrieval.catalog import KnownSource
from retrieval.catalog.job_record import FAILED, JobRecord, job_error, new_job_id
from retrieval.catalog.versions import make_id
from retrieval.data_folder import DataFolder


def record_failures(
    folder: DataFolder, run: Run, entries: Sequence[FileEntry | Unreadable], folders: Sequence[Path]
) -> None:
    """Keep a run's failures as jobs, and forget those of earlier runs that it has settled.

    Args:
        folder: The open data folder.
        run: What it did.
        entries: What its walk found.
        folders: The folders that it was given.
    """
    collection_id = run.collection.collection_id
    jobs = folder.catalog.jobs
    listed = jobs.find(collection_id=collection_id, states=[FAILED])
    before = {record.source_id: KnownSource(record.document_id, "", "") for record in listed if record.origin == "sync"}
    failed = {failure.source_id for failure in run.counts.failures}
    found = {entry.source_id for entry in entries if isinstance(entry, FileEntry)}
    gone = set(gone_sources(before, entries, folders))
    settled = [source_id for source_id in before if source_id not in failed and source_id in found | gone]
    records = {
        failure.source_id: _record(collection_id, failure) for failure in run.counts.failures if _is_there(failure)
    }
    if settled or records:
        jobs.replace_failed(collection_id, list(records.values()), settled)


def _is_there(failure: Failure) -> bool:
    """Tell whether there is a file at all: a name that leads nowhere is told once, and not kept."""
    if isinstance(failure.error, FileVanishedError):
        return False
    return failure.error.code != "unreadable" or Path(failure.source_id).exists()


def _record(collection_id: str, failure: Failure) -> JobRecord:
    now = time.time()
    return JobRecord(
        job_id=new_job_id(),
        collection_id=collection_id,
        batch_id=None,
        origin="sync",
        source_id=failure.source_id,
        source=failure.source,
        document_id=make_id("file-", collection_id, failure.source_id),
        content_hash=failure.content_hash,
        size=failure.size,
        state=FAILED,
        counts={"bytes": failure.size},
        attempts=1,
        error=job_error(failure.error),
        created_at=now,
        started_at=now,
        finished_at=now,
    )
