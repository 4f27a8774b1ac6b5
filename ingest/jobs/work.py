"""Some jobs of one collection, together: read, parse, hand over, and say what became of each."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from ingest.batch import Run
from ingest.contents import read_contents
from ingest.errors import FileVanishedError, IngestError, UnreadableError
from ingest.jobs.enqueue import ATTRIBUTES
from ingest.jobs.progress import LiveCounts
from ingest.jobs.queue import delay_s, may_try_again, told
from ingest.jobs.turns import Turn
from ingest.jobs.unpack import is_archive, unpack
from ingest.ocr.availability import is_on
from ingest.ready import Ready
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

PATIENCE_S = 2.0
"""A file that takes its parser longer no longer holds back those that were claimed with it."""


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
        now: Tells the time, in seconds since the epoch.
    """

    def __init__(
        self,
        folder: DataFolder,
        settings: IngestSettings,
        live: LiveCounts,
        is_stopping: Callable[[], bool],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._jobs = folder.catalog.jobs
        self._settings = settings
        self._live = live
        self._is_stopping = is_stopping
        self._now = now
        self._records: dict[str, JobRecord] = {}  # Ours, by id: not those that were let go.
        self._parsing: dict[str, float] = {}  # Those at the parser, in order; since when each is the first, or 0.
        self._handed_over: list[JobRecord] = []

    def work(self, turn: Turn, parser: Parser) -> None:
        """Do the jobs; each has ended or waits for another attempt when this returns, or was let go.

        Raises:
            StoppedError: If the service is ending; they are queued again.
            Exception: What stopped them all, after they were put off.
        """
        self._records = {record.job_id: record for record in turn.records}
        try:
            self._take(self._folder.collection(turn.collection_id), turn, parser)
        except CollectionNotFoundError:
            pass  # Deleted meanwhile, and its jobs with it.
        except StoppedError:
            self._jobs.put_off(list(self._records), not_before=0.0)
            raise
        except Exception as error:
            self._put_off(error)
            raise
        finally:
            self._settle()

    def _put_off(self, error: Exception) -> None:
        """Give jobs that something stopped another attempt, or none if they had enough."""
        for record in self._handed_over or list(self._records.values()):
            self._fail(record, error)
        self._jobs.put_off(list(self._records), not_before=0.0)

    def _take(self, collection: Collection, turn: Turn, parser: Parser) -> None:
        records = list(turn.records)
        known = self._folder.catalog.known_sources(
            collection.collection_id, source_ids=[record.source_id for record in records]
        )
        run = Run(self._folder, collection, self._step, known=known, live=self._live)
        parser.idle = lambda: self._wait(run, turn, parser)
        try:
            with closing(parser.parse_all((one, one.job) for one in self._begun(records, run))) as all_parsed:
                for begun, parsed in all_parsed:
                    self._step()
                    self._parsing.pop(begun.record.job_id, None)
                    self._hand_over(begun, parsed, run)
                    if turn.is_slow:
                        break  # The others were let go.
            run.flush()
        finally:
            parser.idle = None
            run.clean()
        run.finish()

    def _wait(self, run: Run, turn: Turn, parser: Parser) -> bool:
        """Look around while a file is being parsed; returns that this is to be called again."""
        self._step()
        job_id, since = next(iter(self._parsing.items()))
        if self._live.is_cancelled(job_id):
            parser.give_up()
            return True
        if parser.is_splitting:
            self._live.tell(job_id, "split")
        now = time.monotonic()
        if since == 0.0:
            self._parsing[job_id] = now
        elif now - since > PATIENCE_S and not turn.is_slow:
            run.flush()
            self._let_go(turn, job_id)
        else:
            run.write_ready()
        return True

    def _let_go(self, turn: Turn, job_id: str) -> None:
        """Leave to others all jobs but one, which takes its parser long."""
        done = {record.job_id for record in self._handed_over}
        others = [one for one in self._records if one != job_id and one not in done]
        for one in others:
            del self._records[one]
            self._live.forget(one)
        turn.wait_for_one(others)

    def _hand_over(self, begun: _Begun, parsed: Parsed | IngestError, run: Run) -> None:
        if begun.record.job_id not in self._records or self._live.is_cancelled(begun.record.job_id):
            return
        if isinstance(parsed, IngestError):
            self._fail(begun.record, parsed)
            return
        self._live.tell(begun.record.job_id, "split", chunks=len(parsed.spans))
        self._handed_over.append(begun.record)
        n_before = run.counts.report.chunks
        run.add(_ready(begun, parsed))
        if run.counts.report.chunks > n_before:
            # What is visible now has nothing to do with what may go wrong later.
            self._handed_over = [record for record in self._handed_over if not self._live.is_cancelled(record.job_id)]

    def _begun(self, records: Sequence[JobRecord], run: Run) -> Iterator[_Begun]:
        """Yield the jobs whose files have to be parsed; the others end here."""
        for record in records:
            self._step()
            if record.job_id not in self._records or self._live.is_cancelled(record.job_id):
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
            self._parsing[record.job_id] = 0.0
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

    def _fail(self, record: JobRecord, error: Exception) -> None:
        """End a job for good, or give it another attempt."""
        reason = job_error(told(error))
        if may_try_again(error, record.attempts, self._settings.jobs):
            self._jobs.put_off([record.job_id], not_before=self._now() + delay_s(record.attempts), error=reason)
        else:
            self._jobs.fail(record.job_id, reason, stage=self._live.stage(record.job_id))

    def _settle(self) -> None:
        """End the cancelled ones, and forget what was live of all."""
        self._jobs.settle_cancelled(list(self._records))
        hashes = {record.content_hash for record in self._records.values() if record.content_hash}
        self._folder.originals.remove_unused(hashes, self._folder.catalog.wanted_hashes)
        for job_id in self._records:
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
