"""Whose turn it is: groups of jobs claimed one by one by several threads, and the pause when a store fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

from ingest.jobs.queue import FIRST_DELAY_S, LONGEST_DELAY_S, delay_s, is_outage, next_collection, told
from retrieval.catalog.job_record import QUEUED, JobRecord, job_error
from retrieval.catalog.jobs import JobTable
from retrieval.errors import HuoziError

CLAIMED_TOGETHER = 64
CLAIMED_BYTES = 4 * 1024 * 1024
"""Few enough that another collection's turn comes soon, enough that batches are full."""


@dataclass(slots=True, eq=False)
class Turn:
    """Jobs of one collection that one thread works on.

    Args:
        collection_id: Theirs.
        records: The jobs.
        let_go: Called with the ids of those that others may do, when the one at hand takes long.
        is_slow: Whether it waits for a file that takes its parser long.
    """

    collection_id: str
    records: Sequence[JobRecord]
    let_go: Callable[[Turn, Collection[str]], None]
    is_slow: bool = False
    held: set[str] = field(default_factory=set)

    def wait_for_one(self, others: Collection[str]) -> None:
        """Say that a file takes its parser long; `others` may be done by somebody else meanwhile."""
        self.let_go(self, others)


@dataclass(frozen=True, slots=True)
class _Pause:
    """Until when nothing begins, in seconds since the epoch, and why; None: for a reason of one job alone."""

    error: HuoziError | None
    until: float


class Turns:
    """Gives out turns, to any number of threads.

    Args:
        jobs: The catalog's queue.
        most: Turns at the same time.
        now: Tells the time, in seconds since the epoch.
    """

    def __init__(self, jobs: JobTable, *, most: int, now: Callable[[], float]) -> None:
        self._jobs = jobs
        self._most = most
        self._now = now
        self._lock = threading.Lock()
        self._under_way: list[Turn] = []
        self._served: dict[str, int] = {}
        self._n_turns = 0
        self._n_failures = 0  # In a row, by outages.
        self._pause: _Pause | None = None

    @property
    def is_idle(self) -> bool:
        """Whether nobody has a turn."""
        return not self._under_way

    def take(self) -> Turn | None:
        """Claim the next group of jobs; None where nothing may begin now. Give it back with `end`."""
        with self._lock:
            self._take_back()
            waiting = [one for one in self._jobs.waiting(self._now()) if self._may_begin(one)]
            if not waiting:
                return None
            collection_id = next_collection(waiting, self._served)
            self._n_turns += 1
            self._served[collection_id] = self._n_turns
            claimed = self._jobs.claim(collection_id, limit=CLAIMED_TOGETHER, max_bytes=CLAIMED_BYTES, now=self._now())
            if not claimed:
                return None
            turn = Turn(collection_id, claimed, self._let_go, held={record.job_id for record in claimed})
            self._under_way.append(turn)
            return turn

    def end(self, turn: Turn) -> None:
        """Give a turn back: none of its jobs is worked on any more."""
        with self._lock:
            self._under_way.remove(turn)
        self._jobs.changes.bump()

    def went_well(self) -> None:
        """Note that a turn ended as it should: what stopped others before is over."""
        with self._lock:
            self._n_failures, self._pause = 0, None

    def failed(self, error: Exception) -> None:
        """Note what stopped a turn: nothing should begin for a while, longer with each outage in a row."""
        with self._lock:
            if is_outage(error):
                self._n_failures += 1
                self._pause = _Pause(told(error), self._now() + delay_s(self._n_failures))
            else:
                self._pause = _Pause(None, self._now() + FIRST_DELAY_S)
        self._jobs.changes.bump()

    def pause_s(self) -> float:
        """Return for how many seconds nothing should begin."""
        left = 0.0 if self._pause is None else self._pause.until - self._now()
        return max(0.0, left) if left <= LONGEST_DELAY_S else 0.0  # More: the clock was set back.

    def shown(self, record: JobRecord) -> JobRecord:
        """Return a job as it is now: one that waits because a store fails tells which, and until when."""
        pause = self._pause
        if pause is None or pause.error is None or record.state != QUEUED or self.pause_s() <= 0:
            return record
        error = record.error or job_error(pause.error)
        return replace(record, error=error, not_before=max(record.not_before, pause.until))

    def _may_begin(self, collection_id: str) -> bool:
        """Tell whether a collection may have another turn.

        One at a time; more only while files of it take their parsers long, and never the last one that is free.
        """
        own = [turn for turn in self._under_way if turn.collection_id == collection_id]
        n_free = self._most - len(self._under_way)
        return not own or (all(turn.is_slow for turn in own) and n_free > 1)

    def _let_go(self, turn: Turn, others: Collection[str]) -> None:
        with self._lock:
            self._jobs.put_off(sorted(others), not_before=0.0)
            turn.held -= set(others)
            turn.is_slow = True
        self._jobs.changes.bump()

    def _take_back(self) -> None:
        """Queue what runs though nobody works on it: putting it off failed with the catalog."""
        held = {job_id for turn in self._under_way for job_id in turn.held}
        stranded = sorted(self._jobs.still_running() - held)
        if stranded:
            self._jobs.put_off(stranded, not_before=0.0)
