"""One step on a thread of its own, a few items ahead of who takes them, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

_A = TypeVar("_A")
_B = TypeVar("_B")


class Overlap(Generic[_A, _B]):
    """Items through a step while the results of those before are used; one thread puts and takes.

    Args:
        step: What happens to each item, one at a time.
        ahead: Most items that wait for their turn or for who takes them, beside the one in the step.
        name: Of the thread.
    """

    def __init__(self, step: Callable[[_A], _B], *, ahead: int, name: str) -> None:
        self._step = step
        self._most = 1 + ahead
        self._name = name
        self._pending: deque[Future[_B]] = deque()
        self._thread: ThreadPoolExecutor | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was put that was not taken."""
        return not self._pending

    def put(self, item: _A) -> None:
        """Hand an item over; it never waits."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix=self._name)
        self._pending.append(self._thread.submit(self._step, item))

    def take(self) -> Iterator[_B]:
        """Yield what is done, and wait for the first while there are too many; raises what its step raised."""
        while self._pending and (self._pending[0].done() or len(self._pending) > self._most):
            yield self._pending.popleft().result()

    def take_all(self, last: _A | None = None) -> Iterator[_B]:
        """Yield all that is left, then `last`: a single item goes through its step here, without any thread."""
        if last is not None and self._pending:
            self.put(last)
            last = None
        while self._pending:
            yield self._pending.popleft().result()
        if last is not None:
            yield self._step(last)

    def close(self) -> None:
        """Drop what waits; wait for the item in the step."""
        self._pending.clear()
        if self._thread is not None:
            self._thread.shutdown(wait=True, cancel_futures=True)
            self._thread = None
