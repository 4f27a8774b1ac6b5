"""The parent's hold on one worker process."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self, cast

from ingest.errors import IngestError, Limit
from ingest.sandbox import wire
from ingest.sandbox.parse import Parsed, ParseJob
from ingest.settings import IngestSettings

GRACE_S = 1.0
"""A worker's own timer ends it at a job's limit; where it does not, the parent does, so much later."""
START_TIMEOUT_S = 30.0
_WATCH_S = 0.5
_BASE_MB = 256
"""What a worker holds before its first document, and some room for its allocator."""
_MEMORY_SHARE = 0.7
"""A worker that crashed while it held so much of its limit ran out of memory: native code cannot say so itself."""
_CRASHES = frozenset({signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGTRAP, signal.SIGILL, signal.SIGKILL})
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME")
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
"""A library's own threads would be there before the worker is confined, and stay free."""
_START = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from ingest.sandbox import worker
worker.main(sys.argv[2], int(sys.argv[3]))
"""


class ChildDiedError(Exception):
    """The worker is gone; `reason` says how it ended, `limit` what it used up, if that is why."""

    def __init__(self, reason: str, limit: Limit | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.limit = limit


class NonsenseError(ChildDiedError):
    """The worker says what no worker says: what it parsed last has taken it over, or we have a defect."""

    def __init__(self) -> None:
        super().__init__("it does not speak our language")


class Child:
    """One worker. Results come in the order of the jobs.

    Args:
        settings: Limits and sizes.

    Raises:
        OSError: If it cannot be started.
    """

    def __init__(self, settings: IngestSettings) -> None:
        self.layers: tuple[str, ...] = ()
        self._settings = settings
        self._seconds: list[float] = []  # Of each job that was sent.
        self._n_begun = 0
        self._has_retired = self._is_closed = self._is_splitting = False
        self._n_pages, self._is_in_page = 0, False  # Pictures read in the job at hand; whether one is being read.
        self._watched_n, self._watched_since = 0, time.monotonic()
        self._stopped_for: Limit | None = None
        # Text takes up to 4 bytes a character, and its spans and tokens about as much.
        self._max_message = 12 * settings.load.max_text_chars + 64 * 1024 * 1024
        # A process is said to have held what the one that started it held then, so less than that tells nothing.
        self._least_suspect_mb = max(_MEMORY_SHARE * settings.load.max_memory_mb, 1.1 * _peak_mb())
        self._start()
        self._to = _Pipe(cast(IO[bytes], self._process.stdin), self._wait)
        self._from = _Pipe(cast(IO[bytes], self._process.stdout), self._wait)

    def _start(self) -> None:
        self._begun_fd, begun_by_child = os.pipe()
        os.set_blocking(self._begun_fd, False)
        try:
            # Out of the terminal's foreground group: Ctrl-C is the parent's to handle, which then ends this process.
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    _START,
                    json.dumps([entry or os.getcwd() for entry in sys.path]),
                    self._settings.model_dump_json(),
                    str(begun_by_child),
                ],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=[begun_by_child],
                process_group=0,
                env=environment(os.environ),
            )
        except BaseException:
            os.close(self._begun_fd)
            raise
        finally:
            os.close(begun_by_child)

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended, nor is about to."""
        self.n_begun()
        return not self._has_retired and self._process.poll() is None

    def resume(self) -> None:
        """Let the clock of its next job begin now, not when its last one did."""
        self._watched_since = time.monotonic()

    @property
    def has_retired(self) -> bool:
        """Whether it ended of itself after a document, to make room for a fresh one; see `n_begun`."""
        return self._has_retired

    @property
    def is_splitting(self) -> bool:
        """Whether the document begun last is read and being split; see `n_begun`."""
        return self._is_splitting

    def is_ready(self, timeout_s: float = 0.0) -> bool:
        """Tell whether it said that it is ready; the first true answer takes that message.

        Raises:
            ChildDiedError: If it ended instead.
        """
        if not self._from.has_data(timeout_s):
            return False
        try:
            self.layers = wire.decode_ready(self._read())
        except ValueError as exc:
            raise NonsenseError from exc
        return True

    def send(self, job: ParseJob) -> None:
        """Hand over a job; waits only while the worker does not take it in.

        Raises:
            ChildDiedError: If it has ended.
        """
        self._seconds.append(self._settings.load.seconds_for(len(job.data)))
        try:
            wire.write(self._to, wire.encode_job(job))
        except OSError as exc:
            raise self._ending() from exc

    def receive(self) -> Parsed | IngestError:
        """Wait for the next result, at most for as long as the job in hand may take.

        Raises:
            ChildDiedError: If it ended before that.
            NonsenseError: If it says what cannot be understood, for the job whose result is next.
        """
        self.n_begun()  # A pipe that nobody empties is full some day.
        try:
            return wire.decode_result(self._read())
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as exc:
            raise NonsenseError from exc

    def has_result(self, timeout_s: float = 0.0) -> bool:
        """Tell whether a result has begun to come, or the end of the worker: then `receive` hardly waits."""
        if self._from.has_data(timeout_s):
            return True
        self._check_limits()
        return False

    def n_begun(self) -> int:
        """Return the number of jobs that it has begun."""
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._begun_fd, 65_536):
                for mark in data:
                    self._take_mark(bytes((mark,)))
        return self._n_begun

    def _take_mark(self, mark: bytes) -> None:
        """Note what the worker says between its results; see `worker.py`."""
        if mark == b".":
            self._n_begun += 1
            self._n_pages, self._is_in_page, self._is_splitting = 0, False, False
        elif mark == b"s":
            self._is_splitting = True
        elif mark == b"p":
            self._n_pages, self._is_in_page = self._n_pages + 1, True
        elif mark == b"q":
            self._is_in_page = False
        elif mark == b"r":
            self._has_retired = True

    def close(self) -> None:
        """End it, whatever it does: it owns nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        self._process.kill()
        self._process.wait()
        for pipe in (self._to, self._from):
            pipe.close()
        os.close(self._begun_fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self) -> wire.Parts:
        try:
            return wire.read(self._from, max_bytes=self._max_message)
        except (EOFError, OSError) as exc:
            raise self._ending() from exc

    def _wait(self, ready: select.poll) -> None:
        """Wait until a pipe can go on."""
        while not ready.poll(_WATCH_S * 1000):
            self._check_limits()

    def _check_limits(self) -> None:
        """End the worker if its job takes too long or too much."""
        n_begun, now = self.n_begun(), time.monotonic()
        if n_begun != self._watched_n:
            self._watched_n, self._watched_since = n_begun, now
        most = self._seconds[n_begun - 1] if 0 < n_begun <= len(self._seconds) else START_TIMEOUT_S
        most += self._n_pages * self._settings.load.ocr.max_seconds_per_page
        if now - self._watched_since > most + GRACE_S:
            self._stop("time")
        elif _resident_mb(self.pid) > self._settings.load.max_memory_mb + _BASE_MB:
            self._stop("memory")

    def _stop(self, limit: Limit) -> None:
        self._stopped_for = limit
        self._process.kill()  # Its pipes close, which is what `_wait` waits for.

    def _ending(self) -> ChildDiedError:
        """Say how it ended; it has closed its wires, so it has ended or is about to."""
        code, peak_mb = _wait_for(self._process)
        if code >= 0:
            return ChildDiedError(f"exit status {code}", self._stopped_for)
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        self.n_begun()
        limit = self._stopped_for
        if limit is None and -code == signal.SIGALRM:
            limit = "ocr_time" if self._is_in_page else "time"
        elif limit is None and -code in _CRASHES and peak_mb > self._least_suspect_mb:
            limit = "memory"
        return ChildDiedError(name, limit)


def environment(ours: Mapping[str, str]) -> dict[str, str]:
    """Return what a worker is told of the environment: where programs and libraries are, no keys, no passwords."""
    return {name: ours[name] for name in _PASSED_ON if name in ours} | _ONE_THREAD


def _peak_mb() -> float:
    """Return the most MB that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024)


