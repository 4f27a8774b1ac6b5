"""Find, read, parse, hand over: the only file that knows this order; `batch.py` knows that of the stores."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from types import TracebackType

from ingest.batch import Run
from ingest.contents import read_contents
from ingest.copies import Copies
from ingest.errors import IngestError
from ingest.jobs.failures import record_failures
from ingest.loaders.formats import suffix_of
from ingest.moves import Rename, find_moves, rename
from ingest.ocr.availability import is_on, require, with_pictures
from ingest.ready import Ready
from ingest.recipe import UNREAD, recipe_made, recipe_of
from ingest.records import TextRecord
from ingest.report import IngestReport
from ingest.run_counts import Progress
from ingest.sandbox.ahead import Parser
from ingest.sandbox.parse import Parsed, ParseJob, RecordLabel
from ingest.settings import IngestSettings
from ingest.sync import FileEntry, Unreadable, check_not_emptied, gone_sources, plan, walk
from ingest.unread import UnreadDocument, entries_of, file_of, refused_files, unread_documents
from retrieval.catalog import NewVersion
from retrieval.data_folder import DataFolder
from retrieval.settings import RetrievalSettings

COPIED_TOGETHER = 64
"""Documents made of others' content while nobody else may write."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A document that is new or has changed: its identity, and what names its bytes and the way they are read."""

    source_id: str
    content_hash: str
    recipe: str
    job: ParseJob
    metadata: Mapping[str, str] = field(default_factory=dict)  # Beside what the content itself says.


