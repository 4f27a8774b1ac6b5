"""Write loaded documents in batches, and keep count: the order of stores that makes a switch whole.

Vectors come first, and each is kept as soon as it is there: a stop costs no embedding twice. They are made on a thread
of their own, for the next batch while this one is written. Then, while nobody else writes, a file's chunks go to the
catalog unseen, then to both indexes, then one transaction makes them visible and what they replace invisible; only then
are the old ones taken out of the indexes. So a stop at any moment leaves each document wholly old or wholly new.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

import numpy as np

from ingest.embedding import embed_missing, keep_vectors
from ingest.errors import FileVanishedError, IngestError
from ingest.jobs.progress import LiveCounts
from ingest.overlap import Overlap
from ingest.report import IngestFailure, IngestProgress, IngestReport, Stage
from ingest.sandbox.parse import indexed_texts
from retrieval.catalog import BuiltVersion, JobDone, KnownSource, NewVersion, vector_key
from retrieval.data_folder import DataFolder
from retrieval.errors import HuoziError
from retrieval.models import Chunk, Collection, embedded_text
from retrieval.protocols import Vectors

FIRST_CHUNKS = 128
"""Chunks of a run's first batch: written while more is parsed, and searchable soon where embedding takes long."""
BATCH_CHUNKS = 512
"""Chunks written together: few enough that a stop costs little, enough that commits cost little."""
BULK_CHUNKS = 2048
"""The same where nobody waits for an answer: fewer commits, but each call of Chroma holds Python's lock for seconds."""
GROW_BELOW_S = 2.5
"""Batches grow while one takes less, in seconds: a slow embedder gains nothing, and progress would stand still."""
CALL_SLACK = 1.25
"""A batch ends with a whole document, so it is a little larger; only what is more than this goes in another call."""
BATCH_BYTES = 32 * 1024 * 1024
BATCHES_AHEAD = 1
"""Batches that wait to be embedded, so that the embedder need never wait for one."""

_log = logging.getLogger(__name__)
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


