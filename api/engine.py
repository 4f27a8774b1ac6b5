"""What commands need done, here or by the process that owns the data folder.

`LocalEngine` opens the folder; `RemoteEngine` asks its owner over HTTP. Both return the contract's JSON objects, so a
command cannot tell them apart.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from api.settings import Settings
    from assistant.events import Turn
    from ingest.report import IngestProgress, IngestReport

Json = dict[str, Any]

PATIENCE_S = 3.0
"""How long to wait for another command to give the data folder back."""
PAUSE_S = 0.1

PLAIN_CALLS = frozenset(
    {
        "search",
        "list_collections",
        "show_collection",
        "create_collection",
        "delete_collection",
        "list_documents",
        "show_document",
        "delete_document",
        "list_jobs",
        "show_job",
        "cancel_job",
        "retry_job",
        "list_keys",
        "create_key",
        "revoke_key",
        "check",
    }
)
"""Methods of `Engine` that take JSON and return JSON at once; the owner answers each under its name."""


class Engine(Protocol):
    """What commands need; every method may raise HuoziError. Use it with `with`."""

    def ingest(
        self,
        paths: Sequence[str],
        collection: str,
        *,
        delete_missing: bool = False,
        allow_empty: bool = False,
        ocr: bool = False,
        progress: Callable[[IngestProgress], None] | None = None,
    ) -> IngestReport:
        """Bring files and folders into a collection."""

    def ask(self, question: str, history: Sequence[Turn], collection: str, *, trace: bool = False) -> Iterator[Json]:
        """Answer as events: `sources`, then `text`, `trace` if asked for, last `done` with the whole `answer`."""

    def search(self, question: str, collection: str, top_k: int, filters: Mapping[str, str]) -> Json:
        """Return the contract's search object."""

    def list_collections(self) -> list[Json]:
        """Return every collection."""

    def show_collection(self, name: str) -> Json:
        """Return one collection."""

    def create_collection(self, name: str) -> Json:
        """Create an empty collection."""

    def delete_collection(self, name: str) -> Json:
        """Delete a collection with all it holds; returns what it was."""

    def list_documents(self, collection: str) -> list[Json]:
        """Return a collection's documents."""

    def show_document(self, document: str, collection: str) -> Json:
        """Return a document by id, or by source within the collection, with its `text`."""

    def delete_document(self, document: str, collection: str) -> Json:
        """Delete a document, named as in `show_document`; returns what it was."""

    def list_jobs(self, collection: str | None, states: Sequence[str], limit: int) -> list[Json]:
        """Return jobs, newest first: of all collections where none is named, in any state where none is."""

    def show_job(self, job_id: str) -> Json:
        """Return one job."""

    def cancel_job(self, job_id: str) -> Json:
        """End a job that has not ended; returns it."""

    def retry_job(self, job_id: str) -> Json:
        """Try a failed job again; without a service it is done when this returns, and so is all else that waits."""

    def list_keys(self) -> list[Json]:
        """Return every API key, without secrets."""

    def create_key(self, name: str) -> Json:
        """Create an API key; the only time that its `secret` is told."""

    def revoke_key(self, key_id: str) -> Json:
        """Make an API key unusable."""

    def check(self, repair: bool) -> Json:
        """Compare catalog, indexes and files; mend if asked."""

    def __enter__(self) -> Self:
        """Return the engine."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give everything back."""


def open_engine(settings: Settings, *, purpose: str) -> Engine:
    """Open the data folder, or reach the service that owns it; another command is waited for, since most are short.

    Raises:
        DataFolderOwnedError: If its owner is no service and goes on.
        HuoziError: If it cannot be opened.
    """
    from api.local_engine import LocalEngine
    from api.wiring import build
    from retrieval.errors import DataFolderOwnedError
    from retrieval.owner import read_owner

    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return LocalEngine(build(settings, purpose=purpose))
        except DataFolderOwnedError:
            owner = read_owner(settings.data_dir.expanduser().resolve())
            if owner is not None and owner.url is not None:
                from api.remote_engine import RemoteEngine

                return RemoteEngine(owner)
            if time.monotonic() >= deadline:
                raise
            time.sleep(PAUSE_S)
