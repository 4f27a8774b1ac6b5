"""A job: one file on its way into one collection."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from retrieval.catalog.database import as_json
from retrieval.errors import HuoziError

State = Literal["queued", "running", "completed", "failed", "cancelled"]
Origin = Literal["upload", "sync"]
STAGES = ("parse", "split", "embed", "index", "done")
QUEUED: State = "queued"
RUNNING: State = "running"
COMPLETED: State = "completed"
FAILED: State = "failed"
CANCELLED: State = "cancelled"
STATES = (QUEUED, RUNNING, COMPLETED, FAILED, CANCELLED)
ENDED = (COMPLETED, FAILED, CANCELLED)
KEEPS_BYTES = (QUEUED, RUNNING, FAILED)
"""States in which the original of an uploaded file is still needed: a failed job may be tried again."""


@dataclass(frozen=True, slots=True)
class JobRecord:
    """One file on its way into one collection; times in seconds since the epoch.

    Args:
        job_id: `job_...`.
        collection_id: Where it goes.
        batch_id: `batch_...` of the request that it came with, or None.
        origin: `upload`: its bytes are the original `content_hash`; `sync`: they lie in the file `source_id`.
        source_id: Identity of its document within the collection.
        source: What people are shown.
        document_id: What the document is called once it is there.
        content_hash: sha256 hex of its bytes; empty where they could not be read.
        size: Bytes.
        options: `attributes` (for filters), `unpack` (an archive: a job for each of its files), `ocr`.
        state: See the module.
        stage: `parse`, `split`, `embed`, `index` or `done`: what is being done, or was when it ended.
        counts: `bytes`, `chunks` (missing until split), `embedded`, `indexed`.
        attempts: How often it was begun.
        not_before: When it may be begun again.
        is_cancelled: Whether a running one is to end.
        error: `code`, `en`, `zh` and maybe `hint` (`en`, `zh`) of the last attempt that failed.
        created_at: When it was asked for.
        started_at: When its last attempt began.
        finished_at: When it ended.
    """

    job_id: str
    collection_id: str
    batch_id: str | None
    origin: Origin
    source_id: str
    source: str
    document_id: str
    content_hash: str
    size: int
    options: Mapping[str, Any] = field(default_factory=dict)
    state: State = QUEUED
    stage: str = "parse"
    counts: Mapping[str, int] = field(default_factory=dict)
    attempts: int = 0
    not_before: float = 0.0
    is_cancelled: bool = False
    error: Mapping[str, Any] | None = None
    created_at: float = field(default_factory=time.time)
    started_at: float | None = None
    finished_at: float | None = None

    @property
    def is_ended(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.state in ENDED


def new_job_id() -> str:
    """Return an id for a job."""
    return f"job_{secrets.token_hex(12)}"


def new_batch_id() -> str:
    """Return an id for the jobs of one request."""
    return f"batch_{secrets.token_hex(12)}"


def job_error(error: HuoziError) -> dict[str, Any]:
    """Return an error as a job keeps it."""
    told: dict[str, Any] = {"code": error.code, "en": error.message.en, "zh": error.message.zh}
    return told if error.hint is None else told | {"hint": {"en": error.hint.en, "zh": error.hint.zh}}


def row_of(record: JobRecord) -> tuple[Any, ...]:
    """Return the values of the table's columns, in their order, as SQLite stores them (pure)."""
    return (
        record.job_id,
        record.collection_id,
        record.batch_id,
        record.origin,
        record.source_id,
        record.source,
        record.document_id,
        record.content_hash,
        record.size,
        as_json(dict(record.options)),
        record.state,
        record.stage,
        as_json(dict(record.counts)),
        record.attempts,
        record.not_before,
        int(record.is_cancelled),
        None if record.error is None else as_json(dict(record.error)),
        record.created_at,
        record.started_at,
        record.finished_at,
    )


def record_of(row: Any) -> JobRecord:
    """Return the job of a row (pure)."""
    values = {**row, "job_id": row["id"], "is_cancelled": bool(row["is_cancelled"])}
    del values["id"]
    return JobRecord(**values)
