"""Vectors in Chroma: the only file that imports chromadb.

A Chroma collection is named by our collection id and stays readable by stock `langchain_chroma.Chroma`: the chunk's
text is the record's document, its place is the metadata. We search by vector alone and read texts from the catalog, so
the texts may be left out.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from retrieval.errors import Message, VectorStoreError
from retrieval.models import Chunk, Hit
from retrieval.protocols import Vectors

# Chroma's own annotations refuse what its documentation shows (lists in `$in`, float32 rows).
ClientAPI = Any
ChromaCollection = Any

# Chroma's embedded engine holds Python's lock for a whole call, and each call reads again what came since the last sync
# to disk, by default after 1,000 records (measured on 1.5.9). So a sync for about every call: 128 records a call take
# half as long again without it. How many go in a call is for the caller to say, who knows who waits; these are the
# most, for the engine (which refuses more than 5,461) and for one request's body.
EMBEDDED_BATCH = 5_000
SERVER_BATCH = 600
_CONFIGURATION = {"hnsw": {"space": "cosine", "sync_threshold": 100}}
READ_BATCH = 5_000
QUERY_BATCH = 200
METADATA_KEYS = ("document_id", "title", "source", "page", "heading", "start", "end")


class ChromaStore:
    """Chroma as a `VectorStore`, embedded in a folder or on a server.

    Args:
        folder: Where the embedded store lies; ignored with a URL.
        url: A Chroma server, e.g. `http://127.0.0.1:8000`.
        keep_texts: Whether records get their chunks' texts, which only other readers of the store need: Chroma makes a
            full-text index of them, which takes more than half of its time and space (docs/ingestion.md).

    Raises:
        VectorStoreError: If it cannot be opened or does not answer.
    """

    def __init__(self, folder: Path, *, url: str | None = None, keep_texts: bool = True) -> None:
        self._place = url or str(folder)
        self._handles: dict[str, ChromaCollection] = {}
        self._lock = threading.Lock()
        self._is_embedded = url is None
        self._batch = EMBEDDED_BATCH if url is None else SERVER_BATCH
        self._keep_texts = keep_texts
        self._write_failed = False
        with self._translated():
            self._client = _connect(folder, url)

    def add(self, collection_id: str, chunks: Sequence[Chunk], vectors: Vectors) -> None:
        """Add chunks with their vectors, (len(chunks), dim) float32; one that is there stays as it is."""
        # A tenth faster than `upsert`, which deletes each text from Chroma's own full-text index before it adds it.
        self._write("add", collection_id, chunks, vectors)

    def upsert(self, collection_id: str, chunks: Sequence[Chunk], vectors: Vectors) -> None:
        """Add or overwrite chunks with their vectors, (len(chunks), dim) float32."""
        self._write("upsert", collection_id, chunks, vectors)

    def delete(self, collection_id: str, chunk_ids: Sequence[str]) -> None:
        """Forget chunks."""
        with self._translated():
            handle = self._handle(collection_id)
            if handle is None:
                return
            for i in range(0, len(chunk_ids), SERVER_BATCH):
                handle.delete(ids=list(chunk_ids[i : i + SERVER_BATCH]))

    def search(
        self, collection_id: str, vector: Vectors, *, top_k: int, document_ids: Sequence[str] | None = None
    ) -> list[Hit]:
        """Return the nearest chunks to a (dim,) float32 vector, score = cosine, best first, ties by chunk_id."""
        if document_ids is not None and not document_ids:
            return []
        with self._translated():
            self._check_last_write()
            handle = self._handle(collection_id)
            if handle is None:
                return []
            found = handle.query(
                query_embeddings=[vector],
                n_results=top_k,
                where=None if document_ids is None else {"document_id": {"$in": list(document_ids)}},
                include=["distances"],
            )
        distances = found["distances"] or [[]]
        hits = [Hit(chunk_id, 1.0 - distance) for chunk_id, distance in zip(found["ids"][0], distances[0], strict=True)]
        return sorted(hits, key=lambda hit: (-hit.score, hit.chunk_id))

    @contextmanager
    def searching(
        self, collection_id: str, vector: Vectors, *, top_k: int, document_ids: Sequence[str] | None = None
    ) -> Iterator[Callable[[], list[Hit]]]:
        """Search when the result is asked for: nothing is gained by beginning before."""
        yield lambda: self.search(collection_id, vector, top_k=top_k, document_ids=document_ids)

    def nearest(self, collection_id: str, vectors: Vectors) -> list[Hit | None]:
        """Return the nearest chunk to each of (n, dim) float32 vectors, None if nothing is stored."""
        with self._translated():
            handle = self._handle(collection_id)
            if handle is None:
                return [None] * len(vectors)
            found: list[Hit | None] = []
            for i in range(0, len(vectors), QUERY_BATCH):
                batch = list(vectors[i : i + QUERY_BATCH])
                reply = handle.query(query_embeddings=batch, n_results=1, include=["distances"])
                for ids, distances in zip(reply["ids"], reply["distances"], strict=True):
                    found.append(Hit(ids[0], 1.0 - distances[0]) if ids else None)
            return found

    def chunk_ids(self, collection_id: str) -> set[str]:
        """Return every chunk id stored."""
        with self._translated():
            handle = self._handle(collection_id)
            found: set[str] = set()
            while handle is not None:
                batch = handle.get(limit=READ_BATCH, offset=len(found), include=[])["ids"]
                found.update(batch)
                if len(batch) < READ_BATCH:
                    break
            return found

    def count(self, collection_id: str) -> int:
        """Return the number of chunks stored."""
        with self._translated():
            handle = self._handle(collection_id)
            return 0 if handle is None else int(handle.count())

    def collection_ids(self) -> set[str]:
        """Return the ids of the collections that have anything here."""
        with self._translated():
            return {collection.name for collection in self._client.list_collections()}

    def drop(self, collection_id: str) -> None:
        """Forget a whole collection."""
        with self._translated():
            if self._handle(collection_id) is not None:
                self._client.delete_collection(collection_id)
                with self._lock:
                    self._handles.pop(collection_id, None)

    def check(self) -> None:
        """Raise VectorStoreError if the store does not answer."""
        with self._translated():
            self._client.heartbeat()

    def close(self) -> None:
        """Release files and connections."""
        with self._translated():
            # Chroma 1.5 leaves the HTTP connections of both its clients open when it is closed.
            clients = (self._client, getattr(self._client, "_admin_client", None))
            sessions = [getattr(getattr(client, "_server", None), "_session", None) for client in clients]
            self._client.close()
            for session in sessions:
                if session is not None:
                    session.close()

    def _write(
        self, how: Literal["add", "upsert"], collection_id: str, chunks: Sequence[Chunk], vectors: Vectors
    ) -> None:
        with self._translated(), self._writing():
            handle: Any = self._handle(collection_id, create=True)
            write = getattr(handle, how)
            for i in range(0, len(chunks), self._batch):
                batch = chunks[i : i + self._batch]
                write(
                    ids=[chunk.chunk_id for chunk in batch],
                    embeddings=vectors[i : i + self._batch],
                    documents=[chunk.text for chunk in batch] if self._keep_texts else None,
                    metadatas=[_metadata(chunk) for chunk in batch],
                )

    def _handle(self, collection_id: str, *, create: bool = False) -> ChromaCollection | None:
        from chromadb.errors import NotFoundError

        with self._lock:
            handle = self._handles.get(collection_id)
            if handle is None:
                try:
                    handle = self._client.get_collection(collection_id, embedding_function=None)
                except NotFoundError:
                    if not create:
                        return None
                    handle = self._client.create_collection(
                        collection_id, embedding_function=None, configuration=_CONFIGURATION
                    )
                self._handles[collection_id] = handle
            return handle

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Remember whether the last write came through."""
        try:
            yield
        except BaseException:
            self._write_failed = self._is_embedded
            raise
        self._write_failed = False

    def _check_last_write(self) -> None:
        """Raise after a write that failed: on a full disk Chroma 1.5.9 may never come back from a query then."""
        if self._write_failed:
            raise OSError("its last write failed, it is not asked before one succeeds")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        import httpx
        from chromadb.errors import ChromaError

        try:
            yield
        # ValueError is what Chroma's HTTP client raises when nobody answers; OSError is a folder that cannot be used;
        # AttributeError comes from its own cleaning up after a store that cannot be opened, whose error it hides.
        except (ChromaError, httpx.HTTPError, ValueError, OSError, AttributeError) as exc:
            # A server that came back empty, or a deleted folder: look the collection up again next time.
            with self._lock:
                self._handles.clear()
            cause = exc.__context__ if isinstance(exc, AttributeError) and exc.__context__ else exc
            reason = str(cause).splitlines()[0][:200] if str(cause) else type(cause).__name__
            raise VectorStoreError(
                Message(f"Chroma at {self._place!r} failed: {reason}.", f"Chroma（{self._place!r}）出错：{reason}。"),
                hint=Message(
                    "Check that it runs and has space; `huozi doctor --repair` rebuilds it from the catalog.",
                    "请检查它是否在运行、磁盘是否有空间；`huozi doctor --repair` 可从目录库重建。",
                ),
            ) from exc


