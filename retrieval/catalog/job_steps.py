"""What becomes of jobs within a transaction: their own, or the one that shows or hides their documents."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from retrieval.catalog.job_record import CANCELLED, COMPLETED, FAILED, QUEUED, RUNNING
from retrieval.catalog.tables import jobs
from retrieval.catalog.vectors import SQL_BATCH

FAR_S = 3600.0
"""No attempt is put off so long, in seconds: one that seems to be has seen a clock that was set back since."""

ROWID: sa.ColumnElement[int] = sa.literal_column("jobs.rowid", sa.Integer)
_OLDER = sa.text(
    "NOT EXISTS (SELECT 1 FROM jobs older WHERE older.collection_id = jobs.collection_id"
    " AND older.source_id = jobs.source_id AND older.state IN ('queued', 'running') AND older.rowid < jobs.rowid)"
)


def cancel(connection: sa.Connection, which: sa.ColumnElement[bool]) -> None:
    """Cancel jobs within a transaction."""
    connection.execute(jobs.update().where(which, jobs.c.state == QUEUED).values(**cancelled()))
    connection.execute(jobs.update().where(which, jobs.c.state == RUNNING).values(is_cancelled=1))


def discard(connection: sa.Connection, collection_id: str, source_ids: Sequence[str]) -> list[str]:
    """Cancel jobs of some sources and forget the failed ones, within a transaction; returns their hashes."""
    hashes: set[str] = set()
    for i in range(0, len(source_ids), SQL_BATCH):
        which = sa.and_(jobs.c.collection_id == collection_id, jobs.c.source_id.in_(source_ids[i : i + SQL_BATCH]))
        hashes |= set(connection.execute(sa.select(jobs.c.content_hash).where(which)).scalars())
        cancel(connection, which)
        connection.execute(jobs.delete().where(which, jobs.c.state == FAILED))
    return sorted(hashes)


@dataclass(frozen=True, slots=True)
class JobDone:
    """What a job ends with: the version that it made, of which document, with which counts."""

    job_id: str
    version_id: str
    document_id: str
    counts: Mapping[str, int]


def complete(connection: sa.Connection, done: Sequence[JobDone]) -> set[str]:
    """Mark running jobs completed within the transaction that makes their versions visible.

    Returns:
        The versions of those that were cancelled or are gone: they are not to become visible.
    """
    wanted = still_running(connection, [one.job_id for one in done])
    now = time.time()
    for one in done:
        if one.job_id in wanted:
            ended: dict[str, Any] = {"state": COMPLETED, "stage": "done", "finished_at": now, "error": None}
            ended |= {"document_id": one.document_id, "counts": dict(one.counts)}
            connection.execute(jobs.update().where(jobs.c.id == one.job_id).values(**ended))
    forget_older(connection, sorted(wanted))
    return {one.version_id for one in done if one.job_id not in wanted}


def forget_older(connection: sa.Connection, job_ids: Sequence[str]) -> None:
    """Forget failed jobs of the sources of completed ones, if they are older: the newer file took their place."""
    marks = ",".join("?" * len(job_ids))
    if job_ids:
        connection.exec_driver_sql(
            "DELETE FROM jobs WHERE state = 'failed' AND rowid IN (SELECT old.rowid FROM jobs old JOIN jobs done"
            " ON done.collection_id = old.collection_id AND done.source_id = old.source_id AND old.rowid < done.rowid"
            f" WHERE done.id IN ({marks}) AND old.state = 'failed')",
            tuple(job_ids),
        )


def still_running(connection: sa.Connection, job_ids: Sequence[str]) -> set[str]:
    """Return those of the jobs that are running and were not cancelled, within a transaction."""
    wanted = (jobs.c.id.in_(job_ids), jobs.c.state == RUNNING, jobs.c.is_cancelled == 0)
    return set(connection.execute(sa.select(jobs.c.id).where(*wanted)).scalars())


def queued_again(not_before: float) -> dict[str, Any]:
    """Return the columns of a job that is to begin again: of its counts only the bytes are left."""
    counts = sa.func.json_object("bytes", jobs.c.size)
    return {"state": QUEUED, "stage": "parse", "not_before": not_before, "counts": counts}


def cancelled() -> dict[str, Any]:
    """Return the columns of a job that was cancelled."""
    return {"state": CANCELLED, "finished_at": time.time(), "is_cancelled": 1}


def may_begin(now: float) -> tuple[Any, ...]:
    """Return the conditions of jobs that may begin."""
    due = (jobs.c.not_before <= now) | (jobs.c.not_before > now + FAR_S)
    return (jobs.c.state == QUEUED, due, _OLDER)
