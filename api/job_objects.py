"""Jobs as clients see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from retrieval.catalog import Catalog
from retrieval.catalog.job_record import QUEUED, JobRecord
from retrieval.errors import CollectionNotFoundError, Language

Json = dict[str, Any]

COUNTS = ("bytes", "chunks", "embedded", "indexed")


def collection_names(catalog: Catalog, records: Sequence[JobRecord]) -> dict[str, str]:
    """Return the names of the jobs' collections by id."""
    names: dict[str, str] = {}
    for collection_id in {record.collection_id for record in records}:
        with suppress(CollectionNotFoundError):  # Deleted meanwhile.
            names[collection_id] = catalog.get_collection(collection_id).name
    return names


def job_object(record: JobRecord, collections: Mapping[str, str]) -> Json:
    """Return a job; its error in both languages, since who shows it has its own.

    Args:
        record: The job as it is now.
        collections: Names by id.
    """
    counts: Json = {name: record.counts.get(name) for name in COUNTS}
    waits = record.state == QUEUED and record.not_before > 0
    return {
        "id": record.job_id,
        "object": "job",
        "state": record.state,
        "stage": record.stage,
        "counts": counts | {"bytes": record.size},
        "source": record.source,
        "collection": collections.get(record.collection_id),
        "collection_id": record.collection_id,
        "document_id": record.document_id,
        "batch_id": record.batch_id,
        "origin": record.origin,
        "attempts": record.attempts,
        "next_attempt_at": record.not_before if waits else None,
        "cancelling": record.is_cancelled and not record.is_ended,
        "error": None if record.error is None else dict(record.error),
        "created_at": record.created_at,
        "started_at": record.started_at,
        "finished_at": record.finished_at,
    }


def told_job(job: Json, language: Language) -> Json:
    """Return a job with its error in one language."""
    error = job["error"]
    if error is None:
        return job
    hint = error.get("hint")
    told = {"code": error["code"], "message": error[language], "hint": None if hint is None else hint[language]}
    return job | {"error": told}
