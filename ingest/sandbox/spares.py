"""Workers that a run has done with, kept for the next one: to start another takes 0.3 s, longer than most files."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Hashable
from typing import Any

from ingest.sandbox.lane import Lane
from ingest.settings import IngestSettings

KEEP_S = 60.0
MOST_KEPT = 2
"""Of different settings; a worker that waits holds some 60 MB."""


class Spares:
    """Workers that wait, at most one for the same settings; any thread may ask.

    Args:
        keep_s: Seconds until one that nobody took is ended.
    """

    def __init__(self, keep_s: float = KEEP_S) -> None:
        self._keep_s = keep_s
        self._lock = threading.Lock()
        self._kept: dict[Hashable, tuple[Lane[Any], threading.Timer]] = {}  # The oldest first.

    def take(self, settings: IngestSettings) -> Lane[Any] | None:
        """Return a worker that was started with these limits and sizes and can work, if there is one."""
        with self._lock:
            kept = self._kept.pop(_key(settings), None)
        if kept is None:
            return None
        lane, timer = kept
        timer.cancel()
        if lane.resume():
            return lane
        lane.end()
        return None

    def has(self, settings: IngestSettings) -> bool:
        """Whether there is one for these limits and sizes."""
        return _key(settings) in self._kept

    def keep(self, settings: IngestSettings, lane: Lane[Any]) -> None:
        """Take over a worker: for the next run, or to end it where it is not fit for one or there is one already."""
        if not lane.is_spare:
            lane.end()
            return
        key = _key(settings)
        timer = threading.Timer(self._keep_s, self._end, (key, lane))
        timer.daemon = True
        surplus: tuple[Lane[Any], threading.Timer] | None = (lane, timer)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = lane, timer
                timer.start()
                surplus = self._kept.pop(next(iter(self._kept))) if len(self._kept) > MOST_KEPT else None
        if surplus is not None:
            surplus[1].cancel()
            surplus[0].end()

    def close(self) -> None:
        """End those that wait."""
        with self._lock:
            kept, self._kept = list(self._kept.values()), {}
        for lane, timer in kept:
            timer.cancel()
            lane.end()

    def _end(self, key: Hashable, lane: Lane[Any]) -> None:
        with self._lock:
            if key not in self._kept or self._kept[key][0] is not lane:
                return
            del self._kept[key]
        lane.end()


def _key(settings: IngestSettings) -> Hashable:
    """Return what a worker works by; the other settings are the parent's."""
    return settings.load, settings.split


SPARES = Spares()
"""This process's: a worker belongs to no data folder."""
atexit.register(SPARES.close)