@dataclass(slots=True)
class _Waiting:
    """Files whose content is stored or on its way: each with its hash."""

    copies: Copies
    files: list[tuple[FileEntry, str]] = field(default_factory=list)


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
        self._recipe = recipe_of(self._settings)

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
        allow_empty: bool = False,
        ocr: bool = False,
        progress: Progress | None = None,
    ) -> IngestReport:
        """Bring files and folders into a collection; unchanged ones cost a hash, moved and equal ones no parsing.

        Args:
            paths: Files and folders.
            collection: Its name; created when missing.
            delete_missing: Delete documents of the given folders whose files are gone.
            allow_empty: Let that be all of them.
            ocr: Read pictures, also picture files in folders, whatever the settings say; without any paths, read what
                the collection holds unread.
            progress: Called as the run goes on.

        Returns:
            What became of each file; one that fails is in `failed` and stops nothing.

        Raises:
            EmbedderMismatchError: If the collection was built with another embedder.
            EmptiedFolderError: If a folder holds nothing and all of its documents would be deleted.
            DataFolderError: If nothing more can be written; what was finished before is searchable.
            MissingExtraError: If pictures are to be read and the extra for it is not installed.
        """
        given = [Path(path) for path in paths]
        if ocr:
            require()
            reader = Ingestor(self._folder, with_pictures(self._settings))
            if not given:
                return reader._read_unread(collection, progress)
            return reader.ingest(
                given, collection, delete_missing=delete_missing, allow_empty=allow_empty, progress=progress
            )
        target = self._folder.collection(collection, create=True)
        with self._folder.syncing(target.collection_id):
            run = Run(self._folder, target, progress)
            entries = list(walk(given, self._settings.load))
            run.counts.files_total = len(entries)
            folders = [path for path in given if path.is_dir()]
            if delete_missing and not allow_empty:
                check_not_emptied(run.known, entries, folders)
            pictures = self._settings.load.ocr.folders
            self._move(entries, gone_sources(run.known, entries, folders, pictures=pictures), run)
            waiting = _Waiting(Copies(self._folder, run.collection))
            self._take(self._wanted_files(entries, run, waiting), run)
            self._take(self._wanted_files(self._copy(waiting, run), run), run)
            if delete_missing:
                gone = gone_sources(run.known, entries, folders, pictures=pictures)
                self._folder.delete_documents([run.known[source_id].document_id for source_id in gone])
                run.counts.report.deleted = len(gone)
            record_failures(self._folder, run, entries, folders)
            return run.finish()

    def _read_unread(self, collection: str, progress: Progress | None) -> IngestReport:
        """Read what a collection holds unread: documents with pictures, and files that are nothing but pictures."""
        target = self._folder.collection(collection)
        with self._folder.syncing(target.collection_id):
            run = Run(self._folder, target, progress)
            documents = unread_documents(run.known)
            refused = refused_files(self._folder, target.collection_id)
            uploaded = [record for record in refused if record.origin == "upload"]
            listed = [record for record in refused if record.origin == "sync"]
            entries = entries_of(listed, self._settings)
            run.counts.files_total = len(documents) + len(entries)
            self._take(chain(self._wanted_unread(documents, run), self._wanted_files(entries, run)), run)
            record_failures(self._folder, run, entries, [])
            gone = [record.source_id for record in listed if file_of(record.source_id) is None]
            self._folder.catalog.jobs.replace_failed(target.collection_id, [], gone)
            for record in uploaded:
                self._folder.catalog.jobs.retry(record.job_id, options={"ocr": True})
            run.counts.report.queued = len(uploaded)
            return run.finish()

    def _wanted_unread(self, documents: Sequence[UnreadDocument], run: Run) -> Iterator[_Wanted]:
        for one in documents:
            run.counts.tell("parse", one.source)
            job = ParseJob(one.source, self._folder.originals.get(one.content_hash))
            stored = self._folder.catalog.live_version(run.known[one.source_id].document_id)
            metadata = stored.document.metadata if stored is not None else {}
            # Not ours of now: what else may be new in that is not what is asked for.
            recipe = run.known[one.source_id].recipe.removesuffix(UNREAD)
            yield _Wanted(one.source_id, one.content_hash, recipe, job, metadata)

    def run_queue(self, *, ocr: bool = False) -> None:
        """Work on the jobs that wait, in this thread: for a process in which no service does.

        Args:
            ocr: Read pictures, whatever the settings say.
        """
        from ingest.jobs.runner import JobRunner

        JobRunner(self._folder, with_pictures(self._settings) if ocr else self._settings).run_pending()

    def ingest_records(
        self, records: Iterable[TextRecord], collection: str = "default", *, progress: Progress | None = None
    ) -> IngestReport:
        """Bring texts into a collection; as `ingest`, with records for files."""
        listed = list(records)
        target = self._folder.collection(collection, create=True)
        with self._folder.syncing(target.collection_id):
            run = Run(self._folder, target, progress)
            run.counts.files_total = len(listed)
            self._take(self._wanted_records(listed, run), run)
            return run.finish()

    def _take(self, wanted: Iterator[_Wanted], run: Run) -> None:
        """Parse and store everything wanted."""
        try:
            with Parser(self._settings, idle=run.write_ready) as parser:
                for one, parsed in parser.parse_all((one, one.job) for one in wanted):
                    if isinstance(parsed, IngestError):
                        run.counts.fail(one.job.source, parsed, one.source_id, one.content_hash, len(one.job.data))
                    else:
                        run.counts.report.warnings.extend((one.job.source, warning) for warning in parsed.warnings)
                        run.add(_ready(one, parsed))
                run.flush()
        finally:
            run.clean()

    def _move(self, entries: Sequence[FileEntry | Unreadable], gone: Sequence[str], run: Run) -> None:
        """Rename the documents whose files have another name; what a run knows of them is then under that."""
        found = {entry.source_id: entry for entry in entries if isinstance(entry, FileEntry)}
        moves = find_moves(list(found.values()), run.known, gone, lambda files: read_contents(files, self._settings))
        renames = [Rename(run.known[old].document_id, found[new]) for new, old in moves.items()]
        renamed = rename(self._folder, run.collection, renames)
        for new, old in moves.items():
            if run.known[old].document_id in renamed:
                source = run.known.pop(old)
                is_alike = suffix_of(new) == suffix_of(old)
                run.known[new] = source if is_alike else replace(source, recipe="")
                run.renamed.add(new)

    def _copy(self, waiting: _Waiting, run: Run) -> list[FileEntry]:
        """Store what waits for equal content; return the files that have to be parsed after all."""
        left: list[FileEntry] = []
        try:
            for i in range(0, len(waiting.files), COPIED_TOGETHER):
                # From looking to storing: nobody may delete meanwhile what is taken over.
                with run.undisturbed():
                    for entry, content_hash in waiting.files[i : i + COPIED_TOGETHER]:
                        ready = waiting.copies.find(entry.source_id, entry.source, content_hash, self._recipe)
                        if ready is None:
                            left.append(entry)
                        else:
                            run.add(ready)
        finally:
            run.clean()
        return left

    def _wanted_files(
        self, entries: Iterable[FileEntry | Unreadable], run: Run, waiting: _Waiting | None = None
    ) -> Iterator[_Wanted]:
        """Yield the files to parse; with `waiting`, those with content that need not be parsed are kept there."""
        for entry, data in read_contents(entries, self._settings):
            run.counts.tell("parse", entry.source)
            if isinstance(data, IngestError):
                run.counts.fail(entry.source, data, entry.source_id)
                continue
            assert isinstance(entry, FileEntry)  # What cannot be read has an error in place of bytes.
            for wanted in self._unless_known(entry.source_id, self._recipe, ParseJob(entry.source, data), run):
                if waiting is not None and waiting.copies.expect(wanted.content_hash):
                    waiting.files.append((entry, wanted.content_hash))
                else:
                    yield wanted

    def _wanted_records(self, records: Sequence[TextRecord], run: Run) -> Iterator[_Wanted]:
        for record in records:
            run.counts.tell("parse", record.source_id)
            job = ParseJob(record.source_id, record.data, RecordLabel(record.title, record.metadata))
            # A record's title and metadata are not in its bytes.
            yield from self._unless_known(record.source_id, f"{self._recipe} {record.label_hash}", job, run)

    def _unless_known(self, source_id: str, recipe: str, job: ParseJob, run: Run) -> Iterator[_Wanted]:
        """Yield what a run wants of a document: nothing if it is stored as it is."""
        content_hash = hashlib.sha256(job.data).hexdigest()
        reads_pictures = is_on(self._settings.load.ocr)
        if plan(content_hash, run.known.get(source_id), recipe=recipe, reads_pictures=reads_pictures) == "skip":
            (run.counts.moved if source_id in run.renamed else run.counts.skip)(job.source)
        else:
            yield _Wanted(source_id, content_hash, recipe, job)


def _ready(wanted: _Wanted, parsed: Parsed) -> Ready:
    version = NewVersion(
        source_id=wanted.source_id,
        source=wanted.job.source,
        document=replace(parsed.document, metadata={**wanted.metadata, **parsed.document.metadata}),
        spans=parsed.spans,
        content_hash=wanted.content_hash,
        recipe=recipe_made(wanted.recipe, needs_ocr=parsed.needs_ocr),
        media_type=parsed.media_type,
        size=len(wanted.job.data),
    )
    return Ready(version, wanted.job.data, parsed.indexed_texts)
