"""OpenAI's objects for files and for the files of a vector store, with ours beside them (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ingest.errors import NeedsOcrError
from ingest.recipe import UNREAD
from retrieval.catalog import FileRecord, StoreFile
from retrieval.catalog.job_record import JobRecord
from retrieval.errors import Language

Json = dict[str, Any]

_UNSUPPORTED = frozenset({"unsupported_format", "binary_file", "needs_ocr", "encrypted"})
_OURS = frozenset(
    {
        "error", "internal_error", "catalog_error", "data_folder_unusable", "vector_store_error", "embedder_error",
        "parser_crashed", "document_not_found",
    }
)  # fmt: skip


def file_json(record: FileRecord) -> Json:
    """Return OpenAI's file object."""
    return {
        "id": record.file_id,
        "object": "file",
        "bytes": record.size,
        "created_at": int(record.created_at),
        "filename": record.name,
        "purpose": record.purpose,
        "status": "processed",
        "status_details": None,
        "expires_at": None,
    }


def store_file_json(file: StoreFile, job: JobRecord | None, language: Language) -> Json:
    """Return OpenAI's vector store file object.

    Args:
        file: The file.
        job: Its newest job, with what is known of it now; None where it is over and forgotten.
        language: Of the reason why it failed.
    """
    shown: Json = {
        "id": file.file_id,
        "object": "vector_store.file",
        "created_at": int(file.created_at),
        "vector_store_id": file.collection_id,
        "status": file.status,
        "last_error": last_error(job, language) if file.status == "failed" else None,
        "usage_bytes": file.size if file.version_id is not None else 0,
        "attributes": attributes_of(file, job),
        "chunking_strategy": {"type": "other"},
        "filename": file.name,
        "bytes": file.size,
        "document_id": file.document_id if file.version_id is not None else None,
        "title": file.title,
        "pages": file.n_pages or None,
        "chunks": file.n_chunks,
        "needs_ocr": (file.recipe or "").endswith(UNREAD) or is_scanned(job),
        "job_id": file.job_id,
    }
    return shown if job is None else shown | {"progress": progress_json(job)}


def queued_file_json(job: JobRecord) -> Json:
    """Return OpenAI's vector store file object for what was queued just now."""
    file = StoreFile(
        file_id=job.source_id if is_upload_id(job.source_id) else job.document_id,
        collection_id=job.collection_id,
        source_id=job.source_id,
        name=job.source,
        document_id=job.document_id,
        created_at=job.created_at,
        version_id=None,
        title=None,
        size=job.size,
        media_type=None,
        n_chunks=0,
        n_pages=0,
        status="in_progress",
        job_id=job.job_id,
    )
    return store_file_json(file, job, "en")


def is_scanned(job: JobRecord | None) -> bool:
    """Return whether a file could not be read for want of OCR."""
    return job is not None and job.error is not None and job.error["code"] == NeedsOcrError.code


def progress_json(job: JobRecord) -> Json:
    """Return how far a job is; counts are missing until they are known."""
    counts = dict(job.counts)
    return {"state": job.state, "stage": job.stage, **{name: counts.get(name) for name in COUNTS}}


COUNTS = ("bytes", "chunks", "embedded", "indexed")


def attributes_of(file: StoreFile, job: JobRecord | None) -> Json:
    """Return what filters may use: a live document's metadata, or what its job brings."""
    if file.version_id is not None or job is None:
        return dict(file.metadata)
    return dict(job.options.get("attributes", {}))


def last_error(job: JobRecord | None, language: Language) -> Json | None:
    """Return why a file failed: OpenAI's three codes, ours as `reason`."""
    if job is None or job.error is None:
        return None
    reason = str(job.error["code"])
    code = "unsupported_file" if reason in _UNSUPPORTED else "server_error" if reason in _OURS else "invalid_file"
    return {"code": code, "message": error_text(job.error, language), "reason": reason}


def error_text(error: Mapping[str, Any], language: Language) -> str:
    """Return a kept error's message and hint in one language."""
    hint = error.get("hint")
    return str(error[language]) + ("" if hint is None else (" " if language == "en" else "") + str(hint[language]))


def is_upload_id(source_id: str) -> bool:
    """Return whether a source is an upload that was attached by its id."""
    return source_id.startswith("file-") and len(source_id) == 29


def page_json(data: list[Json], *, has_more: bool) -> Json:
    """Return OpenAI's page of a list."""
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": has_more,
    }
