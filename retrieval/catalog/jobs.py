"""Jobs: files on their way into a collection, in a queue that outlives its process.

A job is `queued`, then `running`, and ends as `completed`, `failed` or `cancelled`. Those of one source run in the
order in which they came, so that the newest file wins: the order of the rows, not of a clock that may be set back.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from retrieval.catalog import job_steps
from retrieval.catalog.bulk import insert_rows
from retrieval.catalog.database import Database
from retrieval.catalog.job_changes import ChangeCounter
from retrieval.catalog.job_record import (
    CANCELLED,
    COMPLETED,
    ENDED,
    FAILED,
    QUEUED,
    RUNNING,
    JobRecord,
    State,
    record_of,
    row_of,
)
from retrieval.catalog.job_steps import ROWID
from retrieval.catalog.tables import jobs
from retrieval.catalog.vectors import SQL_BATCH
from retrieval.errors import JobNotFoundError, JobStateError, Message

FREE_ENDS = 3
"""So many processes may end while a job runs before it is suspected."""
LONGEST_DELAY_S = 60.0


class JobTable:
    """The queue of a catalog; the jobs of a collection go with it.

    Attributes:
        changes: Grows with every change.
    """

    def __init__(self, database: Database) -> None:
        self._db = database
        self.changes = ChangeCounter()

    def add(self, records: Sequence[JobRecord], *, instead_of: str | None = None) -> bool:
        """Add jobs in one transaction, in their order; durable when this returns.

        Args:
            records: The jobs.
            instead_of: A running job that has become these: it is completed in the same transaction.

        Returns:
            Whether they were added: not in place of a job that was cancelled.
        """
        with self._db.write() as connection:
            if instead_of is not None:
                running = (jobs.c.id == instead_of, jobs.c.state == RUNNING, jobs.c.is_cancelled == 0)
                done = {"state": COMPLETED, "stage": "done", "finished_at": time.time(), "error": None}
                if not connection.execute(jobs.update().where(*running).values(**done)).rowcount:
                    return False
            insert_rows(connection, jobs, [row_of(record) for record in records])
        self.changes.bump()
        return True

    def get(self, job_id: str) -> JobRecord:
        """Return a job.

        Raises:
            JobNotFoundError: If there is none, or it is no longer kept.
        """
        found = self._select(jobs.c.id == job_id)
        if not found:
            raise _no_job(job_id)
        return found[0]

    def find(
        self,
        *,
        collection_id: str | None = None,
        batch_id: str | None = None,
        states: Collection[State] = (),
        document_id: str | None = None,
        source_id: str | None = None,
        limit: int | None = None,
        after: str | None = None,
        oldest_first: bool = False,
    ) -> list[JobRecord]:
        """Return jobs, newest first.

        Args:
            collection_id: Only those of one collection.
            batch_id: Only those of one request.
            states: Only those in one of these states; none given: in any.
            document_id: Only those of one document.
            source_id: Only those of one source.
            limit: Most to return; None: all.
            after: Begin behind this one.
            oldest_first: In the other order.

        Raises:
            JobNotFoundError: If there is none with the id `after`.
        """
        conditions: list[sa.ColumnElement[bool]] = []
        for column, value in (
            (jobs.c.collection_id, collection_id),
            (jobs.c.batch_id, batch_id),
            (jobs.c.document_id, document_id),
            (jobs.c.source_id, source_id),
        ):
            if value is not None:
                conditions.append(column == value)
        if states:
            conditions.append(jobs.c.state.in_(states))
        if after is not None:
            self.get(after)
            sign = ">" if oldest_first else "<"
            behind = sa.text(f"jobs.rowid {sign} (SELECT one.rowid FROM jobs one WHERE one.id = :after)")
            conditions.append(behind.bindparams(after=after))  # type: ignore[arg-type]
        return self._select(*conditions, limit=limit, oldest_first=oldest_first)

    def count(self, collection_id: str | None = None) -> dict[State, int]:
        """Return how many jobs are in each state that any is in."""
        query = sa.select(jobs.c.state, sa.func.count()).group_by(jobs.c.state)
        if collection_id is not None:
            query = query.where(jobs.c.collection_id == collection_id)
        with self._db.read() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def waiting(self, now: float) -> list[str]:
        """Return the ids of collections with a job that may begin now."""
        query = sa.select(jobs.c.collection_id).where(*job_steps.may_begin(now)).distinct()
        with self._db.read() as connection:
            return list(connection.execute(query).scalars())

    def next_time(self, after: float) -> float | None:
        """Return when the next queued job that waits for a time beyond `after` may begin; None if there is none."""
        query = sa.select(sa.func.min(jobs.c.not_before)).where(jobs.c.state == QUEUED, jobs.c.not_before > after)
        with self._db.read() as connection:
            found: float | None = connection.execute(query).scalar()
            return found

    def claim(self, collection_id: str, *, limit: int, max_bytes: int, now: float) -> list[JobRecord]:
        """Make the oldest jobs of a collection that may begin `running`, in one transaction.

        At least one if there is any, then as many as keep within `limit` and `max_bytes`, each of another source. One
        that was begun before comes alone: whatever stopped it shall not stop others.
        """
        query = sa.select(jobs).where(jobs.c.collection_id == collection_id, *job_steps.may_begin(now))
        chosen: list[JobRecord] = []
        with self._db.write() as connection:
            total = 0
            for row in connection.execute(query.order_by(ROWID).limit(limit)).mappings():
                record = record_of(row)
                total += record.size
                if chosen and (total > max_bytes or record.attempts or chosen[0].attempts):
                    break
                chosen.append(record)
            begun = {"state": RUNNING, "stage": "parse", "started_at": now, "attempts": jobs.c.attempts + 1}
            named = jobs.c.id.in_([record.job_id for record in chosen])
            connection.execute(jobs.update().where(named).values(**begun))
        self.changes.bump()
        return self._named([record.job_id for record in chosen])

    def finish(self, job_id: str, *, counts: Mapping[str, int] | None = None) -> None:
        """Mark a running job completed whose document is there already as it should be."""
        values: dict[str, Any] = {"state": COMPLETED, "stage": "done", "finished_at": time.time(), "error": None}
        if counts is not None:
            values["counts"] = dict(counts)
        self._end(job_id, values)

    def fail(self, job_id: str, error: Mapping[str, Any], *, stage: str = "parse") -> None:
        """Mark a running job failed for good; it stays listed with its reason."""
        self._end(job_id, {"state": FAILED, "stage": stage, "finished_at": time.time(), "error": dict(error)})

    def put_off(self, job_ids: Sequence[str], *, not_before: float, error: Mapping[str, Any] | None = None) -> None:
        """Put running jobs back into the queue; those that were cancelled meanwhile end so.

        Args:
            job_ids: The jobs.
            not_before: When they may begin again.
            error: What stopped them; None: nothing of their own, and the attempt does not count.
        """
        if not job_ids:
            return
        values = job_steps.queued_again(not_before)
        if error is None:
            values["attempts"] = jobs.c.attempts - 1
        else:
            values["error"] = dict(error)
        running = sa.and_(jobs.c.id.in_(job_ids), jobs.c.state == RUNNING)
        with self._db.write() as connection:
            connection.execute(jobs.update().where(running, jobs.c.is_cancelled == 1).values(**job_steps.cancelled()))
            connection.execute(jobs.update().where(running).values(**values))
        self.changes.bump()

    def cancel(self, job_id: str) -> JobRecord:
        """End a job: a queued one at once, a running one as soon as it looks; one that has ended stays as it is.

        Raises:
            JobNotFoundError: If there is none.
        """
        with self._db.write() as connection:
            job_steps.cancel(connection, jobs.c.id == job_id)
        self.changes.bump()
        return self.get(job_id)

    def settle_cancelled(self, job_ids: Sequence[str]) -> list[str]:
        """End those of the running jobs that were cancelled; returns those of the given that are not running now."""
        named = jobs.c.id.in_(job_ids)
        with self._db.write() as connection:
            ending = (named, jobs.c.state == RUNNING, jobs.c.is_cancelled == 1)
            if connection.execute(jobs.update().where(*ending).values(**job_steps.cancelled())).rowcount:
                self.changes.bump()
            running = set(connection.execute(sa.select(jobs.c.id).where(named, jobs.c.state == RUNNING)).scalars())
        return [job_id for job_id in job_ids if job_id not in running]

    def retry(self, job_id: str, *, options: Mapping[str, Any] | None = None) -> JobRecord:
        """Queue a failed job again, with a full number of attempts.

        Args:
            job_id: The job.
            options: Put over its own, e.g. `ocr`.

        Raises:
            JobNotFoundError: If there is none.
            JobStateError: If it has not failed.
        """
        record = self.get(job_id)
        if record.state != FAILED:
            raise _not_failed(record)
        values = job_steps.queued_again(0.0) | {"attempts": 0, "finished_at": None, "is_cancelled": 0, "error": None}
        values["options"] = {**record.options, **(options or {})}
        with self._db.write() as connection:
            connection.execute(jobs.update().where(jobs.c.id == job_id, jobs.c.state == FAILED).values(**values))
        self.changes.bump()
        return self.get(job_id)

    def remove(self, job_ids: Sequence[str]) -> None:
        """Forget jobs that have ended; their originals are the caller's business."""
        with self._db.write() as connection:
            for i in range(0, len(job_ids), SQL_BATCH):
                named = jobs.c.id.in_(job_ids[i : i + SQL_BATCH])
                connection.execute(jobs.delete().where(named, jobs.c.state.in_(ENDED)))
        self.changes.bump()

    def discard(self, collection_id: str, source_ids: Sequence[str]) -> list[str]:
        """End everything that is under way for some sources, and forget what failed: nothing of them is wanted.

        Returns:
            Hashes of originals that may be unused now.
        """
        with self._db.write() as connection:
            hashes = job_steps.discard(connection, collection_id, source_ids)
        self.changes.bump()
        return hashes

    def forget(self, collection_id: str, source_ids: Sequence[str]) -> list[str]:
        """Forget every job of some sources, running ones too: their files were deleted.

        What runs without its row is as good as cancelled.

        Returns:
            Hashes of originals that may be unused now.
        """
        hashes: set[str] = set()
        with self._db.write() as connection:
            for i in range(0, len(source_ids), SQL_BATCH):
                named = jobs.c.source_id.in_(source_ids[i : i + SQL_BATCH])
                query = jobs.delete().where(jobs.c.collection_id == collection_id, named)
                hashes |= set(connection.execute(query.returning(jobs.c.content_hash)).scalars())
        self.changes.bump()
        return sorted(hashes)

    def replace_failed(self, collection_id: str, records: Sequence[JobRecord], settled: Sequence[str]) -> None:
        """Keep what a folder's run could not take in, one row a source.

        Args:
            collection_id: The run's.
            records: Jobs of origin `sync` in state `failed`.
            settled: Sources that did not fail this time, or are gone: their rows go.
        """
        gone = [*settled, *(record.source_id for record in records)]
        is_sync = sa.and_(jobs.c.collection_id == collection_id, jobs.c.origin == "sync", jobs.c.state == FAILED)
        with self._db.write() as connection:
            for i in range(0, len(gone), SQL_BATCH):
                connection.execute(jobs.delete().where(is_sync, jobs.c.source_id.in_(gone[i : i + SQL_BATCH])))
            insert_rows(connection, jobs, [row_of(record) for record in records])
        self.changes.bump()

    def still_running(self) -> set[str]:
        """Return the jobs that are running and were not cancelled."""
        query = "SELECT id FROM jobs WHERE state = ? AND NOT is_cancelled"
        return {row[0] for row in self._db.fetch(query, (RUNNING,))}

    def requeue_running(self, *, now: float) -> int:
        """Put back into the queue what a process left running when it ended; returns how many jobs.

        One that has seen several processes end waits, and longer each time: it may be what ended them.
        """
        found = self._select(jobs.c.state == RUNNING)
        with self._db.write() as connection:
            for record in found:
                n_suspect = max(0, record.attempts - FREE_ENDS)
                delay = min(LONGEST_DELAY_S, 2.0 ** min(n_suspect, 16) - 1)
                values = job_steps.queued_again(now + delay)
                if record.is_cancelled:
                    values = job_steps.cancelled()
                connection.execute(jobs.update().where(jobs.c.id == record.job_id).values(**values))
        return len(found)

    def prune(self, *, max_age_s: float, max_count: int, now: float) -> int:
        """Forget completed and cancelled jobs that are too old, and the oldest of what is too much.

        Failed ones stay until they are retried, discarded or their collection goes.
        """
        over = jobs.c.state.in_((COMPLETED, CANCELLED))
        newest = sa.text(
            "SELECT rowid FROM jobs WHERE state IN ('completed', 'cancelled') ORDER BY rowid DESC LIMIT -1 OFFSET :most"
        ).bindparams(most=max_count)
        old = jobs.c.finished_at < now - max_age_s
        with self._db.read() as connection:
            surplus = [row[0] for row in connection.execute(newest)]
            has_old = connection.execute(sa.select(jobs.c.id).where(over, old).limit(1)).first()
        if not surplus and not has_old:
            return 0
        with self._db.write() as connection:
            gone = connection.execute(jobs.delete().where(over, old)).rowcount
            for i in range(0, len(surplus), SQL_BATCH):
                gone += connection.execute(jobs.delete().where(ROWID.in_(surplus[i : i + SQL_BATCH]))).rowcount
        return gone

    def _end(self, job_id: str, values: dict[str, Any]) -> None:
        with self._db.write() as connection:
            one = jobs.update().where(jobs.c.id == job_id, jobs.c.state == RUNNING, jobs.c.is_cancelled == 0)
            connection.execute(one.values(**values))
            if values["state"] == COMPLETED:
                job_steps.forget_older(connection, [job_id])
        self.changes.bump()

    def _named(self, job_ids: Sequence[str]) -> list[JobRecord]:
        return self._select(jobs.c.id.in_(job_ids), oldest_first=True) if job_ids else []

    def _select(
        self, *conditions: sa.ColumnElement[bool], limit: int | None = None, oldest_first: bool = False
    ) -> list[JobRecord]:
        query = sa.select(jobs).where(*conditions).order_by(ROWID if oldest_first else ROWID.desc()).limit(limit)
        with self._db.read() as connection:
            return [record_of(row) for row in connection.execute(query).mappings()]


def _no_job(job_id: str) -> JobNotFoundError:
    shown = job_id[:80]
    return JobNotFoundError(
        Message(f"There is no job {shown!r}.", f"没有任务 {shown!r}。"),
        hint=Message(
            "See `huozi jobs list`; ended jobs are kept as HUOZI_JOBS__DAYS and HUOZI_JOBS__MAX_ENDED say.",
            "请看 `huozi jobs list`；已结束的任务按 HUOZI_JOBS__DAYS 和 HUOZI_JOBS__MAX_ENDED 保留。",
        ),
    )


def _not_failed(record: JobRecord) -> JobStateError:
    return JobStateError(
        Message(
            f"Job {record.job_id!r} is {record.state}; only a failed one can be tried again.",
            f"任务 {record.job_id!r} 的状态是 {record.state}，只有失败的任务可以重试。",
        ),
        hint=Message("Upload the file again to replace its document.", "如需替换文档，请重新上传文件。"),
    )
