"""What a run would do, with the chunks that it would make; nothing is stored, whoever has the data folder open."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from ingest.contents import read_contents
from ingest.errors import IngestError
from ingest.loaders.formats import suffix_of
from ingest.loaders.table_view import as_markdown
from ingest.moves import find_moves
from ingest.ocr.availability import is_on
from ingest.recipe import recipe_of
from ingest.report import IngestFailure
from ingest.sandbox.ahead import Parser
from ingest.sandbox.parse import Parsed, ParseJob
from ingest.settings import IngestSettings
from ingest.sync import FileEntry, Unreadable, check_not_emptied, gone_sources, plan, walk
from retrieval.catalog import KnownSource
from retrieval.errors import Language

Outcome = Literal["add", "update", "move", "skip", "delete"]


@dataclass(frozen=True, slots=True)
class FilePreview:
    """What would become of one file.

    Args:
        source: What people are shown.
        outcome: What would be done.
        parsed: The document that would be stored; None where nothing is parsed.
        was: What a file that was moved is called now.
    """

    source: str
    outcome: Outcome
    parsed: Parsed | None = None
    was: str | None = None

    def as_dict(self, language: Language) -> dict[str, Any]:
        """Return it as `--json` shows it."""
        shown: dict[str, Any] = {"source": self.source, "outcome": self.outcome}
        if self.was is not None:
            shown["was"] = self.was
        return shown if self.parsed is None else {**shown, **parsed_object(self.parsed, language)}


@dataclass(slots=True)
class IngestPreview:
    """What a run would do, in its order."""

    files: list[FilePreview] = field(default_factory=list)
    failed: list[IngestFailure] = field(default_factory=list)

    def count(self, outcome: Outcome) -> int:
        """Return how many files would have this outcome."""
        return sum(one.outcome == outcome for one in self.files)

    @property
    def n_chunks(self) -> int:
        """How many chunks would be written."""
        return sum(len(one.parsed.spans) for one in self.files if one.parsed is not None)

    def as_dict(self, language: Language = "zh") -> dict[str, Any]:
        """Return the object for `--json`: a run's counts, and each file with its chunks."""
        return {
            "dry_run": True,
            "added": self.count("add"),
            "updated": self.count("update"),
            "skipped": self.count("skip"),
            "moved": self.count("move"),
            "deleted": self.count("delete"),
            "failed": [one.as_dict(language) for one in self.failed],
            "chunks": self.n_chunks,
            "files": [one.as_dict(language) for one in self.files],
        }


def parsed_object(parsed: Parsed, language: Language) -> dict[str, Any]:
    """Return a parsed document with its chunks: offsets count characters in the parsed text.

    A chunk's `markdown` is its text with its tables as Markdown; None where it holds no table.
    """
    text = parsed.document.text
    return {
        "title": parsed.document.title,
        "media_type": parsed.media_type,
        "chunks": [
            {
                "start": span.start,
                "end": span.end,
                "page": span.page,
                "heading": list(span.heading),
                "text": text[span.start : span.end],
                "markdown": _markdown(text[span.start : span.end]),
            }
            for span in parsed.spans
        ],
        "warnings": [warning.render(language) for warning in parsed.warnings],
    }


def _markdown(text: str) -> str | None:
    shown = as_markdown(text)
    return shown if shown != text else None


def parse_apart(source: str, data: bytes, settings: IngestSettings) -> Parsed:
    """Return one document as an ingestion would make it, parsed in a worker process.

    Raises:
        IngestError: If it would be refused.
    """
    with Parser(settings.model_copy(update={"parse_apart": "always"})) as parser:
        ((_, parsed),) = parser.parse_all([(None, ParseJob(source, data))])
    if isinstance(parsed, IngestError):
        raise parsed
    return parsed


def preview(
    paths: Iterable[str | Path],
    known: Mapping[str, KnownSource],
    settings: IngestSettings,
    *,
    delete_missing: bool = False,
    allow_empty: bool = False,
) -> IngestPreview:
    """Tell what `Ingestor.ingest` would do.

    Args:
        paths: Files and folders.
        known: What the collection holds, by source_id.
        settings: Limits and sizes.
        delete_missing: As for the run.
        allow_empty: As for the run.

    Raises:
        EmptiedFolderError: As the run would.
    """
    given = [Path(path) for path in paths]
    entries = list(walk(given, settings.load))
    folders = [path for path in given if path.is_dir()]
    if delete_missing and not allow_empty:
        check_not_emptied(known, entries, folders)
    gone = gone_sources(known, entries, folders, pictures=settings.load.ocr.folders)
    found = [entry for entry in entries if isinstance(entry, FileEntry)]
    moves = find_moves(found, known, gone, lambda files: read_contents(files, settings))
    told = _Told(known, moves, recipe_of(settings))
    with Parser(settings) as parser:
        for (entry, outcome), parsed in parser.parse_all(told.wanted(entries, settings)):
            if isinstance(parsed, IngestError):
                told.preview.failed.append(IngestFailure.of(entry.source, parsed))
            else:
                told.preview.files.append(FilePreview(entry.source, outcome, parsed))
    if delete_missing:
        left = [known[source_id] for source_id in gone if source_id not in set(moves.values())]
        told.preview.files += [FilePreview(one.source, "delete") for one in left]
    return told.preview


@dataclass(slots=True)
class _Told:
    """A preview on its way."""

    known: Mapping[str, KnownSource]
    moves: Mapping[str, str]
    recipe: str
    preview: IngestPreview = field(default_factory=IngestPreview)

    def wanted(
        self, entries: Sequence[FileEntry | Unreadable], settings: IngestSettings
    ) -> Iterator[tuple[tuple[FileEntry, Outcome], ParseJob]]:
        """Yield what has to be parsed; the fate of anything else is told at once."""
        for entry, data in read_contents(entries, settings):
            if isinstance(data, IngestError):
                self.preview.failed.append(IngestFailure.of(entry.source, data))
                continue
            assert isinstance(entry, FileEntry)  # What cannot be read has an error in place of bytes.
            was, source = self._known(entry)
            action = plan(
                hashlib.sha256(data).hexdigest(), source, recipe=self.recipe, reads_pictures=is_on(settings.load.ocr)
            )
            if action != "skip":
                yield (entry, action), ParseJob(entry.source, data)
            elif was is None:
                self.preview.files.append(FilePreview(entry.source, "skip"))
            else:
                self.preview.files.append(FilePreview(entry.source, "move", was=was))

    def _known(self, entry: FileEntry) -> tuple[str | None, KnownSource | None]:
        """Return what a file was called, if it was moved, and what is known of it."""
        old = self.moves.get(entry.source_id)
        if old is None:
            return None, self.known.get(entry.source_id)
        source = self.known[old]
        is_alike = suffix_of(old) == suffix_of(entry.source_id)
        return source.source, source if is_alike else replace(source, recipe="")
