"""Write loaded documents in batches: the order of stores that makes a switch whole.

Vectors come first, and are kept as they come: a stop costs half a second of embedding. Then, while nobody else writes,
a file's chunks go to the catalog unseen, then to both indexes, then one transaction makes them visible and what they
replace invisible; only then are the old ones taken out of the indexes. So a stop at any moment leaves each document
wholly old or wholly new. One batch is put together while the one before is embedded and the one before that written,
each on a thread of its own.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from ingest.embedding import embed_missing, keep_vectors
from ingest.errors import FileVanishedError
from ingest.jobs.progress import LiveCounts
from ingest.jobs.teller import JobTeller
from ingest.overlap import Overlap
from ingest.publish import publish
from ingest.ready import Ready, embedded_texts, with_keys
from ingest.report import IngestReport
from ingest.run_counts import Progress, RunCounts
from retrieval.catalog import BuiltVersion, KnownSource
from retrieval.data_folder import DataFolder
from retrieval.errors import HuoziError
from retrieval.models import Collection
from retrieval.protocols import Vectors

FIRST_CHUNKS = 128
"""Chunks of a run's first batch: written while more is parsed, and searchable soon where embedding takes long."""
BATCH_CHUNKS = 512
"""Chunks written together: few enough that a stop costs little, enough that commits cost little."""
BULK_CHUNKS = 4096
"""The same where nobody waits for an answer: fewer commits, but each call of Chroma lasts for seconds."""
BATCH_S = 4.0
"""A batch is as large as is done in so many seconds: longer, and Ctrl-C and the progress bar would seem to hang."""
ANSWERED_CHUNKS = 128
"""Chunks for the vector store at a time while questions are answered: one waits for the call that is being made."""
CALL_SLACK = 1.25
"""A batch ends with a whole document, so it is a little larger; only what is more than this goes in another call."""
BATCH_BYTES = 32 * 1024 * 1024
BATCHES_AHEAD = 1
"""Batches that wait to be embedded, so that the embedder need never wait for one."""

_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Batch:
    """Documents that are written together, on their way.

    Args:
        items: The documents.
        hashes: Of their bytes, which nobody removes as unused meanwhile.
        kept: What ends that.
        n_together: Most chunks that go to the vector store in a call.
        found: Their vectors by key, once they are embedded.
        fresh: Those that are not kept yet.
        seconds: How long that took.
        under_way: Set once the indexes are being written, or will not be.
    """

    items: list[Ready]
    hashes: set[str]
    kept: ExitStack
    n_together: int
    found: dict[bytes, Vectors] = field(default_factory=dict)
    fresh: dict[bytes, Vectors] = field(default_factory=dict)
    seconds: float = 0.0
    under_way: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, slots=True)
class _Written:
    """What became of a batch.

    Args:
        batch: It.
        published: What is visible of it.
        seconds: How long that took, its turn at writing included.
    """

    batch: _Batch
    published: list[BuiltVersion]
    seconds: float


