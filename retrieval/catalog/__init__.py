"""The truth: collections, documents, versions, chunks, vectors, jobs, uploads, keys and traces in one SQLite file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from retrieval.catalog.answers import AnswerTable, TraceRecord
from retrieval.catalog.collections import CollectionTable
from retrieval.catalog.database import Database
from retrieval.catalog.documents import DocumentTable, DocumentText, KnownSource
from retrieval.catalog.job_record import JobRecord
from retrieval.catalog.job_steps import JobDone
from retrieval.catalog.jobs import JobTable
from retrieval.catalog.keys import ApiKey, KeyTable
from retrieval.catalog.replies import KeptReply, ReplyTable
from retrieval.catalog.sources import LiveVersion, Move, SourceTable
from retrieval.catalog.store_files import StoreCounts, StoreFile, StoreFileTable
from retrieval.catalog.uploads import FileRecord, UploadTable
from retrieval.catalog.vectors import VectorTable, vector_key
from retrieval.catalog.versions import BuiltVersion, Leftover, NewVersion, VersionTable

__all__ = [
    "ApiKey",
    "BuiltVersion",
    "Catalog",
    "DocumentText",
    "FileRecord",
    "JobDone",
    "JobRecord",
    "KeptReply",
    "KnownSource",
    "Leftover",
    "LiveVersion",
    "Move",
    "NewVersion",
    "StoreCounts",
    "StoreFile",
    "TraceRecord",
    "vector_key",
]


class Catalog(CollectionTable, DocumentTable, VersionTable, SourceTable, VectorTable):
    """Everything that may not be lost; the indexes follow it.

    Args:
        path: The SQLite file; created when missing.

    Raises:
        CatalogError: If it cannot be opened; see `database.py`.
    """

    def __init__(self, path: Path) -> None:
        self._db = Database(path)
        self.keys = KeyTable(self._db)
        self.answers = AnswerTable(self._db)
        self.jobs = JobTable(self._db)
        self.uploads = UploadTable(self._db)
        self.replies = ReplyTable(self._db)
        self.store_files = StoreFileTable(self._db)

    def check(self) -> None:
        """Raise CatalogError if the file is damaged."""
        self._db.check()

    @contextmanager
    def unchanging(self) -> Iterator[None]:
        """Let nothing be written while a block runs; for milliseconds, as all who write wait."""
        with self._db.standstill():
            yield

    def checkpoint(self) -> None:
        """Bring what is committed from SQLite's log into its file, which no commit then has to."""
        self._db.checkpoint()

    def close(self) -> None:
        """Close every connection."""
        self._db.close()
