"""Load, split, embed, write: the only file that knows the order.

A file's chunks go to the catalog unseen, then to both indexes, then one transaction makes them visible and what they
replace invisible; only then are the old ones taken out of the indexes. So a stop at any moment leaves each document
wholly old or wholly new.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import numpy as np

from ingest.errors import EmptyFileError, FileTooLargeError, FileVanishedError, IngestError, UnreadableError
from ingest.loaders import LoadedFile, load
from ingest.records import TextRecord, load_record
from ingest.report import IngestFailure, IngestProgress, IngestReport, Stage
from ingest.settings import IngestSettings
from ingest.split import split
from ingest.sync import FileEntry, Unreadable, missing_documents, plan, walk
from retrieval.catalog import KnownSource, NewVersion, vector_key
from retrieval.data_folder import DataFolder
from retrieval.doctor import sweep
from retrieval.models import Chunk, Collection
from retrieval.protocols import Vectors
from retrieval.settings import RetrievalSettings

RECIPE_VERSION = 1
"""Raise it when loaders or splitter give other text or chunks: unchanged files are then read again."""
BATCH_CHUNKS = 512
"""Chunks written together: few enough that a stop costs little, enough that commits cost little."""
BATCH_BYTES = 32 * 1024 * 1024

_T = TypeVar("_T")
Progress = Callable[[IngestProgress], None]


@dataclass(frozen=True, slots=True)
class _Ready:
    """A loaded and split document, waiting for its batch."""

    version: NewVersion
    data: bytes
    is_update: bool


class Ingestor:
    """Brings files and texts into collections.

    Args:
        folder: An open data folder; None: opened as `HUOZI_DATA_DIR` and the other settings say.
        settings: Limits and sizes.

    Example:
        >>> from ingest import Ingestor
        >>> Ingestor().ingest(["~/docs"], collection="制度")  # doctest: +SKIP
    """

    def __init__(self, folder: DataFolder | None = None, settings: IngestSettings | None = None) -> None:
        self._is_ours = folder is None
        self._folder = folder or DataFolder.open(RetrievalSettings.from_environment(), purpose="ingest")
        self._settings = settings or IngestSettings()
        split_settings = self._settings.split
        self._recipe = f"{RECIPE_VERSION} {split_settings.max_chars}/{split_settings.min_chars}"

    def close(self) -> None:
        """Give the data folder back, if this ingestor opened it."""
        if self._is_ours:
            self._is_ours = False
            self._folder.close()

    def __enter__(self) -> Ingestor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ingest(
        self,
        paths: Iterable[str | Path],
        collection: str = "default",
        *,
        delete_missing: bool = False,
        progress: Progress | None = None,
    ) -> IngestReport:
        """Bring files and folders into a collection; unchanged ones cost a hash.

        Args:
            paths: Files and folders.
            collection: Its name; created when missing.
            delete_missing: Delete documents of the given folders whose files are gone.
            progress: Called as the run goes on.

        Returns:
            What became of each file; one that fails is in `failed` and stops nothing.

        Raises:
            EmbedderMismatchError: If the collection was built with another embedder.
            DataFolderError: If nothing more can be written; what was finished before is searchable.
        """
        given = [Path(path) for path in paths]
        with self._folder.writing:
            run = _Run(self._folder, self._folder.collection(collection, create=True), self._recipe, progress)
            entries = list(walk(given))
            run.files_total = len(entries)
            try:
                for ready in self._load_all(entries, run):
                    run.add(ready)
                run.flush()
            finally:
                run.clean()
            if delete_missing:
                found = {entry.source_id for entry in entries if isinstance(entry, FileEntry)}
                # A file that could not be read is not one that is gone.
                found |= {str(Path(entry.error.source)) for entry in entries if isinstance(entry, Unreadable)}
                gone = missing_documents(run.known, found, [path for path in given if path.is_dir()])
                self._folder.delete_documents(gone)
                run.report.deleted = len(gone)
            return run.finish()

    def ingest_records(
        self, records: Iterable[TextRecord], collection: str = "default", *, progress: Progress | None = None
    ) -> IngestReport:
        """Bring texts into a collection; as `ingest`, with records for files."""
        listed = list(records)
        with self._folder.writing:
            run = _Run(self._folder, self._folder.collection(collection, create=True), self._recipe, progress)
            run.files_total = len(listed)
            try:
                for record in listed:
                    ready = self._prepare_record(record, run)
                    if ready is not None:
                        run.add(ready)
                run.flush()
            finally:
                run.clean()
            return run.finish()

    def _load_all(self, entries: Sequence[FileEntry | Unreadable], run: _Run) -> Iterator[_Ready]:
        for entry in entries:
            if isinstance(entry, Unreadable):
                run.fail(entry.source, entry.error)
                continue
            run.tell("load", entry.source)
            try:
                data = self._read(entry)
                ready = self._prepare(entry, data, run)
            except IngestError as error:
                run.fail(entry.source, error)
                continue
            if ready is not None:
                yield ready

    def _read(self, entry: FileEntry) -> bytes:
        limit = self._settings.max_upload_mb * 1024 * 1024
        try:
            size = entry.path.stat().st_size
            if size > limit:
                raise FileTooLargeError(entry.source, size, self._settings.max_upload_mb)
            return entry.path.read_bytes()
        except FileNotFoundError as exc:
            raise FileVanishedError(entry.source) from exc
        except OSError as exc:
            raise UnreadableError(entry.source, exc.strerror or str(exc)) from exc

    def _prepare(self, entry: FileEntry, data: bytes, run: _Run) -> _Ready | None:
        return self._make_ready(
            run,
            data,
            source_id=entry.source_id,
            source=entry.source,
            read=lambda: load(data, source=entry.source, settings=self._settings.load),
            recipe=self._recipe,
        )

    def _prepare_record(self, record: TextRecord, run: _Run) -> _Ready | None:
        data = record.data
        run.tell("load", record.source_id)
        try:
            return self._make_ready(
                run,
                data,
                source_id=record.source_id,
                source=record.source_id,
                read=lambda: load_record(record, self._settings.load),
                # A record's title and metadata are not in its bytes.
                recipe=f"{self._recipe} {record.label_hash}",
            )
        except IngestError as error:
            run.fail(record.source_id, error)
            return None

    def _make_ready(
        self, run: _Run, data: bytes, *, source_id: str, source: str, read: Callable[[], LoadedFile], recipe: str
    ) -> _Ready | None:
        content_hash = hashlib.sha256(data).hexdigest()
        known = run.known.get(source_id)
        action = plan(content_hash, known, recipe=recipe)
        if action == "skip":
            run.skip(source)
            return None
        loaded = read()
        spans = split(loaded.document, self._settings.split)
        if not spans:
            raise EmptyFileError(source)
        run.report.warnings.extend((source, warning) for warning in loaded.warnings)
        version = NewVersion(
            source_id=source_id,
            source=source,
            document=loaded.document,
            spans=spans,
            content_hash=content_hash,
            recipe=recipe,
            media_type=loaded.media_type,
            size=len(data),
        )
        return _Ready(version, data, action == "update")


class _Run:
    """One run's batch, counts and progress."""

    def __init__(self, folder: DataFolder, collection: Collection, recipe: str, progress: Progress | None) -> None:
        self.report = IngestReport()
        self.known: dict[str, KnownSource] = folder.catalog.known_sources(collection.collection_id)
        self.files_total = 0
        self._files_done = 0
        self._folder = folder
        self._collection = collection
        self._recipe = recipe
        self._progress = progress
        self._batch: list[_Ready] = []
        self._unfinished: list[str] = []
        self._started = time.monotonic()

    def add(self, ready: _Ready) -> None:
        """Take a document into the batch; write the batch when it is full."""
        self._batch.append(ready)
        chunks = sum(len(item.version.spans) for item in self._batch)
        size = sum(len(item.data) for item in self._batch)
        if chunks >= BATCH_CHUNKS or size >= BATCH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write the batch: catalog unseen, indexes, switch, old ones out."""
        batch, self._batch = self._batch, []
        if not batch:
            return
        catalog, collection_id = self._folder.catalog, self._collection.collection_id
        for item in batch:
            self._folder.originals.put(item.version.content_hash, item.data)
        built = catalog.build_versions(collection_id, [item.version for item in batch], self._key_of)
        self._unfinished = [version.document_id for version in built]
        chunks = [chunk for version in built for chunk in version.chunks]
        if self._folder.vectors is not None:
            matrix = self._embed([chunk.embedded_text for chunk in chunks])
            self.tell("index")
            self._folder.vectors.upsert(collection_id, chunks, matrix)
        self._folder.keyword.upsert(collection_id, chunks)
        catalog.publish([version.version_id for version in built])
        self._unfinished = []
        updates = [version.document_id for version, item in zip(built, batch, strict=True) if item.is_update]
        if updates:
            sweep(self._folder, updates)
        self.report.updated += len(updates)
        self.report.added += len(batch) - len(updates)
        self.report.chunks += len(chunks)
        self._files_done += len(batch)
        self.tell("index", batch[-1].version.source)

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

    def _key_of(self, chunk: Chunk) -> bytes | None:
        if self._folder.vectors is None:
            return None
        return vector_key(self._collection.embedder, chunk.embedded_text)

    def _embed(self, texts: Sequence[str]) -> Vectors:
        """Return (len(texts), dim) float32, from the catalog where the text was embedded before."""
        embedder, catalog = self._folder.embedder, self._folder.catalog
        assert embedder is not None
        keys = [vector_key(self._collection.embedder, text) for text in texts]
        known = catalog.get_vectors(keys)
        wanted = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        for batch in _batches(list(wanted.items()), embedder.batch_size):
            self.tell("embed")
            matrix = embedder.embed_batch([text for _, text in batch])
            catalog.put_vectors([key for key, _ in batch], matrix)
            known.update(zip((key for key, _ in batch), matrix, strict=True))
        return np.stack([known[key] for key in keys])


def _batches(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    for i in range(0, len(items), size):
        yield items[i : i + size]
