"""Processes that somebody has done with, kept for who needs one next: to start another takes longer than most uses."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar

KEEP_S = 60.0
MOST_KEPT = 2
"""Of different kinds: each holds its memory while it waits."""


class Spare(Protocol):
    """What can wait for another use."""

    @property
    def is_spare(self) -> bool:
        """Whether nobody uses it, and it could be used again."""

    def resume(self) -> bool:
        """Prepare for the next use; returns whether it still can be."""

    def end(self) -> object:
        """End it."""


_T = TypeVar("_T", bound=Spare)


class Spares(Generic[_T]):
    """What waits, at most one of a kind; any thread may ask. All end with this process.

    Args:
        keep_s: Seconds until one that nobody took is ended.
    """

    def __init__(self, keep_s: float = KEEP_S) -> None:
        self._keep_s = keep_s
        self._lock = threading.Lock()
        self._kept: dict[Hashable, tuple[_T, threading.Timer]] = {}  # The oldest first.
        atexit.register(self.close)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    def take(self, kind: Hashable) -> _T | None:
        """Return one of a kind that can be used, if there is one."""
        with self._lock:
            kept = self._kept.pop(kind, None)
        if kept is None:
            return None
        spare, timer = kept
        timer.cancel()
        if spare.resume():
            return spare
        spare.end()
        return None

    def has(self, kind: Hashable) -> bool:
        """Whether there is one of a kind."""
        return kind in self._kept

    def keep(self, kind: Hashable, spare: _T) -> None:
        """Take one over: for the next use, or to end it where it is not fit for one or there is one already."""
        if not spare.is_spare:
            spare.end()
            return
        timer = threading.Timer(self._keep_s, self._end, (kind, spare))
        timer.daemon = True
        surplus: tuple[_T, threading.Timer] | None = (spare, timer)
        with self._lock:
            if kind not in self._kept:
                self._kept[kind] = spare, timer
                timer.start()
                surplus = self._kept.pop(next(iter(self._kept))) if len(self._kept) > MOST_KEPT else None
        if surplus is not None:
            surplus[1].cancel()
            surplus[0].end()

    def close(self) -> None:
        """End those that wait."""
        with self._lock:
            kept, self._kept = list(self._kept.values()), {}
        for spare, timer in kept:
            timer.cancel()
            spare.end()

    def _forget(self) -> None:
        """Leave all to the process that this one was forked from."""
        self._lock = threading.Lock()  # Whoever held it is not here.
        self._kept = {}

    def _end(self, kind: Hashable, spare: _T) -> None:
        with self._lock:
            if kind not in self._kept or self._kept[kind][0] is not spare:
                return
            del self._kept[kind]
        spare.end()
