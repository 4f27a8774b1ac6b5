"""What is parsed where: a short run's plain texts here, everything else in workers, ahead of who takes it.

A file may harm its parser, so that it is parsed where nothing else is lost. Plain texts go there too once a run turns
out long: to parse takes Python's lock, which what is written or answered meanwhile needs.

A long run has several workers (`capacity.py`). Each gets documents as they come, whoever has least to do; what they
give is put in order again by waiting for the worker that has the first.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from types import TracebackType
from typing import Any, Self, TypeVar

from ingest.errors import IngestError, ParserCrashedError, ParserLimitError
from ingest.sandbox.capacity import memory_mb, usable_cores, worker_count
from ingest.sandbox.child import START_TIMEOUT_S, Child, ChildDiedError
from ingest.sandbox.lane import Lane, Waiting
from ingest.sandbox.parse import Parsed, ParseJob, is_plain, parse
from ingest.sandbox.spares import SPARES, kind_of
from ingest.settings import IngestSettings
from retrieval.python_process import can_start

START_AFTER_FILES = 16
START_AFTER_BYTES = 1024 * 1024
"""A run of plain texts that ends before has been faster without a worker, which takes 0.3 s to start; and one with
less than this waiting at a worker has been faster without another."""
AHEAD_FILES = 1024
AHEAD_BYTES = 8 * 1024 * 1024
"""Enough to keep the workers busy while a batch is written, little enough to hold twice; all workers together."""
IDLE_S = 0.1
"""Who wants to do something while a document is parsed is asked about so often."""

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


def prepare(settings: IngestSettings) -> None:
    """Start a worker for a run that is about to come, while what it writes to is being opened."""
    if settings.parse_apart == "never" or not _has_cores() or not can_start() or SPARES.has(kind_of(settings)):
        return
    with contextlib.suppress(OSError):  # The run says so itself.
        SPARES.keep(kind_of(settings), _new_lane(settings))


class Parser:
    """Parses the documents of one run; use it with `with`.

    Args:
        settings: Limits and sizes.
        idle: Called while the next document is still being parsed; returns whether it wants to be called again soon.

    Attributes:
        idle: As given; may be set anew between documents.
    """

    def __init__(self, settings: IngestSettings, *, idle: Callable[[], bool] | None = None) -> None:
        self._settings = settings
        self.idle = idle
        self._current: Waiting[Any] | None = None  # What `idle` is called for.
        self._is_given_up = False
        self._may_start = _may_start(settings)
        # One core gains nothing from a worker beside: there it is for what may do harm alone.
        self._is_eager = settings.parse_apart == "auto" and _has_cores()
        self._must_be_apart = settings.parse_apart == "always"
        load = settings.load
        self._most = worker_count(
            load.workers, cores=usable_cores(), memory_mb=memory_mb(), max_memory_mb=load.max_memory_mb
        )
        self._share_files, self._share_bytes = max(1, AHEAD_FILES // self._most), AHEAD_BYTES // self._most
        self._lanes: list[Lane[Any]] = []
        self._was_ready = False
        self._files_here = self._bytes_here = 0
        self._bytes_waiting = 0

    def parse_all(self, items: Iterable[tuple[_T, ParseJob]]) -> Generator[tuple[_T, Parsed | IngestError], None, None]:
        """Yield each item with its document, or with the reason why there is none, in order.

        Items are drawn ahead of what is yielded, at most `AHEAD_FILES` and about `AHEAD_BYTES`.
        """
        waiting: deque[Waiting[_T]] = deque()
        try:
            for item, job in items:
                if not waiting and not self._has_worker(job):
                    yield item, self._parse_here(job)
                    continue
                waiting.append(Waiting(item, job))
                self._bytes_waiting += len(job.data)
                self._give(waiting[-1])
                while waiting and self._is_enough(len(waiting)):
                    yield self._next(waiting)
            while waiting:
                yield self._next(waiting)
        finally:
            if waiting:
                self.close()  # They have documents that nobody waits for.

    @property
    def is_splitting(self) -> bool:
        """Whether the document that `idle` is called for has been read and is being split."""
        return self._current is not None and self._current.lane is not None and self._current.lane.is_splitting

    def give_up(self) -> None:
        """Stop parsing the document that `idle` is called for, from within it; its outcome is an error."""
        self._is_given_up = True

    def release(self) -> None:
        """Leave the workers to the next run, or end them."""
        lanes, self._lanes = self._lanes, []
        self._bytes_waiting = 0
        for lane in lanes:
            SPARES.keep(kind_of(self._settings), lane)

    def close(self) -> None:
        """End the workers."""
        lanes, self._lanes = self._lanes, []
        self._bytes_waiting = 0
        for lane in lanes:
            lane.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.release()
        else:
            self.close()

    def _is_enough(self, n_waiting: int) -> bool:
        if not self._lanes or n_waiting >= AHEAD_FILES or self._bytes_waiting > AHEAD_BYTES:
            return True
        # What comes next is for one that is still starting.
        return self._most > 1 and all(self._is_full(lane) for lane in self._lanes if lane.is_started)

    def _is_full(self, lane: Lane[Any]) -> bool:
        n_bytes, n_files = lane.ahead()
        return n_bytes > self._share_bytes or n_files >= self._share_files

    def _parse_here(self, job: ParseJob) -> Parsed | IngestError:
        if self._was_ready and not is_plain(job, self._settings):
            # Workers work on this system, but none starts now: no reason to let a file at this process.
            return ParserCrashedError(job.source, "no worker process could be started")
        self._files_here += 1
        self._bytes_here += len(job.data)
        try:
            return parse(job, self._settings)
        except IngestError as error:
            return error

    def _next(self, waiting: deque[Waiting[_T]]) -> tuple[_T, Parsed | IngestError]:
        """Take the first of those that wait."""
        one = waiting[0]
        while one.outcome is None:
            if one.lane is None:
                one.outcome = self._parse_here(one.job)
                continue
            lane = one.lane
            try:
                self._current = one
                while self.idle is not None and not lane.has_result():
                    if not self.idle() or self._is_given_up or lane.has_result(IDLE_S):
                        break
                if self._is_given_up:
                    self._part(one, lane)
                else:
                    lane.receive()
            except ChildDiedError as died:
                self._replace(lane, died)
        waiting.popleft()
        self._bytes_waiting -= len(one.job.data)
        return one.item, one.outcome

    def _give(self, one: Waiting[Any]) -> None:
        """Hand a document to the worker that has least to do; to none where there is none."""
        one.lane = None
        lane = self._choose()
        if lane is not None:
            try:
                lane.send([one])
            except ChildDiedError as died:
                self._replace(lane, died)

    def _choose(self) -> Lane[Any] | None:
        ready = [lane for lane in list(self._lanes) if self._is_ready(lane)]
        if not ready:
            return next((lane for lane in list(self._lanes) if self._is_ready(lane, START_TIMEOUT_S)), None)
        if self._most == 1:
            return ready[0]
        ahead, chosen = min(((lane.ahead(), lane) for lane in ready), key=lambda pair: pair[0])
        has_much = ahead[0] >= START_AFTER_BYTES or ahead[1] >= START_AFTER_FILES
        if has_much and len(ready) == len(self._lanes) < self._most:
            self._start()
        return chosen

    def _has_worker(self, job: ParseJob) -> bool:
        """Tell whether a worker takes this job now; start one for what may do harm, or when the run turns out long."""
        if not self._may_start:
            return False
        must_be_apart = self._must_be_apart or not is_plain(job, self._settings)
        if not self._lanes:
            is_long = self._files_here >= START_AFTER_FILES or self._bytes_here >= START_AFTER_BYTES
            if not must_be_apart and not (is_long and self._is_eager):
                return False
            self._start()
        timeout_s = START_TIMEOUT_S if must_be_apart else 0.0
        return any(self._is_ready(lane, timeout_s) for lane in list(self._lanes))

    def _start(self) -> Lane[Any] | None:
        lane = SPARES.take(kind_of(self._settings))
        if lane is None:
            try:
                lane = _new_lane(self._settings)
            except OSError as exc:
                self._do_without(None, str(exc))
                return None
        self._lanes.append(lane)
        return lane

    def _is_ready(self, lane: Lane[Any], timeout_s: float = 0.0) -> bool:
        """Tell whether a worker takes jobs; give it up if it died or takes too long."""
        try:
            is_ready = lane.is_ready(timeout_s)
        except ChildDiedError as died:
            self._do_without(lane, died.reason)
            return False
        self._was_ready = self._was_ready or is_ready
        if not is_ready and time.monotonic() > lane.start_by:
            self._do_without(lane, f"it did not start within {START_TIMEOUT_S:.0f} s")
        return is_ready

    def _do_without(self, lane: Lane[Any] | None, reason: str) -> None:
        """Go on without a worker that did not start: with the others, or with none."""
        if lane is not None:
            lane.end()
            self._lanes.remove(lane)
        self._most = max(1, len(self._lanes))
        if self._lanes:
            _log.info("No further worker process for parsing (%s).", reason)
            return
        instead = "files other than plain text fail" if self._was_ready else "this process parses instead"
        _log.warning("No worker process for parsing (%s); %s.", reason, instead)
        self._may_start = False

    def _replace(self, lane: Lane[Any], died: ChildDiedError) -> None:
        """Blame the document that a worker died on, and give its others to a new one, as often as it takes."""
        while True:
            culprit, others = lane.end(died)
            self._lanes.remove(lane)
            if culprit is not None:
                culprit.outcome = self._error(culprit.job, died)
                # What has killed a worker might kill this process: no more of it here.
                self._must_be_apart = True
            again = self._give_to_new(others)
            if again is None:
                return
            lane, died = again

    def _part(self, one: Waiting[Any], lane: Lane[Any]) -> None:
        """End the worker that has a document nobody wants any more, and give its others to a new one."""
        self._is_given_up = False
        one.outcome = ParserCrashedError(one.job.source, "given up")
        _, others = lane.end()
        self._lanes.remove(lane)
        again = self._give_to_new([other for other in others if other is not one])
        if again is not None:
            self._replace(*again)

    def _give_to_new(self, others: list[Waiting[Any]]) -> tuple[Lane[Any], ChildDiedError] | None:
        """Start a worker for what another one had; returns it if it died of that."""
        if not others:
            return None
        new = self._start()
        if new is None or not self._is_ready(new, START_TIMEOUT_S):
            for one in others:
                self._give(one)
            return None
        try:
            new.send(others)
        except ChildDiedError as died:
            return new, died
        return None

    def _error(self, job: ParseJob, died: ChildDiedError) -> IngestError:
        if died.limit is None:
            return ParserCrashedError(job.source, died.reason)
        load = self._settings.load
        most = {
            "time": round(load.seconds_for(len(job.data))),
            "memory": load.max_memory_mb,
            "ocr_time": load.ocr.max_seconds_per_page,
        }
        return ParserLimitError(job.source, died.limit, most[died.limit])


def _has_cores() -> bool:
    return (os.cpu_count() or 1) > 1


def _new_lane(settings: IngestSettings) -> Lane[Any]:
    return Lane(Child(settings), time.monotonic() + START_TIMEOUT_S)


def _may_start(settings: IngestSettings) -> bool:
    if settings.parse_apart == "never":
        return False
    if not can_start():
        _log.warning(
            "No worker process for parsing (%r cannot start one); this process parses instead.", sys.executable
        )
    return can_start()
