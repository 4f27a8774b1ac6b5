"""Settings -> built objects: the one place that chooses implementations."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

from api.settings import Settings
from assistant.settings import AnswerSettings

if TYPE_CHECKING:
    from api.parts import ShowsJobs
    from assistant import Assistant
    from assistant.trace_log import TraceLog
    from ingest import Ingestor
    from ingest.jobs.runner import JobRunner
    from ingest.settings import IngestSettings
    from retrieval.data_folder import DataFolder


@dataclass(frozen=True, slots=True)
class Built:
    """An open data folder and what works on it; give it back with `close` or `with`.

    Args:
        folder: Catalog, indexes and originals.
        assistant: Answers questions.
        ingestor: Brings files in.
        max_question_chars: Longest question, in characters.
        traces: How answers came about.
        jobs: What works on uploaded files; None where no service does.
    """

    folder: DataFolder
    assistant: Assistant
    ingestor: Ingestor
    max_question_chars: int = AnswerSettings().max_question_chars
    traces: TraceLog | None = None
    jobs: ShowsJobs | None = None

    def close(self) -> None:
        """Write the traces that wait, and close the data folder."""
        if self.traces is not None:
            self.traces.close()
        self.folder.close()

    def __enter__(self) -> Built:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def build(settings: Settings, *, purpose: str = "serve", url: str | None = None) -> Built:
    """Open the data folder and build what works on it.

    Args:
        settings: Everything configured.
        purpose: What this process does, for another's error message.
        url: Where this process will answer over HTTP.

    Raises:
        DataFolderOwnedError: If another process has it open.
        HuoziError: If something configured cannot be used.
    """
    # Late: they bring SQLAlchemy, tantivy and the model client, which a command that fails early need not wait for.
    from assistant import Assistant
    from assistant.trace_log import TraceLog
    from retrieval.data_folder import DataFolder

    if purpose == "ingest":
        prepare_parsing(settings)
    folder = DataFolder.open(settings.retrieval(), purpose=purpose, url=url)
    try:
        traces = TraceLog(folder.catalog.answers, settings.trace)
        assistant = Assistant(
            folder.retriever,
            llm=settings.llm,
            settings=settings.answer,
            language=settings.language,
            catalog=folder.catalog,
            traces=traces,
        )
        ingestor = build_ingestor(settings, folder)
        return Built(folder, assistant, ingestor, settings.answer.max_question_chars, traces)
    except BaseException:
        folder.close()
        raise


def build_ingestor(settings: Settings, folder: DataFolder) -> Ingestor:
    """Return an ingestor for an open data folder."""
    from ingest import Ingestor

    return Ingestor(folder, ingest_settings(settings))


def ingest_settings(settings: Settings) -> IngestSettings:
    """Return what ingestion is told."""
    from ingest.settings import IngestSettings

    load = settings.parse.model_copy(update={"ocr": settings.ocr})
    return IngestSettings(max_upload_mb=settings.max_upload_mb, load=load, jobs=settings.jobs)


def settle() -> None:
    """Take what is loaded by now out of Python's garbage collection, in a process of our own.

    Most of it stays for good. Now and then a full collection would walk through all of it, and every answer that is
    under way would wait for 0.1 s.
    """
    if not gc.get_freeze_count():  # What is garbage by now never leaves: once is enough.
        gc.freeze()


def prepare_parsing(settings: Settings) -> None:
    """Let a parser start on another core while this one opens the data folder: as long as that takes.

    None where another process has the folder: then that one parses.
    """
    from ingest.sandbox.ahead import prepare
    from retrieval.owner import read_owner

    if read_owner(settings.data_dir.expanduser().resolve()) is None:
        prepare(ingest_settings(settings))


def build_jobs(settings: Settings, folder: DataFolder) -> JobRunner:
    """Return what works on the uploaded files of an open data folder, not started."""
    from ingest.jobs.runner import JobRunner

    return JobRunner(folder, ingest_settings(settings))
