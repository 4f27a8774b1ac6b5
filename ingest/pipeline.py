"""Find, read, load, split, hand over: the only file that knows this order; `batch.py` knows that of the stores."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType

from ingest.batch import Progress, Ready, Run
from ingest.errors import EmptyFileError, FileTooLargeError, FileVanishedError, IngestError, UnreadableError
from ingest.loaders import LoadedFile, load
from ingest.records import TextRecord, load_record
from ingest.report import IngestReport
from ingest.settings import IngestSettings
from ingest.split import split
from ingest.sync import FileEntry, Unreadable, missing_documents, plan, walk
from retrieval.catalog import NewVersion
from retrieval.data_folder import DataFolder
from retrieval.settings import RetrievalSettings

RECIPE_VERSION = 2
"""Raise it when loaders or splitter give other text or chunks: unchanged files are then read again."""


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
            run = Run(self._folder, self._folder.collection(collection, create=True), progress)
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
            run = Run(self._folder, self._folder.collection(collection, create=True), progress)
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

    def _load_all(self, entries: Sequence[FileEntry | Unreadable], run: Run) -> Iterator[Ready]:
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

    def _prepare(self, entry: FileEntry, data: bytes, run: Run) -> Ready | None:
        return self._make_ready(
            run,
            data,
            source_id=entry.source_id,
            source=entry.source,
            read=lambda: load(data, source=entry.source, settings=self._settings.load),
            recipe=self._recipe,
        )

    def _prepare_record(self, record: TextRecord, run: Run) -> Ready | None:
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
        self, run: Run, data: bytes, *, source_id: str, source: str, read: Callable[[], LoadedFile], recipe: str
    ) -> Ready | None:
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
        return Ready(version, data)
