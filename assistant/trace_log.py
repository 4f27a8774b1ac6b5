"""Traces -> the catalog, behind the answers' back: a thread of its own, which neither delays nor fails an answer."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from typing import Protocol

from assistant.settings import TraceSettings
from assistant.trace import Trace
from retrieval.catalog.answers import TraceRecord
from retrieval.errors import HuoziError

_log = logging.getLogger(__name__)

MAX_WAITING = 256
"""Traces that may wait to be written; more are lost, and said to be."""

_LINGER_S = 0.5  # traces of one moment are written together: a commit costs more than all that is in it
_SWEEP_S = 3600.0
_SWEEP_SHARE = 20  # also swept when a twentieth of what may be kept has come
_CLOSE_S = 5.0
_WARNING_S = 60.0
_DAY_S = 86_400.0


class StoresTraces(Protocol):
    """What the log needs of `retrieval.catalog.Catalog.answers`."""

    def save(self, records: Sequence[TraceRecord]) -> None:
        """Store traces."""

    def get(self, answer_id: str) -> TraceRecord:
        """Return one, or raise AnswerNotFoundError."""

    def list(self, limit: int, *, after: str | None = None) -> Sequence[TraceRecord]:
        """Return traces, newest first."""

    def prune(self, *, max_age_s: float, max_count: int) -> int:
        """Delete what is too old or too much."""


class TraceLog:
    """Keeps traces for as long as the settings say; safe to share between threads.

    Args:
        store: Where they lie.
        settings: For how long, and how many.
    """

    def __init__(self, store: StoresTraces, settings: TraceSettings) -> None:
        self.settings = settings
        self._store = store
        self._changed = threading.Condition()
        self._waiting: dict[str, TraceRecord] = {}
        self._closing = False
        self._hurried = False
        self._n_since_sweep = 0
        self._next_sweep = 0.0
        self._n_lost = 0
        self._next_warning = 0.0
        self._thread = threading.Thread(target=self._work, name="huozi-traces", daemon=True)
        self._thread.start()

    def keep(self, trace: Trace) -> None:
        """Take the trace of an answer that ended; neither waits nor fails."""
        if not self.settings.days:
            return
        body = trace.body()
        record = TraceRecord(trace.answer_id, trace.created_at, trace.collection, body, trace.is_searched)
        with self._changed:
            is_full = len(self._waiting) >= MAX_WAITING or self._closing
            if not is_full:
                self._waiting[record.answer_id] = record
                self._changed.notify_all()
        if is_full:
            self._lose(1, "too many are waiting to be written")

    def get(self, answer_id: str) -> TraceRecord:
        """Return one trace, also one that is still to be written.

        Raises:
            AnswerNotFoundError: If there is none.
        """
        with self._changed:
            waiting = self._waiting.get(answer_id)
        return waiting or self._store.get(answer_id)

    def list(self, limit: int, *, after: str | None = None) -> Sequence[TraceRecord]:
        """Return traces, newest first; what waits to be written is written first.

        Args:
            limit: Most to return.
            after: Begin behind this one.

        Raises:
            AnswerNotFoundError: If there is none with the id `after`.
        """
        self.flush()
        return self._store.list(limit, after=after)

    def flush(self, timeout_s: float = _CLOSE_S) -> bool:
        """Have written what waits, now; returns whether all was in time."""
        with self._changed:
            self._hurried = True
            self._changed.notify_all()
            return self._changed.wait_for(lambda: not self._waiting, timeout_s)

    def close(self) -> None:
        """Write what waits, and end the thread; call it before the catalog is closed."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(_CLOSE_S)
        with self._changed:
            self._n_lost += len(self._waiting)
        if self._n_lost:
            _log.warning("%d traces of answers were not stored", self._n_lost)

    def _work(self) -> None:
        while True:
            with self._changed:
                pause = max(0.0, self._next_sweep - time.monotonic())
                self._changed.wait_for(lambda: bool(self._waiting) or self._closing, pause)
                if self._waiting:
                    self._changed.wait_for(self._is_urgent, _LINGER_S)
                self._hurried = False
                batch, closing = list(self._waiting.values()), self._closing
            if batch:
                self._write(batch)
            if not closing and (time.monotonic() >= self._next_sweep or self._has_grown()):
                self._sweep()
            if closing and not batch:
                return

    def _is_urgent(self) -> bool:
        return self._hurried or self._closing or len(self._waiting) >= MAX_WAITING // 2

    def _write(self, batch: Sequence[TraceRecord]) -> None:
        try:
            self._store.save(batch)
            self._n_since_sweep += len(batch)
        except HuoziError as error:
            self._lose(len(batch), str(error))
        except Exception as error:
            # The edge of this thread: a defect in one trace must not end all that come after it.
            _log.debug("A trace could not be stored", exc_info=True)
            self._lose(len(batch), f"{type(error).__name__}: {error}")
        finally:
            with self._changed:
                for record in batch:
                    self._waiting.pop(record.answer_id, None)
                self._changed.notify_all()

    def _has_grown(self) -> bool:
        return self._n_since_sweep * _SWEEP_SHARE >= self.settings.max_answers

    def _sweep(self) -> None:
        self._n_since_sweep, self._next_sweep = 0, time.monotonic() + _SWEEP_S
        try:
            self._store.prune(max_age_s=self.settings.days * _DAY_S, max_count=self.settings.max_answers)
        except Exception as error:  # as above
            _log.warning("Old traces could not be deleted: %s", error)

    def _lose(self, n: int, why: str) -> None:
        """Say that traces are lost, at most once a minute."""
        self._n_lost += n
        if time.monotonic() < self._next_warning:
            return
        self._next_warning = time.monotonic() + _WARNING_S
        _log.warning("%d traces of answers were not stored: %s", self._n_lost, why)
        self._n_lost = 0
