"""Bounds the time of one picture: a file may have any number of them, so its own limit says nothing about them.

Whoever runs loaders (`sandbox/worker.py`) says with `use` how a picture is timed; without that it is not.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

_MakeClock = Callable[[], AbstractContextManager[object]]
_make: _MakeClock = nullcontext


def use(make: _MakeClock) -> None:
    """Time every picture from now on with what `make` returns: entered before it is read, left after it."""
    global _make
    _make = make


def timed() -> AbstractContextManager[object]:
    """Return what one picture is read in."""
    return _make()
