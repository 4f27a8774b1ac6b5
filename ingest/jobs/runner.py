"""The thread that works on the queue, as long as a service runs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

from ingest.jobs.progress import LiveCounts
from ingest.jobs.queue import delay_s, next_collection
from ingest.jobs.work import JobGroup, StoppedError
from ingest.sandbox.ahead import Parser
from ingest.settings import IngestSettings
from retrieval.catalog.job_record import JobRecord
from retrieval.data_folder import DataFolder
from retrieval.errors import HuoziError

CLAIMED_TOGETHER = 64
CLAIMED_BYTES = 4 * 1024 * 1024
"""Few enough that another collection's turn comes soon, enough that batches are full."""
PRUNE_EVERY_S = 300.0
LOOK_EVERY_S = 30.0
"""The queue is looked at so often, whatever the clock says of when the next attempt is due."""
STOP_TIMEOUT_S = 10.0
DAY_S = 86_400.0

_log = logging.getLogger(__name__)


class JobRunner:
    """Works on the jobs of a data folder, one group of one collection after the other.

    Args:
        folder: The open data folder.
        settings: Limits, attempts, and how long ended jobs are kept.

    Attributes:
        live: How far the running jobs are.
    """

    def __init__(self, folder: DataFolder, settings: IngestSettings | None = None) -> None:
        self._folder = folder
        self._jobs = folder.catalog.jobs
        self._settings = settings or IngestSettings()
        self.live = LiveCounts(self._jobs)
        self._parser: Parser | None = None
        self._served: dict[str, int] = {}
        self._turn = 0
        self._n_failures = 0  # In a row, of groups.
        self._pruned_at: float | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to work, in a thread."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._work, name="huozi-jobs", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop at the next step; what is under way is queued again and goes on at the next start."""
        self._stopping.set()
        self._jobs.changes.bump()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(STOP_TIMEOUT_S)
            if thread.is_alive():
                _log.warning("A file is still being parsed; its job goes on at the next start.")

    def shown(self, record: JobRecord) -> JobRecord:
        """Return a job as it is now: a running one with its live stage and counts."""
        return self.live.shown(record)

    @property
    def n_changes(self) -> int:
        """A number that grows with every change of any job, live counts too."""
        return self._jobs.changes.value + self.live.changes.value

    def run_pending(self) -> None:
        """Work on everything that may begin now, in this thread."""
        try:
            while self._run_next():
                pass
        finally:
            self._close_parser()

    def _work(self) -> None:
        while not self._stopping.is_set():
            seen = self._jobs.changes.value
            pause = LOOK_EVERY_S
            try:
                if self._run_next():
                    continue
                self._idle()
                pause = self._until_next()
            except StoppedError:
                break
            except Exception as error:
                self._n_failures += 1
                pause = delay_s(self._n_failures)
                _log.warning("Jobs wait %.0f s: %s", pause, error, exc_info=not isinstance(error, HuoziError))
                self._stopping.wait(pause)
                continue
            self._jobs.changes.wait_beyond(seen, pause)
        self._close_parser()

    def _run_next(self) -> bool:
        """Work on the next group; returns whether there was one.

        Raises:
            StoppedError: If the service is ending.
            Exception: What stopped the group, which was put off.
        """
        self._take_back()
        now = time.time()
        waiting = self._jobs.waiting(now)
        if not waiting or self._stopping.is_set():
            return False
        collection_id = next_collection(waiting, self._served)
        self._turn += 1
        self._served[collection_id] = self._turn
        claimed = self._jobs.claim(collection_id, limit=CLAIMED_TOGETHER, max_bytes=CLAIMED_BYTES, now=now)
        if claimed:
            self._run_group(collection_id, claimed)
        self._n_failures = 0
        return True

    def _run_group(self, collection_id: str, claimed: Sequence[JobRecord]) -> None:
        group = JobGroup(self._folder, self._settings, self.live, self._stopping.is_set)
        self._parser = self._parser or Parser(self._settings)
        try:
            with self._folder.bringing_in():
                group.work(collection_id, claimed, self._parser)
        except BaseException:
            self._close_parser()  # Its workers have documents that nobody waits for.
            raise

    def _take_back(self) -> None:
        """Queue what runs though nobody works on it: putting it off failed with the catalog."""
        stranded = sorted(self._jobs.still_running())
        if stranded:
            self._jobs.put_off(stranded, not_before=0.0)

    def _idle(self) -> None:
        """Let go of what is needed only while there is work, forget old jobs, and sweep what could not be swept."""
        self._close_parser()
        with self._folder.writing:
            self._folder.sweep_leftovers()
        now = time.monotonic()
        if self._pruned_at is None or now - self._pruned_at >= PRUNE_EVERY_S:
            self._pruned_at = now
            kept = self._settings.jobs
            self._jobs.prune(max_age_s=kept.days * DAY_S, max_count=kept.max_ended, now=time.time())

    def _until_next(self) -> float:
        """Return how long to wait, in seconds."""
        due = self._jobs.next_time()
        return LOOK_EVERY_S if due is None else min(LOOK_EVERY_S, max(0.0, due - time.time()))

    def _close_parser(self) -> None:
        parser, self._parser = self._parser, None
        if parser is not None:
            parser.close()