class Run:
    """One run: its batches, and what it knows of what is stored.

    Args:
        folder: The open data folder.
        collection: Where it all goes.
        progress: Told as the run goes on; by one thread at a time, but not always the same.
        known: What is stored of the sources that may come; None: all of the collection.
        live: Told how far each job is.

    Attributes:
        counts: Of files and chunks.
        known: As given.
        collection: As given.
        renamed: Sources that are known under another name since this run began.
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
        self.counts = RunCounts(progress)
        self.known = folder.catalog.known_sources(collection.collection_id) if known is None else known
        self._folder = folder
        self.collection = collection
        self.renamed: set[str] = set()
        self._teller = JobTeller(live)
        self._batch: list[Ready] = []
        self._sources: set[str] = set()  # Of the batch.
        self._batch_chunks = FIRST_CHUNKS
        self._n_chunks = self._n_bytes = 0  # Of the batch.
        self._ahead = Overlap(self._prepare, ahead=BATCHES_AHEAD, name="huozi-embed")
        self._writer = Overlap(self._store, ahead=0, name="huozi-write")
        self._opened: list[_Batch] = []  # Not stored, or not counted yet, the next one first.
        self._is_stopped = False  # Nothing more is to be embedded, or written.
        self._stores_here = False

    def add(self, ready: Ready) -> None:
        """Take a document into the batch; hand the batch on when it is full, and write those that are embedded."""
        if ready.version.source_id in self._sources:
            self._hand_on()  # Two versions of one document cannot become visible together.
        self._batch.append(ready)
        self._sources.add(ready.version.source_id)
        self.counts.parsed(ready.version.source, len(ready.version.spans))
        self._n_chunks += len(ready.version.spans)
        self._n_bytes += len(ready.data or b"")
        if self._n_chunks >= self._batch_chunks or self._n_bytes >= BATCH_BYTES:
            self._hand_on()

    def write_ready(self) -> bool:
        """Have what is embedded written, while there is nothing to add; returns whether more is on its way."""
        try:
            for batch in self._ahead.take():
                self._pass_on(batch)
            self._count(self._writer.take())
        except BaseException:
            self._abandon()
            raise
        return not (self._ahead.is_empty and self._writer.is_empty)

    def flush(self) -> None:
        """Write all that was added."""
        try:
            for batch in self._ahead.take_all(self._open() if self._batch else None):
                if self._ahead.is_empty and not self._stores_here:
                    self._count(self._writer.take_all(batch))
                else:
                    self._pass_on(batch)
            self._count(self._writer.take_all())
        except BaseException:
            self._abandon()
            raise

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """Let nobody else write during a block, at whose end all that was added in it is written."""
        self.flush()
        with self._folder.writing:
            self._stores_here = True
            try:
                yield
                self.flush()
            finally:
                self._stores_here = False

    def clean(self) -> None:
        """Drop what is not written, and take out what a write left that failed."""
        self._abandon()
        self._sweep()

    def finish(self) -> IngestReport:
        """Return the report."""
        if self.counts.report.chunks or self.counts.report.deleted:
            self._folder.forget_orphans()
        return self.counts.finish()

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
        batch = _Batch(items, hashes, ExitStack(), n_together=int(CALL_SLACK * self._batch_chunks))
        batch.kept.enter_context(self._folder.originals.keeping(hashes))
        self._opened.append(batch)
        batch.items = self._with_originals(items)
        return batch

    def _prepare(self, batch: _Batch) -> _Batch:
        """Embed a batch and store its originals: all that needs no turn at writing."""
        started = time.monotonic()
        embedder = None if self._folder.vectors is None else self.collection.embedder
        batch.items = [with_keys(item, embedder) for item in batch.items]
        originals = {item.version.content_hash: item.data for item in batch.items if item.data is not None}
        with self._folder.originals.putting(originals):
            self._embed(batch)
        batch.seconds = time.monotonic() - started
        return batch

    def _pass_on(self, batch: _Batch) -> None:
        """Have an embedded batch written; waits for the one before."""
        if self._stores_here:
            self._count([self._store(batch)])
        else:
            self._writer.put(batch)
            self._count(self._writer.take())
            # Until then both would want Python's lock, and the indexes would wait for their chunks.
            batch.under_way.wait()

    def _store(self, batch: _Batch) -> _Written:
        """Write a batch: catalog unseen, indexes, switch, old ones out; none after one that failed."""
        started = time.monotonic()
        published: list[BuiltVersion] = []
        try:
            if not self._is_stopped:
                with self._folder.writing:
                    items = [item for item in batch.items if not self._teller.is_cancelled(item)]
                    published = self._write(items, batch)
        except BaseException:
            self._is_stopped = True
            raise
        finally:
            batch.under_way.set()
        return _Written(batch, published, time.monotonic() - started)

    def _count(self, all_written: Iterable[_Written]) -> None:
        """Count what was written."""
        for written in all_written:
            batch, published = written.batch, written.published
            self._opened.remove(batch)
            batch.kept.close()
            n_chunks = sum(len(item.version.spans) for item in batch.items)
            self._batch_chunks = self._next_size(n_chunks, max(batch.seconds, written.seconds))
            self.counts.written([item.version.source for item in batch.items], published)

    def _abandon(self) -> None:
        """Drop what is not stored."""
        self._is_stopped = True
        self._ahead.close()
        self._writer.close()
        self._is_stopped = False
        opened, self._opened = self._opened, []
        for batch in opened:
            batch.kept.close()
        for batch in opened:
            self._keep(batch)
            self._folder.originals.remove_unused(batch.hashes, self._folder.catalog.wanted_hashes)

    def _keep(self, batch: _Batch) -> None:
        """Keep the vectors of a batch that is not written, for the next attempt."""
        try:
            keep_vectors(self._folder, batch.fresh)
        except HuoziError as error:
            _log.warning("Vectors are made again later: %s", error)

    def _write(self, items: Sequence[Ready], batch: _Batch) -> list[BuiltVersion]:
        """Write those documents of a batch that are still wanted; nobody else writes meanwhile."""
        self._folder.sweep_leftovers()
        if not items:
            return []
        self.counts.tell("index")
        # What was put together before questions came is written in smaller pieces since.
        n_together = ANSWERED_CHUNKS if self._folder.answers_meanwhile else batch.n_together
        try:
            published = publish(
                self._folder,
                self.collection.collection_id,
                items,
                batch.found,
                batch.fresh,
                under_way=batch.under_way.set,
                chunks_a_call=n_together,
                teller=self._teller,
            )
        except BaseException:
            self._sweep()
            raise
        if len(published) < len(items) or any(version.is_update for version in published):
            self._folder.sweep_leftovers()
        return published

    def _sweep(self) -> None:
        """Take out what a write left that failed; where that fails too, the next write or start does it."""
        try:
            with self._folder.writing:
                self._folder.sweep_leftovers()
        except HuoziError as error:
            _log.warning("What a failed write left is swept later: %s", error)

    def _next_size(self, n_chunks: int, seconds: float) -> int:
        """Return how many chunks the next batch may have, after one of `n_chunks` that took `seconds`."""
        if self._folder.answers_meanwhile:
            return BATCH_CHUNKS
        in_time = int(n_chunks * BATCH_S / max(seconds, 0.001))
        # No faster than parsing, which is to have the next one ready: else the indexes would wait for it.
        return max(BATCH_CHUNKS, min(BULK_CHUNKS, in_time, 2 * n_chunks))

    def _with_originals(self, batch: Sequence[Ready]) -> list[Ready]:
        """Return the documents whose bytes are stored: those of a copy may have gone since it was found."""
        there: list[Ready] = []
        for item in batch:
            if item.data is None and not self._folder.originals.path(item.version.content_hash).exists():
                error = FileVanishedError(item.version.source)
                version = item.version
                self.counts.fail(version.source, error, version.source_id, version.content_hash, version.size)
            else:
                there.append(item)
        return there

    def _embed(self, batch: _Batch) -> None:
        """Find the vectors of a batch's chunks, in the catalog where the text was embedded before."""
        embedder = self._folder.embedder
        if embedder is None or self._folder.vectors is None:
            self._teller.stage(batch.items, "embed")
            return
        owners: dict[bytes, list[Ready]] = {}
        texts: dict[bytes, str] = {}
        for item in batch.items:
            for key, text in zip(item.version.vector_keys or (), embedded_texts(item.version), strict=True):
                assert key is not None
                owners.setdefault(key, []).append(item)
                texts[key] = text
        found = batch.found = self._folder.catalog.get_vectors(list(texts))
        n_embedded = Counter(item.job_id for key in found for item in owners[key])
        self.counts.n_embedded += n_embedded.total()
        self._teller.embedded(batch.items, n_embedded)

        def is_wanted(key: bytes) -> bool:
            return not self._is_stopped and not all(self._teller.is_cancelled(item) for item in owners[key])

        self.counts.tell("embed")
        for keys in embed_missing(self._folder, embedder, texts, found, batch.fresh, is_wanted):
            n_embedded.update(item.job_id for key in keys for item in owners[key])
            self.counts.n_embedded += sum(len(owners[key]) for key in keys)
            self.counts.tell("embed")
            self._teller.embedded([item for key in keys for item in owners[key]], n_embedded)