def _resident_mb(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0  # Not Linux, or gone.
    return pages * os.sysconf("SC_PAGE_SIZE") / (1024 * 1024)


def _wait_for(process: subprocess.Popen[bytes]) -> tuple[int, float]:
    """Return a process's exit code as `Popen` has it, and the most MB that it held."""
    end = time.monotonic() + 5.0
    while process.returncode is None:
        try:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        except ChildProcessError:  # Where this program lets the system collect ended processes.
            return process.wait(), 0.0
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            unit = 1024 * 1024 if sys.platform == "darwin" else 1024
            return process.returncode, usage.ru_maxrss / unit
        if time.monotonic() > end:
            process.kill()
        time.sleep(0.005)
    return process.returncode, 0.0


class _Pipe:
    """A pipe to or from the worker that never waits for it without `wait`."""

    def __init__(self, stream: IO[bytes], wait: Callable[[select.poll], None]) -> None:
        self._stream = stream
        self._wait = wait
        self._fd = stream.fileno()
        # Filled again and again: a new megabyte for each read costs more than the read.
        self._room = memoryview(bytearray(wire.BUFFER_BYTES if stream.readable() else 0))
        self._first = self._last = 0
        self._ready = select.poll()
        self._ready.register(self._fd, select.POLLIN if stream.readable() else select.POLLOUT)
        os.set_blocking(self._fd, False)
        _widen(self._fd)

    def has_data(self, timeout_s: float) -> bool:
        return bool(self._first < self._last or self._ready.poll(timeout_s * 1000))

    def read(self, size: int) -> bytes:
        pieces: list[bytes] = []
        while size and self._fill():
            piece = bytes(self._room[self._first : min(self._last, self._first + size)])
            self._first += len(piece)
            size -= len(piece)
            pieces.append(piece)
        return b"".join(pieces)

    def _fill(self) -> bool:
        """See that there is something to take; returns False at the end."""
        while self._first == self._last:
            try:
                self._first, self._last = 0, os.readv(self._fd, [self._room])
            except BlockingIOError:
                self._wait(self._ready)
                continue
            return self._last > 0
        return True

    def write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:
                self._wait(self._ready)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.close()


def _widen(fd: int) -> None:
    """Make a pipe hold a megabyte where the system can: fewer turns to and fro for one message."""
    import fcntl

    with contextlib.suppress(OSError, AttributeError):
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, wire.BUFFER_BYTES)
