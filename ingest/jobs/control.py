"""What people may do with a job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from retrieval.catalog.job_record import JobRecord
from retrieval.data_folder import DataFolder


def cancel_job(folder: DataFolder, job_id: str) -> JobRecord:
    """End a job: a queued one at once and without a trace, a running one as soon as it looks.

    Raises:
        JobNotFoundError: If there is none.
    """
    record = folder.catalog.jobs.cancel(job_id)
    folder.originals.remove_unused([record.content_hash], folder.catalog.wanted_hashes)
    return record


def retry_job(folder: DataFolder, job_id: str, *, options: Mapping[str, Any] | None = None) -> JobRecord:
    """Queue a failed job again; see `JobTable.retry`."""
    return folder.catalog.jobs.retry(job_id, options=options)
