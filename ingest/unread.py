"""What a collection holds unread, for want of OCR: documents with pictures in them, and files that were refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ingest.errors import NeedsOcrError
from ingest.ocr.availability import with_pictures
from ingest.recipe import UNREAD
from ingest.settings import IngestSettings
from ingest.sync import FileEntry, walk
from retrieval.catalog import KnownSource
from retrieval.catalog.job_record import FAILED, JobRecord
from retrieval.data_folder import DataFolder


@dataclass(frozen=True, slots=True)
class UnreadDocument:
    """A document whose stored original has pages or pictures that were not read."""

    source_id: str
    source: str
    content_hash: str


def unread_documents(known: Mapping[str, KnownSource]) -> list[UnreadDocument]:
    """Return the documents that were stored without what their pictures say (pure)."""
    return [
        UnreadDocument(source_id, one.source, one.content_hash)
        for source_id, one in known.items()
        if one.recipe.endswith(UNREAD)
    ]


def refused_files(folder: DataFolder, collection_id: str) -> list[JobRecord]:
    """Return the failed jobs of files that are nothing but pictures, oldest first."""
    failed = folder.catalog.jobs.find(collection_id=collection_id, states=[FAILED], oldest_first=True)
    return [record for record in failed if (record.error or {}).get("code") == NeedsOcrError.code]


def entries_of(records: Sequence[JobRecord], settings: IngestSettings) -> list[FileEntry]:
    """Return the files of a folder's earlier runs that are still there, shown as they were then; also in archives."""
    by_path: dict[Path, dict[str, JobRecord]] = {}
    for record in records:
        if (path := file_of(record.source_id)) is not None:
            by_path.setdefault(path, {})[record.source_id] = record
    return [
        replace(entry, source=wanted[entry.source_id].source)
        for path, wanted in by_path.items()
        for entry in walk([path], with_pictures(settings).load)
        if isinstance(entry, FileEntry) and entry.source_id in wanted
    ]


def file_of(source_id: str) -> Path | None:
    """Return the file that a source is, or lies in; None if it is gone."""
    path = Path(source_id)
    return next((one for one in (path, *path.parents) if one.is_file()), None)
