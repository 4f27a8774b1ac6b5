"""One document's bytes -> its text and spans (pure): what a worker does, or this process where there is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ingest.errors import BrokenFileError, EmptyFileError, IngestError, ParserCrashedError, ParserLimitError
from ingest.garble import is_garbled
from ingest.loaders import LoadedFile, load
from ingest.loaders.base import FILE_NAME, TITLE_FROM, FileNameTitle
from ingest.loaders.formats import recognise
from ingest.records import TextRecord, load_record
from ingest.settings import IngestSettings
from ingest.split import split
from retrieval.errors import Message
from retrieval.keyword.tokens import indexed_text
from retrieval.models import Document, Span, context_line


@dataclass(frozen=True, slots=True)
class RecordLabel:
    """What a `TextRecord` has beside its text."""

    title: str
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ParseJob:
    """One document to parse.

    Args:
        source: Path or name; a record's `source_id`.
        data: The whole content; a record's text as UTF-8.
        record: A record's title and metadata; None for a file.
    """

    source: str
    data: bytes
    record: RecordLabel | None = None


@dataclass(frozen=True, slots=True)
class Parsed:
    """A parsed document.

    Args:
        document: Without its blocks, which only the splitter reads.
        spans: Where its chunks lie; at least one.
        media_type: What the content is.
        warnings: What a reader should know although it was parsed.
        indexed_texts: For each span its tokens for the keyword index, or None where nobody made them yet.
        needs_ocr: Whether pages or pictures in it were left unread because OCR is off or not installed.
    """

    document: Document
    spans: tuple[Span, ...]
    media_type: str
    warnings: tuple[Message, ...] = ()
    indexed_texts: tuple[str, ...] | None = None
    needs_ocr: bool = False


def parse(job: ParseJob, settings: IngestSettings, on_split: Callable[[], object] = lambda: None) -> Parsed:
    """Load and split one document.

    Args:
        job: The document.
        settings: Limits and sizes.
        on_split: Called when it is loaded.

    Raises:
        IngestError: One of its kin, saying why this document cannot be ingested; whatever else a parser raises
            becomes `ParserCrashedError`, so that one document never stops a run.
    """
    try:
        loaded = _load(job, settings)
        on_split()
        spans = split(loaded.document, settings.split)
    except IngestError:
        raise
    except MemoryError as exc:
        raise ParserLimitError(job.source, "memory", settings.load.max_memory_mb) from exc
    except Exception as exc:
        raise ParserCrashedError(job.source, f"{type(exc).__name__}: {exc}"[:200]) from exc
    if not spans:
        raise EmptyFileError(job.source)
    if len(loaded.document.page_starts) > settings.load.max_pages:
        raise ParserLimitError(job.source, "pages", settings.load.max_pages)
    title, metadata = str(loaded.document.title), _metadata(loaded.document, job)
    document = replace(loaded.document, title=title, blocks=(), metadata=metadata)
    return Parsed(document, spans, loaded.media_type, loaded.warnings, needs_ocr=loaded.needs_ocr)


def is_plain(job: ParseJob, settings: IngestSettings) -> bool:
    """Tell whether a document is text without any structure: then no parser but our own sees it.

    What a Markdown, HTML or office file holds goes to libraries in other languages, which it may harm.
    """
    if job.record is not None:
        return b"#" not in job.data  # With headings it would be read as Markdown.
    if job.data.startswith((b"PK", b"\xd0\xcf\x11\xe0")) or b"%PDF-" in job.data[:1024]:
        return False
    try:
        return recognise(job.data, source=job.source, settings=settings.load) == "text"
    except IngestError:
        return True  # It is refused by its first bytes, whoever looks at them.


def indexed_texts(document: Document, spans: Sequence[Span]) -> tuple[str, ...]:
    """Return each span's tokens as the keyword index takes them."""
    return tuple(
        indexed_text(context_line(document.title, span.heading), document.text[span.start : span.end]) for span in spans
    )


def _metadata(document: Document, job: ParseJob) -> Mapping[str, str]:
    is_named_by_file = job.record is None and isinstance(document.title, FileNameTitle)
    return {**document.metadata, TITLE_FROM: FILE_NAME} if is_named_by_file else document.metadata


def _load(job: ParseJob, settings: IngestSettings) -> LoadedFile:
    if job.record is None:
        loaded = load(job.data, source=job.source, settings=settings.load)
        if is_garbled(loaded.document.text):
            raise BrokenFileError(job.source, loaded.loader, "its text is garbled")
        return loaded
    record = TextRecord(job.source, job.record.title, job.data.decode("utf-8"), job.record.metadata)
    return load_record(record, settings.load)
