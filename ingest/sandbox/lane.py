"""One worker and the documents it has been given, in order; whoever holds several chooses and replaces them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from ingest.errors import IngestError
from ingest.sandbox.child import Child, ChildDiedError, NonsenseError
from ingest.sandbox.parse import Parsed, ParseJob

_T = TypeVar("_T")


@dataclass(slots=True, eq=False)
class Waiting(Generic[_T]):
    """A document on its way.

    Args:
        item: Whatever the caller knows it by.
        job: What is to be parsed.
        lane: Where it was given; None where no worker has it.
        outcome: What became of it, once that is known.
    """

    item: _T
    job: ParseJob
    lane: Lane[_T] | None = None
    outcome: Parsed | IngestError | None = None


class Lane(Generic[_T]):
    """A worker that is starting or works.

    Args:
        child: The worker; it belongs to this lane.
        start_by: When it should be ready, by the monotonic clock.
    """

    def __init__(self, child: Child, start_by: float) -> None:
        self.start_by = start_by
        self._child = child
        self._is_ready = False
        self._given: deque[Waiting[_T]] = deque()
        self._sizes: deque[int] = deque()  # Of those that it has not begun, as far as we looked.
        self._bytes_ahead = 0
        self._n_begun = self._n_answered = 0

    @property
    def is_started(self) -> bool:
        """Whether the worker was ready when it was asked last."""
        return self._is_ready

    @property
    def is_splitting(self) -> bool:
        """Whether the first document it has is read and being split."""
        return self._child.n_begun() - self._n_answered == 1 and self._child.is_splitting

    @property
    def is_spare(self) -> bool:
        """Whether it has answered all that it was given and could be given more, maybe once it has started."""
        return not self._given and self._child.is_alive

    def resume(self) -> bool:
        """Prepare for a run after one that has ended; returns whether the worker is still there."""
        self._child.resume()
        return self._child.is_alive

    def is_ready(self, timeout_s: float = 0.0) -> bool:
        """Tell whether the worker takes jobs; ask before the first.

        Raises:
            ChildDiedError: If it ended instead.
        """
        self._is_ready = self._is_ready or self._child.is_ready(timeout_s)
        return self._is_ready

    def send(self, more: Sequence[Waiting[_T]]) -> None:
        """Give it documents.

        Raises:
            ChildDiedError: If it has ended; all of them count as given.
        """
        for one in more:
            one.lane = self
            self._given.append(one)
            self._sizes.append(len(one.job.data))
            self._bytes_ahead += len(one.job.data)
        for one in more:
            self._child.send(one.job)

    def has_result(self, timeout_s: float = 0.0) -> bool:
        """Tell whether `receive` would hardly wait."""
        return self._child.has_result(timeout_s)

    def receive(self) -> None:
        """Wait for the outcome of the first document it has.

        Raises:
            ChildDiedError: If it has ended.
        """
        self._given[0].outcome = self._child.receive()
        self._given.popleft()
        self._n_answered += 1

    def ahead(self) -> tuple[int, int]:
        """Return the bytes and the number of the documents that it has not begun."""
        n_begun = self._child.n_begun()
        while self._n_begun < n_begun and self._sizes:
            self._bytes_ahead -= self._sizes.popleft()
            self._n_begun += 1
        return self._bytes_ahead, len(self._sizes)

    def end(self, died: ChildDiedError | None = None) -> tuple[Waiting[_T] | None, list[Waiting[_T]]]:
        """End the worker.

        Args:
            died: How it ended of itself, if it did.

        Returns:
            The document that it died on, if one is to blame, and the others that it had.
        """
        left, self._given = list(self._given), deque()
        n_unanswered = self._child.n_begun() - self._n_answered
        has_retired = self._child.has_retired
        self._child.close()
        is_nonsense = isinstance(died, NonsenseError)
        if not left or died is None or has_retired and not is_nonsense:
            return None, left
        # One that died before it began anything choked on taking in what is first in line.
        is_first = is_nonsense or n_unanswered <= 0
        return left.pop(0 if is_first else min(n_unanswered, len(left)) - 1), left
