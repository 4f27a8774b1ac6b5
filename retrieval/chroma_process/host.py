"""The process in which Chroma runs: takes calls, makes them on a `ChromaStore`, sends back what they return.

It is started as `python -c`, not by `multiprocessing`, which would import the user's main script again. There is a
thread for each link, so that one search need not wait for another. It ends when its parent has ended, however that
ended, also while Chroma holds Python's lock.
"""

from __future__ import annotations

import fcntl
import gc
import os
import pickle
import signal
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from retrieval.chroma import ChromaStore, load_chroma
from retrieval.errors import VectorStoreError

READS = frozenset({"search", "nearest", "chunk_ids", "count", "collection_ids", "check"})
PATIENCE_S = 0.25
"""What is to be written waits for those who read, but not for ever."""
LOCK_TIMEOUT_S = 30.0
"""The process of an owner that was killed ends with it, but maybe not before the next owner has opened the folder."""


def main(lifeline: str, *links: str) -> None:
    """Work until the parent closes its ends.

    Args:
        lifeline: File descriptor of a pipe whose other end only the parent has: closed once that has ended.
        links: File descriptors of sockets on which calls come.
    """
    # Ctrl-C, and a stop of the whole group, are the parent's to handle: it may need Chroma for what it does then.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    end_with(int(lifeline))
    load_chroma()
    gc.collect()
    gc.freeze()  # What is loaded stays: each full collection would look at it again.
    host = Host()
    threads = [
        threading.Thread(target=_serve, args=(host, Connection(int(link))), name=f"link-{link}") for link in links
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def end_with(lifeline: int) -> None:
    """End this process as soon as a pipe is closed at its other end."""
    # The kernel's signal ends it also in the middle of native code; where its default is to do nothing (macOS), and for
    # a parent that is gone already, the thread does it.
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    threading.Thread(target=_watch, args=(lifeline,), daemon=True).start()


def _watch(lifeline: int) -> None:
    os.read(lifeline, 1)
    os._exit(0)


def _serve(host: Host, link: Connection) -> None:
    """Answer what comes on a link, until it is closed."""
    while True:
        try:
            name, args, kwargs = pickle.loads(link.recv_bytes())
        except (EOFError, OSError):
            return
        reply = pickle.dumps(host.reply(name, args, kwargs), protocol=5)
        try:
            link.send_bytes(reply)
        except OSError:
            return


class Precedence:
    """Lets who reads go before who writes.

    A search needs Python's lock several times, and gives it away in between. Were the next write to take it there, the
    search would wait for the whole of that too, after the write that it has waited for already.
    """

    def __init__(self) -> None:
        self._n_reading = 0
        self._changed = threading.Condition()

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Be one who makes a call of that name."""
        if name not in READS:
            with self._changed:
                self._changed.wait_for(lambda: self._n_reading == 0, PATIENCE_S)
            yield
            return
        with self._changed:
            self._n_reading += 1
        try:
            yield
        finally:
            with self._changed:
                self._n_reading -= 1
                self._changed.notify_all()


class Host:
    """Holds the store that is open; one at a time."""

    def __init__(self) -> None:
        self._store: ChromaStore | None = None
        self._lock: FileLock | None = None
        self._precedence = Precedence()

    def reply(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str, Any]:
        """Return what became of a call: `("done", value)`, or how it failed and the details."""
        try:
            if name in ("open", "close"):
                return "done", getattr(self, name)(*args)
            if self._store is None:
                raise RuntimeError(f"{name!r} was called before a store was open")
            with self._precedence.of(name):
                return "done", getattr(self._store, name)(*args, **kwargs)
        except VectorStoreError as error:
            return "failed", (error.message, error.hint)
        except Timeout:
            return "locked", None
        except Exception:
            return "broken", traceback.format_exc()

    def open(self, folder: Path, lock: Path, keep_texts: bool) -> None:
        """Open a store as nobody else does; there must be none open.

        Raises:
            VectorStoreError: If it cannot be opened.
            Timeout: If another process does not let go of it.
        """
        held = FileLock(lock, timeout=LOCK_TIMEOUT_S, thread_local=False)
        held.acquire()
        try:
            self._store = ChromaStore(folder, keep_texts=keep_texts)
        except BaseException:
            held.release()
            raise
        self._lock = held

    def close(self) -> None:
        """Close it, so that another can be opened."""
        store, self._store = self._store, None
        held, self._lock = self._lock, None
        try:
            if store is not None:
                store.close()
        finally:
            if held is not None:
                held.release()
