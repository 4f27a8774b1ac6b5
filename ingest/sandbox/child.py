"""The parent's hold on one worker process."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast

from ingest.errors import IngestError
from ingest.sandbox import wire
from ingest.sandbox.parse import Parsed, ParseJob
from ingest.settings import IngestSettings

_START = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from ingest.sandbox import worker
worker.main(sys.argv[2], int(sys.argv[3]))
"""


class ChildDiedError(Exception):
    """The worker is gone; `reason` says how it ended."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def can_start() -> bool:
    """Tell whether this interpreter can start another: not where it is frozen or built into a program."""
    name = Path(sys.executable or "").name.lower()
    return not getattr(sys, "frozen", False) and name.startswith(("python", "pypy"))


class Child:
    """One worker. Results come in the order of the jobs.

    Args:
        settings: Limits and sizes.

    Raises:
        OSError: If it cannot be started.
    """

    def __init__(self, settings: IngestSettings) -> None:
        self._begun_fd, begun_by_child = os.pipe()
        os.set_blocking(self._begun_fd, False)
        self._n_begun = 0
        self._is_closed = False
        try:
            # Out of the terminal's foreground group: Ctrl-C is the parent's to handle, which then ends this process.
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    _START,
                    json.dumps([entry or os.getcwd() for entry in sys.path]),
                    settings.model_dump_json(),
                    str(begun_by_child),
                ],
                bufsize=wire.BUFFER_BYTES,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=[begun_by_child],
                process_group=0,
            )
        except BaseException:
            os.close(self._begun_fd)
            raise
        finally:
            os.close(begun_by_child)
        self._to = cast(BinaryIO, self._process.stdin)
        self._from = cast(BinaryIO, self._process.stdout)
        _widen(self._to)
        _widen(self._from)

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def is_ready(self, timeout_s: float = 0.0) -> bool:
        """Tell whether it said that it is ready; the first true answer takes that message.

        Raises:
            ChildDiedError: If it ended instead.
        """
        if not select.select([self._from], [], [], timeout_s)[0]:
            return False
        if self._read() != wire.READY:
            raise ChildDiedError("it does not speak our language")
        return True

    def send(self, job: ParseJob) -> None:
        """Hand over a job; never waits for one to be finished.

        Raises:
            ChildDiedError: If it has ended.
        """
        try:
            wire.write(self._to, wire.encode_job(job))
        except OSError as exc:
            raise ChildDiedError(self._ending()) from exc

    def receive(self) -> Parsed | IngestError:
        """Wait for the next result.

        Raises:
            ChildDiedError: If it ended before that.
        """
        self.n_begun()  # A pipe that nobody empties is full some day.
        return wire.decode_result(self._read())

    def n_begun(self) -> int:
        """Return the number of jobs that it has begun."""
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._begun_fd, 65_536):
                self._n_begun += len(data)
        return self._n_begun

    def close(self) -> None:
        """End it, whatever it does: it owns nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        self._process.kill()
        self._process.wait()
        for stream in (self._to, self._from):
            with contextlib.suppress(OSError):  # Bytes that nobody will read.
                stream.close()
        os.close(self._begun_fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self) -> wire.Parts:
        try:
            return wire.read(self._from)
        except (EOFError, OSError) as exc:
            raise ChildDiedError(self._ending()) from exc

    def _ending(self) -> str:
        """Say how it ended; it has closed its wires, so it has ended or is about to."""
        try:
            code = self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        if code >= 0:
            return f"exit status {code}"
        try:
            return signal.Signals(-code).name
        except ValueError:
            return f"signal {-code}"


def _widen(stream: BinaryIO) -> None:
    """Make a pipe hold a megabyte where the system can: fewer turns to and fro for one message."""
    import fcntl

    with contextlib.suppress(OSError, AttributeError):
        fcntl.fcntl(stream.fileno(), fcntl.F_SETPIPE_SZ, wire.BUFFER_BYTES)
