"""A `VectorStore` whose Chroma runs in another process."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from retrieval.chroma_process.process import KIND, SPARES, ChromaProcess, ProcessDiedError
from retrieval.errors import DataFolderOwnedError, Message, VectorStoreError
from retrieval.models import Chunk, Hit
from retrieval.protocols import Vectors

_log = logging.getLogger(__name__)


class ChromaProcessStore:
    """Chroma, embedded in a folder, in a process that this one starts and ends.

    Each call may be made again without harm, and is, once, when the process ends meanwhile: what it had acknowledged is
    on the disk.

    Args:
        folder: Where the store lies.
        keep_texts: As `ChromaStore` has it.

    Raises:
        VectorStoreError: If it cannot be opened.
        DataFolderOwnedError: If another process has not let go of it.
    """

    def __init__(self, folder: Path, *, keep_texts: bool = True) -> None:
        self._folder = folder
        self._keep_texts = keep_texts
        self._lock = threading.Lock()
        self._process: ChromaProcess | None = None
        self._running()

    @property
    def pid(self) -> int | None:
        """The process's id; None once it is closed."""
        return None if self._process is None else self._process.pid

    def add(self, collection_id: str, chunks: Sequence[Chunk], vectors: Vectors) -> None:
        """Add chunks with their vectors, (len(chunks), dim) float32; one that is there stays as it is."""
        self._call("add", collection_id, chunks, vectors)

    def upsert(self, collection_id: str, chunks: Sequence[Chunk], vectors: Vectors) -> None:
        """Add or overwrite chunks with their vectors, (len(chunks), dim) float32."""
        self._call("upsert", collection_id, chunks, vectors)

    def delete(self, collection_id: str, chunk_ids: Sequence[str]) -> None:
        """Forget chunks."""
        self._call("delete", collection_id, chunk_ids)

    def search(
        self, collection_id: str, vector: Vectors, *, top_k: int, document_ids: Sequence[str] | None = None
    ) -> list[Hit]:
        """Return the nearest chunks to a (dim,) float32 vector, score = cosine, best first, ties by chunk_id."""
        hits: list[Hit] = self._call("search", collection_id, vector, top_k=top_k, document_ids=document_ids)
        return hits

    @contextmanager
    def searching(
        self, collection_id: str, vector: Vectors, *, top_k: int, document_ids: Sequence[str] | None = None
    ) -> Iterator[Callable[[], list[Hit]]]:
        """As `search`, beside what a block does."""

        def search() -> list[Hit]:
            return self.search(collection_id, vector, top_k=top_k, document_ids=document_ids)

        try:
            question = self._running().ask("search", collection_id, vector, top_k=top_k, document_ids=document_ids)
        except VectorStoreError:
            yield search  # Which says so to whom it concerns.
            return

        def hits() -> list[Hit]:
            try:
                outcome, value = question.answer()
            except ProcessDiedError:
                return search()
            found: list[Hit] = self._value("search", outcome, value)
            return found

        try:
            yield hits
        finally:
            question.close()

    def nearest(self, collection_id: str, vectors: Vectors) -> list[Hit | None]:
        """Return the nearest chunk to each of (n, dim) float32 vectors, None if nothing is stored."""
        hits: list[Hit | None] = self._call("nearest", collection_id, vectors)
        return hits

    def chunk_ids(self, collection_id: str) -> set[str]:
        """Return every chunk id stored."""
        found: set[str] = self._call("chunk_ids", collection_id)
        return found

    def count(self, collection_id: str) -> int:
        """Return the number of chunks stored."""
        return int(self._call("count", collection_id))

    def collection_ids(self) -> set[str]:
        """Return the ids of the collections that have anything here."""
        found: set[str] = self._call("collection_ids")
        return found

    def drop(self, collection_id: str) -> None:
        """Forget a whole collection."""
        self._call("drop", collection_id)

    def check(self) -> None:
        """Raise VectorStoreError if the store does not answer."""
        self._call("check")

    def close(self) -> None:
        """Release the files; the process stays a while for the next folder."""
        with self._lock:
            process, self._process = self._process, None
        if process is None:
            return
        try:
            outcome, value = process.call("close")
        except ProcessDiedError:
            process.end()
            return
        SPARES.keep(KIND, process)
        self._value("close", outcome, value)

    def _call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        try:
            outcome, value = self._running().call(name, *args, **kwargs)
        except ProcessDiedError as died:
            _log.warning("Chroma's process ended (%s) in %r; it is started again.", died, name)
            try:
                outcome, value = self._running().call(name, *args, **kwargs)
            except ProcessDiedError as again:
                raise self._failed(f"its process ended twice ({died}, {again})") from again
        return self._value(name, outcome, value)

    def _running(self) -> ChromaProcess:
        """Return the process that has the store open: the one there is, or a new one."""
        with self._lock:
            if self._process is None or not self._process.is_spare:
                self._process = self._open()
            return self._process

    def _open(self) -> ChromaProcess:
        try:
            process = SPARES.take(KIND) or ChromaProcess()
        except OSError as exc:
            raise self._failed(f"its process cannot be started ({exc})") from exc
        lock = self._folder.with_suffix(".lock")
        try:
            self._value("open", *process.call("open", self._folder, lock, self._keep_texts))
        except ProcessDiedError as died:
            raise self._failed(f"its process ended ({died})") from died
        except BaseException:
            process.end()
            raise
        return process

    def _value(self, name: str, outcome: str, value: Any) -> Any:
        """Return what a call returned, or raise what it raised."""
        if outcome == "done":
            return value
        if outcome == "failed":
            message, hint = value
            raise VectorStoreError(message, hint=hint)
        if outcome == "locked":
            raise _locked(self._folder)
        raise RuntimeError(f"{name!r} failed in Chroma's process:\n{value}")

    def _failed(self, reason: str) -> VectorStoreError:
        return VectorStoreError(
            Message(
                f"Chroma at {str(self._folder)!r} failed: {reason}.", f"Chroma（{str(self._folder)!r}）出错：{reason}。"
            ),
            hint=Message(
                "Check that the machine has memory left; `huozi doctor --repair` rebuilds the store from the catalog.",
                "请检查内存是否够用；`huozi doctor --repair` 可从目录库重建。",
            ),
        )


def _locked(folder: Path) -> DataFolderOwnedError:
    return DataFolderOwnedError(
        Message(
            f"Chroma's files in {str(folder)!r} are still in use by another process.",
            f"另一个进程仍在使用 {str(folder)!r} 中的 Chroma 文件。",
        ),
        hint=Message(
            "Wait a moment; where it stays, end the process that holds the lock file beside that folder.",
            "请稍候再试；若仍如此，请结束占用该目录旁锁文件的进程。",
        ),
    )
