"""Everything under one data folder, opened once in one process.

DATA_DIR/
  catalog.db        the truth
  originals/        files as they came, by content hash
  keyword/, chroma/ derived; rebuilt from the catalog when they are lost
  models/           the converted default embedder
  owner.lock, owner.json, chroma.lock
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import ClassVar

from retrieval.catalog import Catalog
from retrieval.doctor import check_indexes, tidy
from retrieval.embedders import known_dim, load_embedder
from retrieval.embedders.lazy import LazyEmbedder
from retrieval.errors import CollectionExistsError, HuoziError, KeywordIndexError, VectorStoreError
from retrieval.keyword.index import TantivyIndex
from retrieval.models import Collection
from retrieval.originals import Originals, unwritable
from retrieval.owner import OwnerLock
from retrieval.protocols import Embedder, KeywordIndex, VectorStore
from retrieval.python_process import can_start
from retrieval.retriever import Retriever, check_embedder
from retrieval.settings import RetrievalSettings

_log = logging.getLogger(__name__)


class DataFolder:
    """An open data folder; get one with `DataFolder.open`, give it back with `close` or `with`.

    Attributes:
        settings: As opened.
        catalog: The truth.
        originals: Original files.
        keyword: The keyword index.
        vectors: The vector store; None with the embedder `none`.
        embedder: Loaded by its first text; None with `none`.
        retriever: Searches all of it.
        writing: Held while a batch is written or documents are deleted: one at a time. Nothing is parsed or embedded
            meanwhile.
        answers_meanwhile: Whether this process answers questions while something is written: set by a service, which
            then gets short writes (docs/ingestion.md).
    """

    _open: ClassVar[dict[Path, DataFolder]] = {}
    _open_lock: ClassVar[threading.RLock] = threading.RLock()

    def __init__(self, settings: RetrievalSettings, *, purpose: str, url: str | None = None) -> None:
        self.settings = settings
        self.path = settings.data_dir.expanduser().resolve()
        self.writing = threading.RLock()
        self._syncing: dict[str, threading.RLock] = {}
        self._n_runs = 0
        self._runs_lock = threading.Lock()
        self.answers_meanwhile = False
        self._users = 0
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise unwritable(self.path, exc) from exc
        self._lock = OwnerLock(self.path, purpose=purpose, url=url)
        try:
            self._open_parts()
        except BaseException:
            self._lock.release()
            raise

    @classmethod
    def open(cls, settings: RetrievalSettings, *, purpose: str = "python", url: str | None = None) -> DataFolder:
        """Open a data folder, or share the one that this process has open.

        Args:
            settings: Where it lies and what works on it.
            purpose: What this process does, for another's error message.
            url: Where this process will answer over HTTP.

        Raises:
            DataFolderOwnedError: If another process has it open.
            DataFolderError: If it cannot be created or written.
            CatalogError: If its catalog cannot be used.
        """
        path = settings.data_dir.expanduser().resolve()
        with cls._open_lock:
            folder = cls._open.get(path)
            if folder is None:
                folder = cls._open[path] = cls(settings, purpose=purpose, url=url)
            folder._users += 1
            return folder

    def close(self) -> None:
        """Give the folder back; it is closed when its last user in this process has done so."""
        with self._open_lock:
            self._users -= 1
            if self._users > 0 or self._open.pop(self.path, None) is None:
                return
            self.keyword.close()
            if self.vectors is not None:
                self.vectors.close()
            self.catalog.close()
            self._lock.release()

    @property
    def owner_token(self) -> str:
        """What the command line shows to this process, should it be the service."""
        return self._lock.owner.token

    def collection(self, name: str, *, create: bool = False) -> Collection:
        """Return a collection that the configured embedder may write to.

        Raises:
            CollectionNotFoundError: If there is none and `create` is false.
            EmbedderMismatchError: If it was built with another embedder.
        """
        if create and name not in {known.name for known in self.catalog.list_collections()}:
            with suppress(CollectionExistsError):  # Somebody else has just made it.
                return self.create_collection(name)
        found = self.catalog.get_collection(name)
        check_embedder(found, self.settings.embedder)
        return found

    def create_collection(self, name: str) -> Collection:
        """Create a collection for the configured embedder.

        Raises:
            CollectionExistsError: If the name is taken.
            CollectionNameError: If the name cannot be used.
        """
        dim = known_dim(self.settings.embedder)
        if dim is None:
            dim = 0 if self.embedder is None else self.embedder.dim
        return self.catalog.create_collection(name, self.settings.embedder, dim)

    def delete_document(self, document_id: str) -> None:
        """Delete a document; no search shows it once this returns.

        Raises:
            DocumentNotFoundError: If there is none.
        """
        self.delete_documents([self.catalog.get_document(document_id).document_id])

    def delete_documents(self, document_ids: list[str]) -> None:
        """Delete documents by their ids; final before the indexes are told."""
        if not document_ids:
            return
        with self.writing:
            hashes = self.catalog.retire_documents(document_ids)
            self.catalog.jobs.changes.bump()
            self.sweep_leftovers()
            self.originals.remove_unused([one for one in hashes if one], self.catalog.wanted_hashes)

    @contextmanager
    def syncing(self, collection_id: str) -> Iterator[None]:
        """Let one folder's run into a collection at a time, so that what was read first is not written last."""
        with self._runs_lock:
            lock = self._syncing.setdefault(collection_id, threading.RLock())
        with lock, self.bringing_in():
            yield

    @contextmanager
    def bringing_in(self) -> Iterator[None]:
        """Count who brings documents in: what only one of them needs is not tidied away by another."""
        self._count_runs(1)
        try:
            yield
        finally:
            self._count_runs(-1)

    def sweep_leftovers(self) -> None:
        """Take out what was replaced or deleted, and what a write left that failed; only who holds `writing` may.

        None of it is visible. Where an index cannot be told, the next write, a service's next look or the next start
        does it; a keyword index that cannot be written is made again.
        """
        try:
            tidy(self)
        except HuoziError as error:
            _log.warning("The indexes forget what is not visible any more later: %s", error)

    def forget_orphans(self) -> None:
        """Delete vectors that no chunk uses, unless somebody may still be on the way to use them."""
        with self._runs_lock:
            is_busy = self._n_runs > 1
        counts = self.catalog.jobs.count()
        if not is_busy and not counts.get("queued") and not counts.get("running"):
            self.catalog.forget_orphans()

    def delete_collection(self, name: str) -> None:
        """Delete a collection with all it holds.

        Raises:
            CollectionNotFoundError: If there is none.
        """
        collection = self.catalog.get_collection(name)
        hashes = {document.content_hash for document in self.catalog.list_documents(collection.collection_id)}
        hashes |= {job.content_hash for job in self.catalog.jobs.find(collection_id=collection.collection_id)}
        with self.writing:
            self.catalog.remove_collection(collection.collection_id)
            self.catalog.jobs.changes.bump()
            self.sweep_leftovers()
            self.originals.remove_unused(hashes, self.catalog.wanted_hashes)

    def _count_runs(self, change: int) -> None:
        with self._runs_lock:
            self._n_runs += change

    def __enter__(self) -> DataFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open_parts(self) -> None:
        settings = self.settings
        if settings.embedder != "none" and settings.chroma_url is None:
            from retrieval.chroma_process.process import prepare

            prepare()
        self.catalog = Catalog(self.path / "catalog.db")
        self.originals = Originals(self.path / "originals")
        self.keyword: KeywordIndex = TantivyIndex(self.path / "keyword")
        self.embedder = None if settings.embedder == "none" else LazyEmbedder(settings.embedder, self._load_embedder)
        self.vectors = None if self.embedder is None else self._open_vectors()
        self.retriever = Retriever(self.catalog, self.keyword, self.vectors, self.embedder, settings.ranking)
        self._recover()

    def _load_embedder(self) -> Embedder:
        key = self.settings.embedder_api_key
        embedder = load_embedder(
            self.settings.embedder,
            base_url=self.settings.embedder_base_url,
            api_key=key.get_secret_value() if key else None,
        )
        if embedder is None:
            raise AssertionError("`none` is handled before anything is loaded")
        return embedder

    def _open_vectors(self) -> VectorStore:
        place, keep_texts = self.path / "chroma", self.settings.chroma_texts
        if self.settings.chroma_url is not None:
            from retrieval.chroma import ChromaStore

            return ChromaStore(place, url=self.settings.chroma_url, keep_texts=keep_texts)
        try:
            return _open_chroma(place, keep_texts=keep_texts)
        except VectorStoreError:
            # Derived data that cannot be opened is put aside and made again from the catalog.
            try:
                place.rename(place.with_name(f"chroma.broken-{int(time.time())}"))
            except OSError as exc:
                raise unwritable(place, exc) from exc
            return _open_chroma(place, keep_texts=keep_texts)

    def _recover(self) -> None:
        """Make the indexes follow the catalog after a crash, a lost folder or a lost write."""
        if gone := tidy(self):
            _log.warning(
                "Mended at the start: %d versions that were not finished, or not taken out, are gone.", len(gone)
            )
        if n_jobs := self.catalog.jobs.requeue_running(now=time.time()):
            _log.warning("Mended at the start: %d jobs that were under way are queued again.", n_jobs)
        self.originals.sweep(self.catalog.wanted_hashes())
        collections = self.catalog.list_collections()
        known = {collection.collection_id for collection in collections}
        for stray in self.keyword.collection_ids() - known:
            self.keyword.drop(stray)
        # A Chroma server may serve others: only in our own folder is an unknown collection a leftover.
        if self.vectors is not None and self.settings.chroma_url is None:
            for stray in self.vectors.collection_ids() - known:
                self.vectors.drop(stray)
        for collection in collections:
            if not self._agrees(collection):
                for problem in check_indexes(self, collection, repair=True):
                    done = "mended from the catalog" if problem.mended else "cannot be mended"
                    where = (problem.kind, len(problem.ids), collection.name)
                    _log.warning("At the start: %s, %d chunks of collection %r: %s.", *where, done)

    def _agrees(self, collection: Collection) -> bool:
        try:
            n_indexed, _ = self.keyword.frequencies(collection.collection_id, ())
        except KeywordIndexError:
            return False
        if n_indexed != collection.n_chunks:
            return False
        if self.vectors is None or collection.embedder == "none":
            return True
        return self.vectors.count(collection.collection_id) == collection.n_chunks


def _open_chroma(place: Path, *, keep_texts: bool) -> VectorStore:
    """Open Chroma's embedded store: in a process of its own, where this one can start another."""
    if can_start():
        from retrieval.chroma_process.store import ChromaProcessStore

        return ChromaProcessStore(place, keep_texts=keep_texts)
    from retrieval.chroma import ChromaStore

    return ChromaStore(place, keep_texts=keep_texts)
