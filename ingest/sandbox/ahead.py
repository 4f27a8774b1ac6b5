"""What is parsed where: the first documents here, while a worker starts; the others there, ahead of who takes them.

Chroma holds Python's lock while it writes, so that no thread of this process could parse beside it (docs/ingestion.md).
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

from ingest.errors import IngestError, ParserCrashedError
from ingest.sandbox.child import Child, ChildDiedError, can_start
from ingest.sandbox.parse import Parsed, ParseJob, parse
from ingest.settings import IngestSettings

START_AFTER_FILES = 16
START_AFTER_BYTES = 1024 * 1024
"""A run that ends before has been faster without a worker, which takes 0.2 to 0.4 s to start."""
START_TIMEOUT_S = 30.0
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
        self._waits = settings.parse_apart == "always"
        self._child: Child | None = None
        self._is_ready = False
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
            if not waiting and not self._has_worker():
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
                self._replace_child(waiting, died.reason)
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
                self._replace_child(waiting, died.reason)

    def _has_worker(self) -> bool:
        """Tell whether a worker takes jobs now; start one when the run turns out long."""
        if self._may_start and self._child is None:
            is_long = self._files_here >= START_AFTER_FILES or self._bytes_here >= START_AFTER_BYTES
            if not is_long and not self._waits:
                return False
            self._start()
        return self._is_ready or self._wait_ready(START_TIMEOUT_S if self._waits else 0.0)

    def _start(self) -> None:
        try:
            self._child = Child(self._settings)
        except OSError as exc:
            self._give_up(str(exc))
        self._start_by = time.monotonic() + START_TIMEOUT_S
        self._n_answered = 0

    def _wait_ready(self, timeout_s: float) -> bool:
        if self._child is None:
            return False
        try:
            self._is_ready = self._child.is_ready(timeout_s)
        except ChildDiedError as died:
            self._give_up(died.reason)
        else:
            if not self._is_ready and time.monotonic() > self._start_by:
                self._give_up(f"it did not start within {START_TIMEOUT_S:.0f} s")
        return self._is_ready

    def _give_up(self, reason: str) -> None:
        _log.warning("No worker process for parsing (%s); this process parses instead.", reason)
        self._may_start = False
        self.close()

    def _replace_child(self, waiting: deque[_Waiting[_T]], reason: str) -> None:
        """Blame the document that the worker died on, and give the others to a new one."""
        assert self._child is not None
        sent = [one for one in waiting if one.outcome is None]
        unanswered = self._child.n_begun() - self._n_answered
        self.close()
        if unanswered <= 0:
            self._give_up(reason)
            return
        culprit = sent[unanswered - 1]
        culprit.outcome = ParserCrashedError(culprit.job.source, reason)
        # What has killed a worker might kill this process: no more of it while the next one starts.
        self._waits = True
        if len(sent) == 1:
            return
        self._start()
        if self._wait_ready(START_TIMEOUT_S):
            self._send_again([one for one in sent if one is not culprit], waiting)

    def _send_again(self, rest: Iterable[_Waiting[_T]], waiting: deque[_Waiting[_T]]) -> None:
        assert self._child is not None
        try:
            for one in rest:
                self._child.send(one.job)
        except ChildDiedError as died:
            self._replace_child(waiting, died.reason)


def _may_start(settings: IngestSettings) -> bool:
    if settings.parse_apart == "auto":
        return can_start() and (os.cpu_count() or 1) > 1
    if settings.parse_apart == "always" and not can_start():
        _log.warning(
            "No worker process for parsing (%r cannot start one); this process parses instead.", sys.executable
        )
        return False
    return settings.parse_apart == "always"
