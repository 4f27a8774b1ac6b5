"""What the benchmarks share: medians, time by step, the machine, one table and one JSON object."""

from __future__ import annotations

import functools
import json
import math
import os
import platform
import sys
import threading
import time
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date
from statistics import median
from typing import Any

__all__ = ["Steps", "machine", "median", "median_ratio", "percentile", "report", "say", "stopwatch"]


BESIDE = " (beside)"


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` (0 to 1) of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]


def median_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median of the ratios of runs that were taken in turns, to two decimals."""
    return round(median(mine / other for mine, other in zip(ours, theirs, strict=True)), 2)


class Stopwatch:
    """Seconds since it was made; stands still once stopped."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._stopped: float | None = None

    def stop(self) -> None:
        """Keep the time."""
        self._stopped = time.perf_counter()

    @property
    def seconds(self) -> float:
        """The time."""
        return (self._stopped or time.perf_counter()) - self._started


@contextmanager
def stopwatch() -> Iterator[Stopwatch]:
    """Time a block."""
    watch = Stopwatch()
    try:
        yield watch
    finally:
        watch.stop()


class Steps:
    """Time by step, by wrapping functions from outside: product code knows nothing of it.

    A step within a step counts for the inner one alone, so the shares of the thread that made this add up to the whole.
    What other threads do beside it has `(beside)` in its name, and includes what they wait for Python's lock.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._thread = threading.current_thread()
        self._nested = threading.local()
        self._undo: list[Callable[[], None]] = []

    def wrap(self, owner: Any, name: str, step: str) -> None:
        """Count calls of `owner.name` as `step` until `unwrap`; a missing name is no error."""
        plain = getattr(owner, name, None)
        if plain is None:
            return

        @functools.wraps(plain)
        def timed(*args: Any, **kwargs: Any) -> Any:
            with self._counting(step):
                return plain(*args, **kwargs)

        self._replace(owner, name, timed)

    def wrap_block(self, owner: Any, name: str, step: str) -> None:
        """Count entering and leaving the block that `owner.name` makes as `step`; what runs in it counts for itself."""
        plain = getattr(owner, name)

        @contextmanager
        def timed(*args: Any, **kwargs: Any) -> Iterator[Any]:
            with ExitStack() as stack:
                with self._counting(step):
                    given = stack.enter_context(plain(*args, **kwargs))
                yield given
                with self._counting(step):
                    stack.close()

        self._replace(owner, name, timed)

    @contextmanager
    def _counting(self, step: str) -> Iterator[None]:
        if threading.current_thread() is not self._thread:
            step += BESIDE
        inner: list[float] = self._nested.__dict__.setdefault("inner", [])
        inner.append(0.0)
        started = time.perf_counter()
        try:
            yield
        finally:
            taken = time.perf_counter() - started
            self.seconds[step] += taken - inner.pop()
            if inner:
                inner[-1] += taken

    def _replace(self, owner: Any, name: str, timed: Any) -> None:
        plain, had_own = getattr(owner, name), name in vars(owner)
        setattr(owner, name, timed)
        self._undo.append(lambda: setattr(owner, name, plain) if had_own else delattr(owner, name))

    def unwrap(self) -> None:
        """Put everything back."""
        while self._undo:
            self._undo.pop()()

    def shares(self, total: float) -> dict[str, float]:
        """Return each step's share of `total` seconds, largest first; the rest is `other`."""
        found = {step: seconds / total for step, seconds in sorted(self.seconds.items(), key=lambda item: -item[1])}
        own = sum(share for step, share in found.items() if not step.endswith(BESIDE))
        return {**found, "other": max(0.0, 1 - own)}


def machine() -> dict[str, Any]:
    """Return where and when this was measured."""
    return {
        "date": date.today().isoformat(),
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def say(text: str) -> None:
    """Tell how far it is, on stderr."""
    print(text, file=sys.stderr, flush=True)


def report(name: str, figures: Mapping[str, Any], header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print the table on stderr and one JSON object on stdout."""
    cells = [[_show(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    say(f"\n{name}")
    for i, row in enumerate(cells):
        say("  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)).rstrip())
        if i == 0:
            say("  ".join("-" * width for width in widths))
    print(json.dumps({"benchmark": name, **figures}, ensure_ascii=False), flush=True)


def _show(cell: Any) -> str:
    if not isinstance(cell, float):
        return str(cell)
    return f"{cell:.3g}" if abs(cell) < 1000 else f"{cell:,.0f}"


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)
