"""Write loaded documents in batches, and keep count: the order of stores that makes a switch whole.

Vectors come first, and each is kept as soon as it is there: a stop costs no embedding twice. Then, while nobody else
writes, a file's chunks go to the catalog unseen, then to both indexes, then one transaction makes them visible and
what they replace invisible; only then are the old ones taken out of the indexes. So a stop at any moment leaves each
document wholly old or wholly new.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from ingest.embedding import embed_missing, keep_vectors
from ingest.errors import FileVanishedError, IngestError
from ingest.jobs.progress import LiveCounts
from ingest.report import IngestFailure, IngestProgress, IngestReport, Stage
from ingest.sandbox.parse import indexed_texts
from retrieval.catalog import BuiltVersion, JobDone, KnownSource, NewVersion, vector_key
from retrieval.data_folder import DataFolder
from retrieval.errors import HuoziError
from retrieval.models import Chunk, Collection, embedded_text
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

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
Progress = Callable[[IngestProgress], None]


@dataclass(frozen=True, slots=True)
class Ready:
    """A parsed document, waiting for its batch.

    Args:
        version: What goes into the catalog.
        data: Its original bytes; None where they are stored already.
        indexed_texts: For each span its tokens for the keyword index, where they are made already.
        job_id: The job that ends when this is visible, and without which it does not become so; None: no job's.
    """

    version: NewVersion
    data: bytes | None
    indexed_texts: tuple[str, ...] | None = None
    job_id: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that a run could not take in."""

    source_id: str
    source: str
    content_hash: str
    size: int
    error: IngestError


