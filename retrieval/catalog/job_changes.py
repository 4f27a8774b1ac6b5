"""A number that grows: threads wait for it, event streams look at it."""

from __future__ import annotations

import threading


class ChangeCounter:
    """Counts changes, and wakes who waits for one.

    Attributes:
        value: How many there were.
    """

    def __init__(self) -> None:
        self.value = 0
        self._changed = threading.Condition()

    def bump(self) -> None:
        """Count one more."""
        with self._changed:
            self.value += 1
            self._changed.notify_all()

    def wait_beyond(self, value: int, timeout_s: float | None) -> int:
        """Return the count once it is over `value`, or when `timeout_s` has gone by."""
        with self._changed:
            self._changed.wait_for(lambda: self.value > value, timeout_s)
            return self.value
