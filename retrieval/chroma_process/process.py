"""This process's hold on the one in which Chroma runs."""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import socket
import subprocess
import weakref
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Any, Literal

from retrieval.python_process import can_start, command
from retrieval.spares import Spares

LINKS = 4
"""Most calls at a time: more would wait for Python's lock there instead."""
HOST = "retrieval.chroma_process.host"
_END_S = 10.0

Outcome = Literal["done", "failed", "locked", "broken"]


class ProcessDiedError(Exception):
    """The process is gone; says how it ended."""


class ChromaProcess:
    """A process that has Chroma loaded, or is about to.

    Raises:
        OSError: If it cannot be started.
    """

    def __init__(self) -> None:
        ends = [socket.socketpair() for _ in range(LINKS)]
        lifeline, ours = os.pipe()
        theirs = [lifeline, *(end.fileno() for _, end in ends)]
        try:
            # Out of the terminal's foreground group: Ctrl-C is ours to handle.
            self._process = subprocess.Popen(
                command(HOST, *map(str, theirs)),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=theirs,
                process_group=0,
            )
        except BaseException:
            os.close(ours)
            for end, _ in ends:
                end.close()
            raise
        finally:
            os.close(lifeline)
            for _, end in ends:
                end.close()
        self._links: queue.LifoQueue[Connection] = queue.LifoQueue()
        for end, _ in ends:
            self._links.put(Connection(end.detach()))
        self._end = weakref.finalize(self, _end, self._process, ours, os.getpid())

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def is_spare(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def resume(self) -> bool:
        """Tell whether it has not ended."""
        return self.is_spare

    def end(self) -> None:
        """Kill it, whatever it does."""
        self._end()

    def ask(self, name: str, *args: Any, **kwargs: Any) -> Question:
        """Begin a call; waits only while all links are in use."""
        return Question(self, self._links, (name, args, kwargs))

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Outcome, Any]:
        """Make a call and wait for what becomes of it.

        Raises:
            ProcessDiedError: If the process has ended, or does meanwhile.
        """
        return self.ask(name, *args, **kwargs).answer()

    def ending(self) -> ProcessDiedError:
        """Say how it ended; it has closed its links, so it has ended or is about to."""
        try:
            code = self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self.end()
            return ProcessDiedError("it does not listen any more")
        if code >= 0:
            return ProcessDiedError(f"exit status {code}")
        is_known = -code in set(signal.Signals)
        return ProcessDiedError(signal.Signals(-code).name if is_known else f"signal {-code}")


class Question:
    """A call under way; whoever makes one waits for its answer, or closes it.

    Args:
        process: Who is asked.
        links: Where a link is taken from, and given back to.
        call: Name and arguments.
    """

    def __init__(self, process: ChromaProcess, links: queue.LifoQueue[Connection], call: tuple[Any, ...]) -> None:
        self._process = process
        self._links = links
        self._link: Connection | None = links.get()
        self._is_sent = False
        with self._exchange():
            with contextlib.suppress(OSError):  # The process has ended, as its answer will say.
                self._link.send_bytes(pickle.dumps(call, protocol=5))
            self._is_sent = True

    def answer(self) -> tuple[Outcome, Any]:
        """Wait for what becomes of the call; to be asked once.

        Raises:
            ProcessDiedError: If the process has ended.
        """
        assert self._link is not None
        try:
            with self._exchange():
                outcome: tuple[Outcome, Any] = pickle.loads(self._link.recv_bytes())
                return outcome
        except (EOFError, OSError) as exc:
            raise self._process.ending() from exc
        finally:
            self._give_back()

    def close(self) -> None:
        """Wait for an answer that nobody waited for."""
        if self._link is not None:
            with contextlib.suppress(ProcessDiedError):
                self.answer()

    @contextlib.contextmanager
    def _exchange(self) -> Iterator[None]:
        """End the process where half a message was sent or read: what is next on this link nobody could tell."""
        try:
            yield
        except (EOFError, OSError):
            raise
        except BaseException:
            self._process.end()
            if not self._is_sent:
                self._give_back()
            raise

    def _give_back(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            self._links.put(link)


def _end(process: subprocess.Popen[bytes], lifeline: int, owner: int) -> None:
    os.close(lifeline)
    if os.getpid() == owner:  # Not in a process that was forked from it.
        process.kill()
        process.wait()


SPARES: Spares[ChromaProcess] = Spares()
"""Those of folders that were closed, and those that were prepared: any of them can open any folder."""
KIND = "chroma"


def prepare() -> None:
    """Start a process for a folder that is about to be opened: it takes the better part of a second to load Chroma."""
    if can_start() and not SPARES.has(KIND):
        with contextlib.suppress(OSError):  # Whoever needs it says so.
            SPARES.keep(KIND, ChromaProcess())