class Run:
    """One run's batch, counts and progress.

    Args:
        folder: The open data folder.
        collection: Where it all goes.
        progress: Told as the run goes on.
        known: What is stored of the sources that may come; None: all of the collection.
        live: Told how far each job is.
    """

    def __init__(
        self,
        folder: DataFolder,
        collection: Collection,
        progress: Progress | None,
        *,
        known: dict[str, KnownSource] | None = None,
        live: LiveCounts | None = None,
    ) -> None:
        self.report = IngestReport()
        self.known = folder.catalog.known_sources(collection.collection_id) if known is None else known
        self.files_total = 0
        self._files_done = 0
        self._folder = folder
        self.collection = collection
        self.failures: list[Failure] = []
        self.renamed: set[str] = set()  # Sources that are known under another name since this run began.
        self._progress = progress
        self._live = live
        self._batch: list[Ready] = []
        self._batch_chunks = BATCH_CHUNKS
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
        """Write the batch: originals, vectors, catalog unseen, indexes, switch, old ones out."""
        batch, self._batch = self._batch, []
        if not batch:
            return
        started = time.monotonic()
        originals = self._folder.originals
        hashes = {item.version.content_hash for item in batch}
        try:
            with originals.keeping(hashes):
                batch = self._with_originals(batch)
                found = self._embed(batch)
                originals.put_all({item.version.content_hash: item.data for item in batch if item.data is not None})
                with self._folder.writing:
                    self._write([item for item in batch if not self._is_cancelled(item)], found)
        except BaseException:
            originals.remove_unused(hashes, self._folder.catalog.wanted_hashes)
            raise
        self._files_done += len(batch)
        if batch:
            self.tell("index", batch[-1].version.source)
        self._batch_chunks = self._next_size(time.monotonic() - started)

    def clean(self) -> None:
        """Take out what a write left that failed; where that fails too, the next write or start does it."""
        try:
            with self._folder.writing:
                self._folder.sweep_leftovers()
        except HuoziError as error:
            _log.warning("What a failed write left is swept later: %s", error)

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

    def fail(self, source: str, error: IngestError, source_id: str = "", content_hash: str = "", size: int = 0) -> None:
        """Count a file that cannot be ingested.

        Args:
            source: What people are shown.
            error: Why.
            source_id: Its identity within the collection; empty: `source`.
            content_hash: sha256 hex of its bytes, where they could be read.
            size: Bytes.
        """
        self.report.failed.append(IngestFailure.of(source, error))
        self.failures.append(Failure(source_id or source, source, content_hash, size, error))
        self._files_done += 1
        self.tell("load", source)

    def finish(self) -> IngestReport:
        """Return the report."""
        if self.report.chunks or self.report.deleted:
            self._folder.forget_orphans()
        self.report.seconds = time.monotonic() - self._started
        self.tell("done")
        return self.report

    def tell(self, stage: Stage, source: str = "") -> None:
        """Report progress."""
        if self._progress is not None:
            self._progress(IngestProgress(stage, self._files_done, self.files_total, self.report.chunks, source))

    def _write(self, batch: Sequence[Ready], found: Mapping[bytes, Vectors]) -> None:
        """Write a batch whose vectors are there; nobody else writes meanwhile."""
        self._folder.sweep_leftovers()
        if not batch:
            return
        try:
            published, chunks = self._publish(batch, found)
        except BaseException:
            self.clean()
            raise
        replaced = [version.document_id for version in published if version.is_update]
        if replaced or len(published) < len(batch):
            self._folder.sweep_leftovers()
        self.report.updated += len(replaced)
        self.report.added += len(published) - len(replaced)
        self.report.chunks += chunks

    def _publish(self, batch: Sequence[Ready], found: Mapping[bytes, Vectors]) -> tuple[list[BuiltVersion], int]:
        """Bring a batch from the catalog, unseen, through the indexes to the switch.

        Returns:
            The versions that are visible now, without those of jobs that were cancelled meanwhile; their chunks.
        """
        catalog, collection_id = self._folder.catalog, self.collection.collection_id
        versions = [replace(item.version, vector_keys=self._keys(item)) for item in batch]
        self._keep_again([key for version in versions for key in version.vector_keys or () if key], found)
        built = catalog.build_versions(collection_id, versions, lambda _chunk: None)
        chunks = [chunk for version in built for chunk in version.chunks]
        keys = [key for version in built for key in version.vector_keys if key is not None]
        self.tell("index")
        self._tell_jobs(batch, "index")
        # The keyword index works on threads of its own while Chroma holds Python's lock.
        with self._folder.keyword.adding(collection_id, chunks, _indexed_texts(batch)):
            if self._folder.vectors is not None:
                self._upsert(chunks, keys, found)
        done = [_job_done(item, version) for item, version in zip(batch, built, strict=True)]
        published = set(catalog.publish([version.version_id for version in built], [one for one in done if one]))
        visible = [version for version in built if version.version_id in published]
        return visible, sum(len(version.chunks) for version in visible)

    def _upsert(self, chunks: Sequence[Chunk], keys: Sequence[bytes], found: Mapping[bytes, Vectors]) -> None:
        assert self._folder.vectors is not None
        most = int(CALL_SLACK * self._batch_chunks)
        for i in range(0, len(chunks), most):
            matrix = np.stack([found[key] for key in keys[i : i + most]])
            self._folder.vectors.upsert(self.collection.collection_id, chunks[i : i + most], matrix)

    def _next_size(self, seconds: float) -> int:
        """Return how many chunks the next batch may have, after one that took `seconds`."""
        if self._folder.answers_meanwhile:
            return BATCH_CHUNKS
        return min(BULK_CHUNKS, 2 * self._batch_chunks) if seconds < GROW_BELOW_S else self._batch_chunks

    def _with_originals(self, batch: Sequence[Ready]) -> list[Ready]:
        """Return the documents whose bytes are stored: those of a copy may have gone since it was found."""
        there: list[Ready] = []
        for item in batch:
            if item.data is None and not self._folder.originals.path(item.version.content_hash).exists():
                error = FileVanishedError(item.version.source)
                version = item.version
                self.fail(version.source, error, version.source_id, version.content_hash, version.size)
            else:
                there.append(item)
        return there

    def _keys(self, item: Ready) -> tuple[bytes | None, ...]:
        """Return the key of each chunk's vector."""
        version = item.version
        if version.vector_keys is not None:
            return version.vector_keys
        if self._folder.vectors is None:
            return (None,) * len(version.spans)
        return tuple(vector_key(self.collection.embedder, text) for text in _embedded_texts(version))

    def _embed(self, batch: Sequence[Ready]) -> dict[bytes, Vectors]:
        """Return the vectors of a batch's chunks by key, from the catalog where the text was embedded before."""
        embedder = self._folder.embedder
        if embedder is None or self._folder.vectors is None:
            self._tell_jobs(batch, "embed")
            return {}
        owners: dict[bytes, list[Ready]] = {}
        texts: dict[bytes, str] = {}
        for item in batch:
            for key, text in zip(self._keys(item), _embedded_texts(item.version), strict=True):
                assert key is not None
                owners.setdefault(key, []).append(item)
                texts[key] = text
        found = self._folder.catalog.get_vectors(list(texts))
        n_embedded = Counter(item.job_id for key in found for item in owners[key])
        self._tell_embedded(batch, n_embedded)

        def is_wanted(key: bytes) -> bool:
            return not all(self._is_cancelled(item) for item in owners[key])

        self.tell("embed")
        for keys in embed_missing(self._folder, embedder, texts, found, is_wanted):
            self.tell("embed")
            n_embedded.update(item.job_id for key in keys for item in owners[key])
            self._tell_embedded([item for key in keys for item in owners[key]], n_embedded)
        return found

    def _keep_again(self, keys: Sequence[bytes], found: Mapping[bytes, Vectors]) -> None:
        """Keep those vectors again that a deletion beside took out before a chunk of ours needed them."""
        there = self._folder.catalog.has_vectors(keys)
        keep_vectors(self._folder, {key: found[key] for key in keys if key not in there})

    def _is_cancelled(self, item: Ready) -> bool:
        return self._live is not None and item.job_id is not None and self._live.is_cancelled(item.job_id)

    def _tell_embedded(self, items: Sequence[Ready], n_embedded: Mapping[str | None, int]) -> None:
        if self._live is not None:
            for job_id in {item.job_id for item in items} - {None}:
                assert job_id is not None
                self._live.tell(job_id, "embed", embedded=n_embedded[job_id])

    def _tell_jobs(self, items: Sequence[Ready], stage: str) -> None:
        if self._live is not None:
            for item in items:
                if item.job_id is not None:
                    self._live.tell(item.job_id, stage)


def _job_done(item: Ready, version: BuiltVersion) -> JobDone | None:
    """Return what a document's job ends with."""
    if item.job_id is None:
        return None
    n_chunks = len(version.chunks)
    n_embedded = sum(key is not None for key in version.vector_keys)
    counts = {"bytes": item.version.size, "chunks": n_chunks, "embedded": n_embedded, "indexed": n_chunks}
    return JobDone(item.job_id, version.version_id, version.document_id, counts)


def _embedded_texts(version: NewVersion) -> Iterator[str]:
    """Yield what the embedder sees of each chunk."""
    title, text = version.document.title, version.document.text
    for span in version.spans:
        yield embedded_text(title, span.heading, text[span.start : span.end])


def _indexed_texts(batch: Sequence[Ready]) -> list[str]:
    """Return every chunk's tokens, in order; made here where no worker has made them."""
    texts: list[str] = []
    for item in batch:
        document, spans = item.version.document, item.version.spans
        texts += item.indexed_texts or indexed_texts(document, spans)
    return texts
