"""Write loaded documents in batches, and keep count: the order of stores that makes a switch whole.

A file's chunks go to the catalog unseen, then to both indexes, then one transaction makes them visible and what they
replace invisible; only then are the old ones taken out of the indexes. So a stop at any moment leaves each document
wholly old or wholly new.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from ingest.errors import IngestError
from ingest.report import IngestFailure, IngestProgress, IngestReport, Stage
from ingest.sandbox.parse import indexed_texts
from retrieval.catalog import KnownSource, NewVersion, vector_key
from retrieval.data_folder import DataFolder
from retrieval.doctor import sweep
from retrieval.models import Chunk, Collection
from retrieval.protocols import Vectors

BATCH_CHUNKS = 512
"""Chunks written together: few enough that a stop costs little, enough that commits cost little."""
BULK_CHUNKS = 2048
"""The same where nobody waits for an answer: Chroma then takes 5 % less, but holds Python's lock for seconds."""
GROW_BELOW_S = 2.5
"""Batches grow while one takes less, in seconds: a slow embedder gains nothing, and progress would stand still."""
CALL_SLACK = 1.25
"""A batch ends with a whole document, so it is a little larger; only what is more than this goes in another call."""
BATCH_BYTES = 32 * 1024 * 1024

_T = TypeVar("_T")
Progress = Callable[[IngestProgress], None]


@dataclass(frozen=True, slots=True)
class Ready:
    """A parsed document, waiting for its batch.

    Args:
        version: What goes into the catalog.
        data: Its original bytes; None where they are stored already.
        indexed_texts: For each span its tokens for the keyword index, where they are made already.
    """

    version: NewVersion
    data: bytes | None
    indexed_texts: tuple[str, ...] | None = None


class Run:
    """One run's batch, counts and progress."""

    def __init__(self, folder: DataFolder, collection: Collection, progress: Progress | None) -> None:
        self.report = IngestReport()
        self.known: dict[str, KnownSource] = folder.catalog.known_sources(collection.collection_id)
        self.files_total = 0
        self._files_done = 0
        self._folder = folder
        self.collection = collection
        self.renamed: set[str] = set()  # Sources that are known under another name since this run began.
        self._progress = progress
        self._batch: list[Ready] = []
        self._batch_chunks = BATCH_CHUNKS
        self._unfinished: list[str] = []
        self._started = time.monotonic()

    def add(self, ready: Ready) -> None:
        """Take a document into the batch; write the batch when it is full."""
        if any(item.version.source_id == ready.version.source_id for item in self._batch):
            self.flush()  # Two versions of one document cannot become visible together.
        self._batch.append(ready)
        chunks = sum(len(item.version.spans) for item in self._batch)
        size = sum(len(item.data or b"") for item in self._batch)
        if chunks >= self._batch_chunks or size >= BATCH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write the batch: catalog unseen, indexes, switch, old ones out."""
        batch, self._batch = self._batch, []
        if not batch:
            return
        started = time.monotonic()
        catalog, collection_id = self._folder.catalog, self.collection.collection_id
        self._folder.originals.put_all(
            {item.version.content_hash: item.data for item in batch if item.data is not None}
        )
        built = catalog.build_versions(collection_id, [item.version for item in batch], self._key_of)
        self._unfinished = [version.document_id for version in built]
        chunks = [chunk for version in built for chunk in version.chunks]
        vectors = self._folder.vectors
        matrix = None if vectors is None else self._embed(chunks, [key for one in built for key in one.vector_keys])
        self.tell("index")
        # The keyword index works on threads of its own while Chroma holds Python's lock.
        with self._folder.keyword.adding(collection_id, chunks, _indexed_texts(batch)):
            if vectors is not None and matrix is not None:
                most = int(CALL_SLACK * self._batch_chunks)
                for i in range(0, len(chunks), most):
                    vectors.upsert(collection_id, chunks[i : i + most], matrix[i : i + most])
        catalog.publish([version.version_id for version in built])
        self._unfinished = []
        updates = [version.document_id for version in built if version.is_update]
        if updates:
            sweep(self._folder, updates)
        self.report.updated += len(updates)
        self.report.added += len(batch) - len(updates)
        self.report.chunks += len(chunks)
        self._files_done += len(batch)
        self.tell("index", batch[-1].version.source)
        self._batch_chunks = self._next_size(time.monotonic() - started)

    def clean(self) -> None:
        """Take out what a failed batch left; a crash leaves it to the next start."""
        if self._unfinished:
            sweep(self._folder, self._unfinished)
            self._unfinished = []

    def skip(self, source: str) -> None:
        """Count an unchanged file."""
        self.report.skipped += 1
        self._files_done += 1
        self.tell("scan", source)

    def moved(self, source: str) -> None:
        """Count a file that has another name and nothing else."""
        self.report.moved += 1
        self._files_done += 1
        self.tell("scan", source)

    def fail(self, source: str, error: IngestError) -> None:
        """Count a file that cannot be ingested."""
        self.report.failed.append(IngestFailure.of(source, error))
        self._files_done += 1
        self.tell("load", source)

    def finish(self) -> IngestReport:
        """Return the report."""
        self.report.seconds = time.monotonic() - self._started
        self.tell("done")
        return self.report

    def tell(self, stage: Stage, source: str = "") -> None:
        """Report progress."""
        if self._progress is not None:
            self._progress(IngestProgress(stage, self._files_done, self.files_total, self.report.chunks, source))

    def _next_size(self, seconds: float) -> int:
        """Return how many chunks the next batch may have, after one that took `seconds`."""
        if self._folder.answers_meanwhile:
            return BATCH_CHUNKS
        return min(BULK_CHUNKS, 2 * self._batch_chunks) if seconds < GROW_BELOW_S else self._batch_chunks

    def _key_of(self, chunk: Chunk) -> bytes | None:
        if self._folder.vectors is None:
            return None
        return vector_key(self.collection.embedder, chunk.embedded_text)

    def _embed(self, chunks: Sequence[Chunk], keys: Sequence[bytes | None]) -> Vectors:
        """Return (len(chunks), dim) float32, from the catalog where the text was embedded before."""
        embedder, catalog = self._folder.embedder, self._folder.catalog
        assert embedder is not None
        by_key = {key: chunk for key, chunk in zip(keys, chunks, strict=True) if key is not None}
        known = catalog.get_vectors(list(by_key))
        wanted = {key: chunk.embedded_text for key, chunk in by_key.items() if key not in known}
        fresh: dict[bytes, Vectors] = {}
        for batch in _batches(list(wanted.items()), embedder.batch_size):
            self.tell("embed")
            matrix = embedder.embed_batch([text for _, text in batch])
            fresh.update(zip((key for key, _ in batch), matrix, strict=True))
        if fresh:
            # Once: what a stop leaves of an unfinished batch is forgotten with it, vectors and all.
            catalog.put_vectors(list(fresh), np.stack(list(fresh.values())))
        known |= fresh
        return np.stack([known[key] for key in keys if key is not None])


def _indexed_texts(batch: Sequence[Ready]) -> list[str]:
    """Return every chunk's tokens, in order; made here where no worker has made them."""
    texts: list[str] = []
    for item in batch:
        document, spans = item.version.document, item.version.spans
        texts += item.indexed_texts or indexed_texts(document, spans)
    return texts


def _batches(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    for i in range(0, len(items), size):
        yield items[i : i + size]