@dataclass(slots=True, eq=False)
class _Batch:
    """Documents that are written together, on their way.

    Args:
        items: The documents.
        hashes: Of their bytes, which nobody removes as unused meanwhile.
        kept: What ends that.
        found: Their vectors by key, once they are embedded.
        seconds: How long that took.
    """

    items: list[Ready]
    hashes: set[str]
    kept: ExitStack
    found: dict[bytes, Vectors] = field(default_factory=dict)
    seconds: float = 0.0


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
        progress: Told as the run goes on; by one thread at a time, but not always the same.
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
        self._files_done = self._n_parsed = self._n_split = self._n_embedded = 0
        self._folder = folder
        self.collection = collection
        self.failures: list[Failure] = []
        self.renamed: set[str] = set()  # Sources that are known under another name since this run began.
        self._progress = progress
        self._live = live
        self._batch: list[Ready] = []
        self._sources: set[str] = set()  # Of the batch.
        self._batch_chunks = FIRST_CHUNKS
        self._n_chunks = self._n_bytes = 0  # Of the batch.
        self._ahead = Overlap(self._prepare, ahead=BATCHES_AHEAD, name="huozi-embed")
        self._opened: list[_Batch] = []  # Not stored yet, the next one first.
        self._is_stopped = False
        self._telling = threading.Lock()
        self._started = time.monotonic()

    def add(self, ready: Ready) -> None:
        """Take a document into the batch; hand the batch on when it is full, and write those that are embedded."""
        if ready.version.source_id in self._sources:
            self._hand_on()  # Two versions of one document cannot become visible together.
        self._batch.append(ready)
        self._sources.add(ready.version.source_id)
        self._n_parsed += 1
        self._n_split += len(ready.version.spans)
        self.tell("split", ready.version.source)
        self._n_chunks += len(ready.version.spans)
        self._n_bytes += len(ready.data or b"")
        if self._n_chunks >= self._batch_chunks or self._n_bytes >= BATCH_BYTES:
            self._hand_on()

    def write_ready(self) -> bool:
        """Write what is embedded, while there is nothing to add; returns whether more is being embedded."""
        try:
            for batch in self._ahead.take():
                self._store(batch)
        except BaseException:
            self._abandon()
            raise
        return not self._ahead.is_empty

    def flush(self) -> None:
        """Write all that was added."""
        try:
            for batch in self._ahead.take_all(self._open() if self._batch else None):
                self._store(batch)
        except BaseException:
            self._abandon()
            raise

    def clean(self) -> None:
        """Take out what a write left that failed; where that fails too, the next write or start does it."""
        self._abandon()
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
        self.tell("parse", source)

    def finish(self) -> IngestReport:
        """Return the report."""
        if self.report.chunks or self.report.deleted:
            self._folder.forget_orphans()
        self.report.seconds = time.monotonic() - self._started
        self.tell("done")
        return self.report

    def tell(self, stage: Stage, source: str = "") -> None:
        """Report progress."""
        if self._progress is None:
            return
        with self._telling:
            self._progress(
                IngestProgress(
                    stage,
                    files_done=self._files_done,
                    files_total=self.files_total,
                    chunks=self.report.chunks,
                    source=source,
                    parsed=self._n_parsed,
                    split=self._n_split,
                    embedded=self._n_embedded,
                )
            )

    def _hand_on(self) -> None:
        """Let the batch be embedded; write those that are."""
        self._ahead.put(self._open())
        self.write_ready()

    def _open(self) -> _Batch:
        items, self._batch = self._batch, []
        self._sources.clear()
        self._n_chunks = self._n_bytes = 0
        self._batch_chunks = max(BATCH_CHUNKS, self._batch_chunks)
        hashes = {item.version.content_hash for item in items}
        batch = _Batch(items, hashes, ExitStack())
        batch.kept.enter_context(self._folder.originals.keeping(hashes))
        self._opened.append(batch)
        batch.items = self._with_originals(items)
        return batch

    def _prepare(self, batch: _Batch) -> _Batch:
        """Embed a batch and store its originals: all that needs no turn at writing."""
        started = time.monotonic()
        batch.items = [self._with_keys(item) for item in batch.items]
        originals = {item.version.content_hash: item.data for item in batch.items if item.data is not None}
        with self._folder.originals.putting(originals):
            batch.found = self._embed(batch.items)
        batch.seconds = time.monotonic() - started
        return batch

    def _store(self, batch: _Batch) -> None:
        """Write a batch: catalog unseen, indexes, switch, old ones out."""
        started = time.monotonic()
        with self._folder.writing:
            self._write([item for item in batch.items if not self._is_cancelled(item)], batch.found)
        self._opened.remove(batch)
        batch.kept.close()
        self._files_done += len(batch.items)
        if batch.items:
            self.tell("index", batch.items[-1].version.source)
        n_chunks = sum(len(item.version.spans) for item in batch.items)
        self._batch_chunks = self._next_size(n_chunks, max(batch.seconds, time.monotonic() - started))

    def _abandon(self) -> None:
        """Drop what is not stored."""
        self._is_stopped = True
        self._ahead.close()
        self._is_stopped = False
        opened, self._opened = self._opened, []
        for batch in opened:
            batch.kept.close()
        for batch in opened:
            self._folder.originals.remove_unused(batch.hashes, self._folder.catalog.wanted_hashes)

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
        versions = [item.version for item in batch]
        self._keep_again([key for version in versions for key in version.vector_keys or () if key], found)
        built = catalog.build_versions(collection_id, versions, lambda _chunk: None)
        chunks = [chunk for version in built for chunk in version.chunks]
        keys = [key for version in built for key in version.vector_keys if key is not None]
        self.tell("index")
        self._tell_jobs(batch, "index")
        # The keyword index works on threads of its own while Chroma holds Python's lock.
        with self._folder.keyword.adding(collection_id, chunks, _indexed_texts(batch)):
            if self._folder.vectors is not None:
                self._add_vectors(batch, chunks, keys, found)
        done = [_job_done(item, version) for item, version in zip(batch, built, strict=True)]
        published = set(catalog.publish([version.version_id for version in built], [one for one in done if one]))
        catalog.jobs.changes.bump()
        visible = [version for version in built if version.version_id in published]
        return visible, sum(len(version.chunks) for version in visible)

    def _add_vectors(
        self, batch: Sequence[Ready], chunks: Sequence[Chunk], keys: Sequence[bytes], found: Mapping[bytes, Vectors]
    ) -> None:
        assert self._folder.vectors is not None
        # What was put together before questions came is written in smaller pieces since.
        most = int(CALL_SLACK * (BATCH_CHUNKS if self._folder.answers_meanwhile else self._batch_chunks))
        for i in range(0, len(chunks), most):
            matrix = np.stack([found[key] for key in keys[i : i + most]])
            self._folder.vectors.add(self.collection.collection_id, chunks[i : i + most], matrix)
            self._tell_indexed(batch, i + most)

    def _next_size(self, n_chunks: int, seconds: float) -> int:
        """Return how many chunks the next batch may have, after one of `n_chunks` that took `seconds`."""
        if self._folder.answers_meanwhile:
            return BATCH_CHUNKS
        wanted = min(BULK_CHUNKS, 2 * n_chunks) if seconds < GROW_BELOW_S else BATCH_CHUNKS
        return max(wanted, self._batch_chunks)

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

    def _with_keys(self, item: Ready) -> Ready:
        """Return a document with the key of each chunk's vector."""
        version = item.version
        if version.vector_keys is not None:
            return item
        keys: tuple[bytes | None, ...] = (None,) * len(version.spans)
        if self._folder.vectors is not None:
            keys = tuple(vector_key(self.collection.embedder, text) for text in _embedded_texts(version))
        return replace(item, version=replace(version, vector_keys=keys))

    def _embed(self, batch: Sequence[Ready]) -> dict[bytes, Vectors]:
        """Return the vectors of a batch's chunks by key, from the catalog where the text was embedded before."""
        embedder = self._folder.embedder
        if embedder is None or self._folder.vectors is None:
            self._tell_jobs(batch, "embed")
            return {}
        owners: dict[bytes, list[Ready]] = {}
        texts: dict[bytes, str] = {}
        for item in batch:
            for key, text in zip(item.version.vector_keys or (), _embedded_texts(item.version), strict=True):
                assert key is not None
                owners.setdefault(key, []).append(item)
                texts[key] = text
        found = self._folder.catalog.get_vectors(list(texts))
        n_embedded = Counter(item.job_id for key in found for item in owners[key])
        self._n_embedded += n_embedded.total()
        self._tell_embedded(batch, n_embedded)

        def is_wanted(key: bytes) -> bool:
            return not self._is_stopped and not all(self._is_cancelled(item) for item in owners[key])

        self.tell("embed")
        for keys in embed_missing(self._folder, embedder, texts, found, is_wanted):
            n_embedded.update(item.job_id for key in keys for item in owners[key])
            self._n_embedded += sum(len(owners[key]) for key in keys)
            self.tell("embed")
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

    def _tell_indexed(self, batch: Sequence[Ready], n_indexed: int) -> None:
        """Tell each job how many of its chunks are among a batch's first ones."""
        for item in batch:
            n_chunks = len(item.version.spans)
            if self._live is not None and item.job_id is not None:
                self._live.tell(item.job_id, "index", indexed=max(0, min(n_indexed, n_chunks)))
            n_indexed -= n_chunks

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
