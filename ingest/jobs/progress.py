"""How far the running jobs are: true counts, in memory; what has ended is in the catalog."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from retrieval.catalog.job_changes import ChangeCounter
from retrieval.catalog.job_record import RUNNING, JobRecord
from retrieval.catalog.jobs import JobTable


@dataclass(frozen=True, slots=True)
class Live:
    """A running job's stage and counts."""

    stage: str
    counts: Mapping[str, int] = field(default_factory=dict)


class LiveCounts:
    """The running jobs' stages and counts, told by whoever works on them and read by anybody.

    Args:
        jobs: The catalog's.

    Attributes:
        changes: Grows with every change.
    """

    def __init__(self, jobs: JobTable) -> None:
        self.changes = ChangeCounter()
        self._jobs = jobs
        self._seen = -1
        self._running: set[str] = set()
        self._live: dict[str, Live] = {}
        self._lock = threading.Lock()

    def tell(self, job_id: str, stage: str, **counts: int) -> None:
        """Set a job's stage, and some of its counts."""
        with self._lock:
            before = self._live.get(job_id, Live(stage))
            self._live[job_id] = Live(stage, {**before.counts, **counts})
        self.changes.bump()

    def is_cancelled(self, job_id: str) -> bool:
        """Whether a job that was claimed is to end: cancelled, or gone with its collection."""
        with self._lock:
            seen = self._jobs.changes.value
            if seen != self._seen:
                self._running, self._seen = self._jobs.still_running(), seen
            return job_id not in self._running

    def counts(self, job_id: str) -> Mapping[str, int]:
        """Return a job's counts."""
        with self._lock:
            return self._live.get(job_id, Live("")).counts

    def stage(self, job_id: str) -> str:
        """Return a job's stage."""
        with self._lock:
            return self._live.get(job_id, Live("parse")).stage

    def forget(self, job_id: str) -> None:
        """Forget a job that no longer runs."""
        with self._lock:
            self._live.pop(job_id, None)
        self.changes.bump()

    def shown(self, record: JobRecord) -> JobRecord:
        """Return a job as it is now: a running one with its live stage and counts."""
        with self._lock:
            live = self._live.get(record.job_id)
        if live is None or record.state != RUNNING:
            return record
        return replace(record, stage=live.stage, counts={**record.counts, **live.counts})
