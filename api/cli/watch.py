"""`huozi ingest --watch`: a run when something has changed, until Ctrl-C. The only importer of watchfiles."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ingest.ignore import IGNORE_FILE
from ingest.loaders.formats import is_candidate, suffix_of

if TYPE_CHECKING:
    from watchfiles import Change

QUIET_MS = 500
"""A run begins when nothing has changed for so long: editors write a file in steps, people copy many at once."""
LONGEST_MS = 10_000
"""It begins at the latest so long after the first change."""
TICK_S = 1.0
"""How often it is checked whether a folder is still there, and the same."""
RETRY_S = 5.0
LONGEST_RETRY_S = 60.0
"""After a run that failed the next begins so much later, twice as much after each further one, at most so much."""

_TEMPORARY = frozenset({".tmp", ".temp", ".swp", ".swx", ".bak", ".part", ".partial", ".lock", ".crdownload"})
Place = tuple[int, int]


def due(paths: Sequence[str]) -> Iterator[bool]:
    """Yield for ever: True when a run is due, False when nothing has changed for a while.

    A folder that vanishes is waited for; one that comes back, or is replaced, is looked at again from the start.

    Raises:
        KeyboardInterrupt: By Ctrl-C.
    """
    must_poll = False
    while True:
        watched = places(paths)
        if not watched:
            time.sleep(TICK_S)
            yield False
            continue
        try:
            yield from _changes(paths, watched, must_poll)
        except (OSError, RuntimeError):  # `WatchfilesRustInternalError` is one
            # It vanished just now, or the system gives no more watches: then its files are listed again and again.
            must_poll = places(paths) == watched
            time.sleep(TICK_S)


def places(paths: Sequence[str]) -> dict[str, Place]:
    """Return device and inode of each path that is there."""
    found: dict[str, Place] = {}
    for path in paths:
        try:
            stat = os.stat(path)
        except OSError:
            continue
        found[path] = (stat.st_dev, stat.st_ino)
    return found


def may_matter(change: Change, path: str, roots: Sequence[str]) -> bool:
    """Tell whether a change can make a run find something else (pure but for asking whether a path is a folder)."""
    from watchfiles import Change

    if path in roots:
        return True
    root = max((root for root in roots if path.startswith(root.rstrip(os.sep) + os.sep)), key=len, default="")
    *folders, name = os.path.relpath(path, root or os.sep).split(os.sep)
    if any(folder.startswith(".") for folder in folders):
        return False
    if name == IGNORE_FILE or is_candidate(name):
        return True
    if name.startswith((".", "~")) or name.endswith(("~", "#")) or suffix_of(name) in _TEMPORARY:
        return False
    # A folder; and what is gone may have been one.
    return change == Change.deleted or os.path.isdir(path)


class Patience:
    """When to try again after a run that failed.

    Args:
        clock: Seconds from anywhere; for tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wait_s = RETRY_S
        self._at: float | None = None

    @property
    def is_over(self) -> bool:
        """Whether a failed run is to be repeated now."""
        return self._at is not None and self._clock() >= self._at

    def failed(self) -> None:
        """Wait, longer each time."""
        self._at = self._clock() + self._wait_s
        self._wait_s = min(2 * self._wait_s, LONGEST_RETRY_S)

    def succeeded(self) -> None:
        """Wait for nothing."""
        self._at, self._wait_s = None, RETRY_S


def _changes(paths: Sequence[str], watched: Mapping[str, Place], must_poll: bool) -> Iterator[bool]:
    """Yield as `due` does, until another thing is at one of the paths."""
    from watchfiles import watch

    roots = list(watched)
    is_first = True
    for changes in watch(
        *roots,
        watch_filter=lambda change, path: may_matter(change, path, roots),
        debounce=LONGEST_MS,
        step=QUIET_MS,
        rust_timeout=int(TICK_S * 1000),
        yield_on_timeout=True,
        raise_interrupt=True,
        force_polling=must_poll or None,
    ):
        if places(paths) != watched:
            return
        # The first tick looks again: something may have changed before the watch began.
        yield bool(changes) or is_first
        is_first = False
