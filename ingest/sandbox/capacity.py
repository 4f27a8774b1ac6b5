"""How many workers a machine has room for."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

MOST_WORKERS = 8
"""More never had anything to do: one worker parses several times what the stores take."""
MOST_PARSERS = 4
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
_MB = 1024 * 1024


def worker_count(wanted: int, *, cores: int, memory_mb: int, max_memory_mb: int) -> int:
    """Return how many workers may parse at once (pure).

    Args:
        wanted: As set; 0 leaves it to the machine.
        cores: Processors that this process may use; one of them is for the stores.
        memory_mb: Memory of the machine, or of the container.
        max_memory_mb: What one worker may take at worst.

    Returns:
        At least 1. What is wanted is not cut: whoever set it knows the documents.
    """
    if wanted:
        return wanted
    # Workers that are all at their limit may not take more than half of the memory.
    return max(1, min(cores - 1, MOST_WORKERS, memory_mb // (2 * max_memory_mb)))


def parsers_at_once(wanted: int, *, memory_mb: int, max_memory_mb: int) -> int:
    """Return how many files may take long at the same time while others still go on (pure).

    Args:
        wanted: As set; 0 leaves it to the machine.
        memory_mb: Memory of the machine, or of the container.
        max_memory_mb: What one worker may take at worst.

    Returns:
        At least 1; 2 to 4 where it is left to the machine.
    """
    return wanted or max(2, min(MOST_PARSERS, memory_mb // max_memory_mb))


def usable_cores() -> int:
    """Return how many processors this process may use."""
    n_there = os.cpu_count() or 1
    return min(n_there, len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else n_there


def memory_mb() -> int:
    """Return the memory of the machine, or of the container if that has less."""
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, ValueError):  # No container, or no limit (`max`).
        there = min(there, int(_CGROUP_LIMIT.read_text()))
    return there // _MB
