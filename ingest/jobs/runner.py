"""The threads that work on the queue, as long as a service runs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from ingest.jobs.progress import LiveCounts
from ingest.jobs.turns import Turn, Turns
from ingest.jobs.work import JobGroup, StoppedError
from ingest.sandbox.ahead import Parser
from ingest.sandbox.capacity import memory_mb, parsers_at_once
from ingest.settings import IngestSettings
from retrieval.catalog.job_record import JobRecord
from retrieval.data_folder import DataFolder
from retrieval.errors import HuoziError

PRUNE_EVERY_S = 300.0
LOOK_EVERY_S = 30.0
"""The queue is looked at so often, whatever the clock says of when the next attempt is due."""
STOP_TIMEOUT_S = 10.0
DAY_S = 86_400.0

_log = logging.getLogger(__name__)


class JobRunner:
    """Works on the jobs of a data folder: a group of each of some collections at a time.

    Args:
        folder: The open data folder.
        settings: Limits, attempts, and how long ended jobs are kept.
        now: Tells the time, in seconds since the epoch.

    Attributes:
        live: How far the running jobs are.
    """

    def __init__(
        self, folder: DataFolder, settings: IngestSettings | None = None, *, now: Callable[[], float] = time.time
    ) -> None:
        self._folder = folder
        self._jobs = folder.catalog.jobs
        self._settings = settings or IngestSettings()
        self._now = now
        self._n_threads = parsers_at_once(
            self._settings.jobs.at_once, memory_mb=memory_mb(), max_memory_mb=self._settings.load.max_memory_mb
        )
        self.live = LiveCounts(self._jobs)
        self._turns = Turns(self._jobs, most=self._n_threads, now=now)
        self._pruned_at: float | None = None
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin to work, in threads."""
        self._stopping.clear()
        self._threads = [
            threading.Thread(target=self._work, args=(number,), name=f"huozi-jobs-{number}", daemon=True)
            for number in range(self._n_threads)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop at the next step; what is under way is queued again and goes on at the next start."""
        self._stopping.set()
        self._jobs.changes.bump()
        threads, self._threads = self._threads, []
        until = time.monotonic() + STOP_TIMEOUT_S
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        if any(thread.is_alive() for thread in threads):
            _log.warning("A file is still being worked on; its job goes on at the next start.")

    def shown(self, record: JobRecord) -> JobRecord:
        """Return a job as it is now: a running one with its live stage and counts, a waiting one with what for."""
        return self._turns.shown(self.live.shown(record))

    @property
    def n_changes(self) -> int:
        """A number that grows with every change of any job, live counts too."""
        return self._jobs.changes.value + self.live.changes.value

    def run_pending(self) -> None:
        """Work on everything that may begin now, in this thread."""
        workers = _Workers(self._settings)
        try:
            while self._run_next(workers):
                pass
        finally:
            workers.release()

    def _work(self, number: int) -> None:
        workers = _Workers(self._settings if number == 0 else _with_one_worker(self._settings))
        try:
            while not self._stopping.is_set():
                self._work_once(workers, is_first=number == 0)
        finally:
            workers.close()

    def _work_once(self, workers: _Workers, *, is_first: bool) -> None:
        """Take one turn, or wait until there may be one."""
        seen, now = self._jobs.changes.value, self._now()
        pause = LOOK_EVERY_S
        if (left_s := self._turns.pause_s()) > 0:
            self._stopping.wait(left_s)
            return
        try:
            if self._run_next(workers):
                return
            workers.release()  # They are needed only while there is work.
            if is_first and self._turns.is_idle:
                self._idle()
            pause = self._until_next(now)
        except StoppedError:
            return
        except Exception as error:
            is_known = isinstance(error, HuoziError)
            _log.warning("Jobs wait %.0f s: %s", self._turns.pause_s(), error, exc_info=not is_known)
            return
        self._jobs.changes.wait_beyond(seen, pause)

    def _run_next(self, workers: _Workers) -> bool:
        """Work on the next group; returns whether there was one.

        Raises:
            StoppedError: If the service is ending.
            Exception: What stopped the group, which was put off, or its claim.
        """
        if self._stopping.is_set():
            return False
        try:
            turn = self._turns.take()
            if turn is not None:
                self._run_group(turn, workers)
        except StoppedError:
            raise
        except Exception as error:
            self._turns.failed(error)
            raise
        if turn is not None:
            self._turns.went_well()
        return turn is not None

    def _run_group(self, turn: Turn, workers: _Workers) -> None:
        group = JobGroup(self._folder, self._settings, self.live, self._stopping.is_set, self._now)
        try:
            with self._folder.bringing_in():
                group.work(turn, workers.parser())
        except BaseException:
            workers.close()  # They have documents that nobody waits for.
            raise
        finally:
            self._turns.end(turn)

    def _idle(self) -> None:
        """Forget old jobs, and sweep what could not be swept."""
        with self._folder.writing:
            self._folder.sweep_leftovers()
        now = time.monotonic()
        if self._pruned_at is None or now - self._pruned_at >= PRUNE_EVERY_S:
            self._pruned_at = now
            kept = self._settings.jobs
            self._jobs.prune(max_age_s=kept.days * DAY_S, max_count=kept.max_ended, now=self._now())

    def _until_next(self, looked_at: float) -> float:
        """Return how long to wait, in seconds; what was due when the queue was looked at waits for something else."""
        due = self._jobs.next_time(looked_at)
        return LOOK_EVERY_S if due is None else min(LOOK_EVERY_S, max(0.0, due - self._now()))


class _Workers:
    """A thread's parser, made when it is needed.

    Args:
        settings: The parser's.
    """

    def __init__(self, settings: IngestSettings) -> None:
        self._settings = settings
        self._parser: Parser | None = None

    def parser(self) -> Parser:
        """Return the parser."""
        self._parser = self._parser or Parser(self._settings)
        return self._parser

    def release(self) -> None:
        """Leave its workers to whoever needs some next."""
        parser, self._parser = self._parser, None
        if parser is not None:
            parser.release()

    def close(self) -> None:
        """End its workers."""
        parser, self._parser = self._parser, None
        if parser is not None:
            parser.close()


def _with_one_worker(settings: IngestSettings) -> IngestSettings:
    """All other workers are the first thread's: the others are there for what would have to wait."""
    return settings.model_copy(update={"load": settings.load.model_copy(update={"workers": 1})})
