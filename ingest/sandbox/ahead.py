"""What is parsed where: a short run's plain texts here, everything else in a worker, ahead of who takes it.

A file may harm its parser, so that it is parsed where nothing else is lost. Plain texts go there too once a run turns
out long: Chroma holds Python's lock while it writes, and no thread of this process could parse beside it.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Self, TypeVar

from ingest.errors import IngestError, ParserCrashedError, ParserLimitError
from ingest.sandbox.child import START_TIMEOUT_S, Child, ChildDiedError, NonsenseError, can_start
from ingest.sandbox.parse import Parsed, ParseJob, is_plain, parse
from ingest.settings import IngestSettings

START_AFTER_FILES = 16
START_AFTER_BYTES = 1024 * 1024
"""A run of plain texts that ends before has been faster without a worker, which takes 0.3 s to start."""
AHEAD_FILES = 1024
AHEAD_BYTES = 8 * 1024 * 1024
"""Enough to keep the worker busy while a batch is written, little enough to hold twice."""

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


@dataclass(slots=True)
class _Waiting(Generic[_T]):
    """A job on its way: `outcome` once it is known without the worker."""

    item: _T
    job: ParseJob
    outcome: IngestError | None = None


class Parser:
    """Parses the documents of one run; use it with `with`.

    Args:
        settings: Limits and sizes.
    """

    def __init__(self, settings: IngestSettings) -> None:
        self._settings = settings
        self._may_start = _may_start(settings)
        # One core gains nothing from a worker beside: there it is for what may do harm alone.
        self._is_eager = settings.parse_apart == "auto" and (os.cpu_count() or 1) > 1
        self._must_be_apart = settings.parse_apart == "always"
        self._child: Child | None = None
        self._is_ready = self._was_ready = False
        self._start_by = 0.0
        self._n_answered = 0  # By the worker at hand.
        self._files_here = self._bytes_here = 0
        self._bytes_waiting = 0

    def parse_all(self, items: Iterable[tuple[_T, ParseJob]]) -> Iterator[tuple[_T, Parsed | IngestError]]:
        """Yield each item with its document, or with the reason why there is none, in order.

        Items are drawn ahead of what is yielded, at most `AHEAD_FILES` and about `AHEAD_BYTES`.
        """
        waiting: deque[_Waiting[_T]] = deque()
        for item, job in items:
            if not waiting and not self._has_worker(job):
                yield item, self._parse_here(job)
                continue
            waiting.append(_Waiting(item, job))
            self._bytes_waiting += len(job.data)
            self._send(waiting)
            while waiting and self._is_enough(len(waiting)):
                yield self._next(waiting)
        while waiting:
            yield self._next(waiting)

    def close(self) -> None:
        """End the worker."""
        child, self._child, self._is_ready = self._child, None, False
        if child is not None:
            child.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _is_enough(self, n_waiting: int) -> bool:
        return self._child is None or n_waiting >= AHEAD_FILES or self._bytes_waiting > AHEAD_BYTES

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

    def _next(self, waiting: deque[_Waiting[_T]]) -> tuple[_T, Parsed | IngestError]:
        """Take the first of those that wait."""
        result: Parsed | IngestError | None = waiting[0].outcome
        while result is None:
            if self._child is None:
                result = self._parse_here(waiting[0].job)
                continue
            try:
                result = self._child.receive()
                self._n_answered += 1
            except ChildDiedError as died:
                self._replace_child(waiting, died)
                result = waiting[0].outcome
        one = waiting.popleft()
        self._bytes_waiting -= len(one.job.data)
        return one.item, result

    def _send(self, waiting: deque[_Waiting[_T]]) -> None:
        """Hand the last of those that wait to the worker."""
        if self._child is not None:
            try:
                self._child.send(waiting[-1].job)
            except ChildDiedError as died:
                self._replace_child(waiting, died)

    def _has_worker(self, job: ParseJob) -> bool:
        """Tell whether a worker takes this job now; start one for what may do harm, or when the run turns out long."""
        if not self._may_start:
            return False
        must_be_apart = self._must_be_apart or not is_plain(job, self._settings)
        if self._child is None:
            is_long = self._files_here >= START_AFTER_FILES or self._bytes_here >= START_AFTER_BYTES
            if not must_be_apart and not (is_long and self._is_eager):
                return False
            self._start()
        return self._is_ready or self._wait_ready(START_TIMEOUT_S if must_be_apart else 0.0)

    def _start(self) -> None:
        self._n_answered = 0
        self._is_ready = False
        self._start_by = time.monotonic() + START_TIMEOUT_S
        try:
            self._child = Child(self._settings)
        except OSError as exc:
            self._give_up(str(exc))

    def _wait_ready(self, timeout_s: float) -> bool:
        if self._child is None:
            return False
        try:
            self._is_ready = self._child.is_ready(timeout_s)
        except ChildDiedError as died:
            self._give_up(died.reason)
        else:
            self._was_ready = self._was_ready or self._is_ready
            if not self._is_ready and time.monotonic() > self._start_by:
                self._give_up(f"it did not start within {START_TIMEOUT_S:.0f} s")
        return self._is_ready

    def _give_up(self, reason: str) -> None:
        instead = "files other than plain text fail" if self._was_ready else "this process parses instead"
        _log.warning("No worker process for parsing (%s); %s.", reason, instead)
        self._may_start = False
        self.close()

    def _replace_child(self, waiting: deque[_Waiting[_T]], died: ChildDiedError) -> None:
        """Blame the document that the worker died on, and give the others to a new one, as often as it takes."""
        while self._child is not None:
            sent = [one for one in waiting if one.outcome is None]
            n_unanswered = self._child.n_begun() - self._n_answered
            has_retired = self._child.has_retired
            self.close()
            if isinstance(died, NonsenseError) or not has_retired:
                # One that died before it began anything choked on taking in what is first in line.
                is_first = isinstance(died, NonsenseError) or n_unanswered <= 0
                culprit = sent.pop(0 if is_first else min(n_unanswered, len(sent)) - 1)
                culprit.outcome = self._error(culprit.job, died)
                # What has killed a worker might kill this process: no more of it here.
                self._must_be_apart = True
            if not sent:
                return
            self._start()
            if not self._wait_ready(START_TIMEOUT_S):
                return
            try:
                for one in sent:
                    self._child_at_hand().send(one.job)
                return
            except ChildDiedError as again:
                died = again

    def _child_at_hand(self) -> Child:
        assert self._child is not None
        return self._child

    def _error(self, job: ParseJob, died: ChildDiedError) -> IngestError:
        if died.limit is None:
            return ParserCrashedError(job.source, died.reason)
        load = self._settings.load
        most = {"time": round(load.seconds_for(len(job.data))), "memory": load.max_memory_mb}
        return ParserLimitError(job.source, died.limit, most[died.limit])


def _may_start(settings: IngestSettings) -> bool:
    if settings.parse_apart == "never":
        return False
    if not can_start():
        _log.warning(
            "No worker process for parsing (%r cannot start one); this process parses instead.", sys.executable
        )
    return can_start()
