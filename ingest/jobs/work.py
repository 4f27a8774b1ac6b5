"""Some jobs of one collection, together: read, parse, hand over, and say what became of each."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ingest.batch import Ready, Run
from ingest.contents import read_contents
from ingest.errors import FileVanishedError, IngestError, UnreadableError
from ingest.jobs.enqueue import ATTRIBUTES
from ingest.jobs.progress import LiveCounts
from ingest.jobs.queue import delay_s, is_passing, told
from ingest.jobs.unpack import is_archive, unpack
from ingest.ocr.availability import is_on
from ingest.recipe import recipe_made, recipe_of
from ingest.report import IngestProgress
from ingest.sandbox.ahead import Parser
from ingest.sandbox.parse import Parsed, ParseJob
from ingest.settings import IngestSettings
from ingest.sync import FileEntry, plan, walk
from retrieval.catalog import KnownSource, NewVersion
from retrieval.catalog.job_record import JobRecord, job_error
from retrieval.data_folder import DataFolder
from retrieval.errors import CollectionNotFoundError, DocumentNotFoundError
from retrieval.models import Collection

_log = logging.getLogger(__name__)


class StoppedError(Exception):
    """The service is ending: what is under way goes on at its next start."""


@dataclass(frozen=True, slots=True)
class _Begun:
    """A job whose file is being parsed."""

    record: JobRecord
    content_hash: str
    recipe: str
    job: ParseJob
    data: bytes | None


class JobGroup:
    """Jobs that were claimed together.

    Args:
        folder: The open data folder.
        settings: Limits and sizes.
        live: Told how far each is.
        is_stopping: Asked between any two steps.
    """

    def __init__(
        self, folder: DataFolder, settings: IngestSettings, live: LiveCounts, is_stopping: Callable[[], bool]
    ) -> None:
        self._folder = folder
        self._jobs = folder.catalog.jobs
        self._settings = settings
        self._live = live
        self._is_stopping = is_stopping
        self._handed_over: list[JobRecord] = []

    def work(self, collection_id: str, records: Sequence[JobRecord], parser: Parser) -> None:
        """Do the jobs; each has ended or waits for another attempt when this returns.

        Raises:
            StoppedError: If the service is ending; they are queued again.
            Exception: What stopped them all, after they were put off.
        """
        try:
            self._take(self._folder.collection(collection_id), records, parser)
        except CollectionNotFoundError:
            pass  # Deleted meanwhile, and its jobs with it.
        except StoppedError:
            self._jobs.put_off([record.job_id for record in records], not_before=0.0)
            raise
        except Exception as error:
            self.put_off(records, error)
            raise
        finally:
            self._settle(records)

    def put_off(self, records: Sequence[JobRecord], error: Exception) -> None:
        """Give jobs that something stopped another attempt, or none if they had enough."""
        to_blame = self._handed_over or list(records)
        now = time.time()
        for record in to_blame:
            if record.attempts >= self._settings.jobs.attempts or not is_passing(error):
                self._jobs.fail(record.job_id, job_error(told(error)), stage=self._live.stage(record.job_id))
            else:
                not_before = now + delay_s(record.attempts)
                self._jobs.put_off([record.job_id], not_before=not_before, error=job_error(told(error)))
        self._jobs.put_off([record.job_id for record in records], not_before=0.0)

    def _take(self, collection: Collection, records: Sequence[JobRecord], parser: Parser) -> None:
        known = self._folder.catalog.known_sources(
            collection.collection_id, source_ids=[record.source_id for record in records]
        )
        run = Run(self._folder, collection, self._step, known=known, live=self._live)
        try:
            for begun, parsed in parser.parse_all((one, one.job) for one in self._begun(records, run)):
                self._step()
                self._hand_over(begun, parsed, run)
            run.flush()
        finally:
            run.clean()
        run.finish()

    def _hand_over(self, begun: _Begun, parsed: Parsed | IngestError, run: Run) -> None:
        if self._live.is_cancelled(begun.record.job_id):
            return
        if isinstance(parsed, IngestError):
            self._fail(begun.record, parsed)
            return
        self._live.tell(begun.record.job_id, "split", chunks=len(parsed.spans))
        self._handed_over.append(begun.record)
        n_before = run.report.chunks
        run.add(_ready(begun, parsed))
        if run.report.chunks > n_before:
            # What is visible now has nothing to do with what may go wrong later.
            self._handed_over = [record for record in self._handed_over if not self._live.is_cancelled(record.job_id)]

    def _begun(self, records: Sequence[JobRecord], run: Run) -> Iterator[_Begun]:
        """Yield the jobs whose files have to be parsed; the others end here."""
        for record in records:
            self._step()
            if self._live.is_cancelled(record.job_id):
                continue
            self._live.tell(record.job_id, "parse", bytes=record.size)
            try:
                if is_archive(self._folder, record):
                    unpack(self._folder, run.collection, record, self._settings)
                    continue
                data = self._read(record)
            except IngestError as error:
                self._fail(record, error)
                continue
            content_hash = hashlib.sha256(data).hexdigest()
            recipe = _recipe(record, self._settings)
            reads_pictures = is_on(self._settings.load.ocr)
            known = run.known.get(record.source_id)
            if plan(content_hash, known, recipe=recipe, reads_pictures=reads_pictures) == "skip":
                self._finish_unchanged(record, known)
                continue
            is_stored = record.origin == "upload"
            yield _Begun(record, content_hash, recipe, ParseJob(record.source, data), None if is_stored else data)

    def _finish_unchanged(self, record: JobRecord, known: KnownSource | None) -> None:
        """End a job whose document is there as it should be: the file came twice, or a stop came after the switch."""
        counts: dict[str, int] = {"bytes": record.size}
        if known is not None:
            n_chunks = self._folder.catalog.get_document(known.document_id).n_chunks
            n_embedded = 0 if self._folder.vectors is None else n_chunks
            counts |= {"chunks": n_chunks, "embedded": n_embedded, "indexed": n_chunks}
        self._jobs.finish(record.job_id, counts=counts)

    def _read(self, record: JobRecord) -> bytes:
        """Return a job's bytes.

        Raises:
            IngestError: If there are none.
        """
        if record.origin == "upload":
            try:
                return self._folder.originals.get(record.content_hash)
            except DocumentNotFoundError as exc:
                raise UnreadableError(record.source, "its bytes are missing") from exc
        for _, data in read_contents([_entry(record, self._settings)], self._settings):
            if isinstance(data, IngestError):
                raise data
            return data
        raise FileVanishedError(record.source)

    def _fail(self, record: JobRecord, error: IngestError) -> None:
        """End a job for good, or give it another attempt."""
        if is_passing(error) and record.attempts < self._settings.jobs.attempts:
            not_before = time.time() + delay_s(record.attempts)
            self._jobs.put_off([record.job_id], not_before=not_before, error=job_error(error))
        else:
            self._jobs.fail(record.job_id, job_error(error), stage=self._live.stage(record.job_id))

    def _settle(self, records: Sequence[JobRecord]) -> None:
        """End the cancelled ones, and forget what was live of all."""
        job_ids = [record.job_id for record in records]
        self._jobs.settle_cancelled(job_ids)
        hashes = {record.content_hash for record in records if record.content_hash}
        self._folder.originals.remove_unused(hashes, self._folder.catalog.wanted_hashes)
        for job_id in job_ids:
            self._live.forget(job_id)

    def _step(self, _progress: IngestProgress | None = None) -> None:
        if self._is_stopping():
            raise StoppedError


def _entry(record: JobRecord, settings: IngestSettings) -> FileEntry:
    """Return the file that a folder's run could not take in, maybe one in an archive.

    Raises:
        FileVanishedError: If it is gone.
    """
    path = Path(record.source_id)
    if path.is_file():
        return FileEntry(path, record.source)
    for archive in path.parents:
        if archive.is_file():
            for entry in walk([archive], settings.load):
                if isinstance(entry, FileEntry) and entry.source_id == record.source_id:
                    return replace(entry, source=record.source)
    raise FileVanishedError(record.source)


def _recipe(record: JobRecord, settings: IngestSettings) -> str:
    """Return how a job's document is made; its attributes are not in its bytes."""
    attributes = record.options.get(ATTRIBUTES)
    if not attributes:
        return recipe_of(settings)
    label = hashlib.sha256(repr(sorted(attributes.items())).encode("utf-8", "replace")).hexdigest()[:8]
    return f"{recipe_of(settings)} {label}"


def _ready(begun: _Begun, parsed: Parsed) -> Ready:
    record, document = begun.record, parsed.document
    attributes = record.options.get(ATTRIBUTES) or {}
    version = NewVersion(
        source_id=record.source_id,
        source=record.source,
        document=replace(document, metadata={**document.metadata, **attributes}),
        spans=parsed.spans,
        content_hash=begun.content_hash,
        recipe=recipe_made(begun.recipe, needs_ocr=parsed.needs_ocr),
        media_type=parsed.media_type,
        size=len(begun.job.data),
        document_id=record.document_id,
    )
    return Ready(version, begun.data, parsed.indexed_texts, record.job_id)