def load_chroma() -> None:
    """Import Chroma, which the first store would otherwise wait for."""
    import chromadb.api.client  # noqa: F401


def _connect(folder: Path, url: str | None) -> ClientAPI:
    import chromadb
    from chromadb.api.shared_system_client import SharedSystemClient
    from chromadb.config import Settings

    settings = Settings(anonymized_telemetry=False)
    if url is None:
        try:
            return chromadb.PersistentClient(folder, settings=settings)
        except BaseException:
            # Chroma keeps a store that could not be opened in its cache, and would hand it out again.
            SharedSystemClient._identifier_to_system.pop(str(folder), None)
            raise
    parts = urlsplit(url)
    return chromadb.HttpClient(
        host=parts.hostname or "127.0.0.1",
        port=parts.port or (443 if parts.scheme == "https" else 80),
        ssl=parts.scheme == "https",
        settings=settings,
    )


def _metadata(chunk: Chunk) -> dict[str, Any]:
    values = {
        "document_id": chunk.document_id,
        "title": chunk.title,
        "source": chunk.source,
        "page": chunk.page,
        "heading": " > ".join(chunk.heading) or None,
        "start": chunk.start,
        "end": chunk.end,
    }
    # Chroma takes no None.
    return {key: value for key, value in values.items() if value is not None}
