"""One call beside another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Beside:
    """A call that runs on a thread of its own, begun when this is made.

    Args:
        call: It should give Python's lock away while it works.
    """

    def __init__(self, call: Callable[[], object]) -> None:
        self._error: Exception | None = None
        self._is_begun = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(call,), daemon=True)
        self._thread.start()
        # Else whoever asked may keep Python's lock before the call has begun, and could give it away.
        self._is_begun.wait()

    def wait(self) -> None:
        """Wait for its end, however it ends."""
        self._thread.join()

    def join(self) -> None:
        """Wait for its end; raise what it raised."""
        self.wait()
        if self._error is not None:
            raise self._error

    def _run(self, call: Callable[[], object]) -> None:
        self._is_begun.set()
        try:
            call()
        except Exception as exc:
            # Without its frames, which would keep the call's owner and what it has open.
            self._error = exc.with_traceback(None)


@contextmanager
def beside(call: Callable[[], object]) -> Iterator[None]:
    """Make a call while a block runs; raises what it raised, unless the block does.

    Args:
        call: It should give Python's lock away while it works.
    """
    made = Beside(call)
    try:
        yield
    finally:
        made.wait()
    made.join()
