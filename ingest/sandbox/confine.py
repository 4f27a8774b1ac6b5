"""What a worker may do, given up before it sees the first document. None of it needs privileges.

- limits    memory, size of written files (0), open files, no core dump: every Unix (memory: Linux alone)
- audit     Python code cannot open sockets, write files or start programs: every system; native code is not held by it
- calls     the same from the kernel, native code included: Linux on x86-64 and ARM64 (`seccomp.py`)
- reading   only Python, packages and libraries can be read: Linux 5.13 and later (`landlock.py`)

A layer that the system does not have is left out; `confine` says which ones hold.
"""

from __future__ import annotations

import contextlib
import os
import resource
import sys

from ingest.sandbox import landlock, seccomp

ARENA_BYTES = 256 * 1024 * 1024
"""Address space beside the limit: what allocators and thread stacks reserve without using it."""
MAX_OPEN_FILES = 256
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_FORBIDDEN = (
    ("socket.", "http.", "urllib.", "ftplib.", "smtplib.", "subprocess.", "pty.", "shutil.", "tempfile.", "webbrowser.")
    + ("os.system", "os.exec", "os.spawn", "os.posix_spawn", "os.fork", "os.kill", "os.startfile")
    + ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate")
    + ("os.chmod", "os.chown", "os.chflags", "os.utime", "os.setxattr", "os.removexattr")
)


def confine(max_memory_mb: int) -> tuple[str, ...]:
    """Give up what parsing does not need; before the first thread is started, as threads keep what they had.

    Args:
        max_memory_mb: What this process may take beside what it has now, in units of 1024 * 1024 bytes.

    Returns:
        Names of the layers that hold.
    """
    layers = ["limits"]
    _limit(max_memory_mb * 1024 * 1024)
    if sys.platform == "linux" and seccomp.forgo_privileges():
        with contextlib.suppress(OSError):
            if landlock.apply(landlock.readable()):
                layers.append("reading")
        with contextlib.suppress(OSError):
            if seccomp.apply():
                layers.append("calls")
    sys.addaudithook(refuse)
    return (*layers, "audit")


def refuse(event: str, arguments: tuple[object, ...]) -> None:
    """Raise PermissionError for what a parser may not do: an audit hook."""
    is_forbidden = event.startswith(_FORBIDDEN)
    if event == "open":
        flags = arguments[2] if len(arguments) > 2 else 0
        is_forbidden = isinstance(flags, int) and flags > 0 and bool(flags & _WRITES)
    if is_forbidden:
        raise PermissionError(f"a parser may not do this: {event}")


def _limit(memory: int) -> None:
    for kind, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, MAX_OPEN_FILES),
    ):
        _lower(kind, most)
    if sys.platform == "linux":
        with open("/proc/self/statm") as file:
            pages = [int(word) for word in file.read().split()]
        page = resource.getpagesize()
        _lower(resource.RLIMIT_AS, pages[0] * page + memory + ARENA_BYTES)
        _lower(resource.RLIMIT_DATA, pages[5] * page + memory)


def _lower(kind: int, most: int) -> None:
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(kind, (most, most))


def resident_bytes() -> int:
    """Return what this process holds in memory; the most that it ever held where the system tells no more."""
    if sys.platform == "linux":
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
