"""The engine that has the data folder open in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from api.job_objects import collection_names, job_object
from api.objects import (
    Json,
    answer_object,
    checkup_object,
    collection_object,
    document_object,
    hit_object,
    key_object,
    search_object,
    trace_object,
)
from api.traced_chunks import cited_chunks
from assistant.events import AnswerEvent, DoneEvent, ErrorEvent, SourcesEvent, TextEvent, Turn
from assistant.trace import new_answer_id
from retrieval.errors import AnswerNotFoundError, DocumentNotFoundError
from retrieval.models import StoredDocument

if TYPE_CHECKING:
    from api.wiring import Built
    from ingest.report import IngestProgress, IngestReport
    from retrieval.catalog.job_record import JobRecord


class LocalEngine:
    """Does the work in this process.

    Args:
        built: An open data folder and what works on it; closed with the engine.
        has_runner: Whether this process works on the queue beside, as a service does.
    """

    def __init__(self, built: Built, *, has_runner: bool = False) -> None:
        self._built = built
        self._has_runner = has_runner
        self._folder = built.folder
        self._runner: asyncio.Runner | None = None

    def ingest(
        self,
        paths: Sequence[str],
        collection: str,
        *,
        delete_missing: bool = False,
        allow_empty: bool = False,
        ocr: bool = False,
        progress: Callable[[IngestProgress], None] | None = None,
    ) -> IngestReport:
        """Bring files and folders into a collection."""
        report = self._built.ingestor.ingest(
            paths, collection, delete_missing=delete_missing, allow_empty=allow_empty, ocr=ocr, progress=progress
        )
        if report.queued and not self._has_runner:
            self._built.ingestor.run_queue(ocr=ocr)
        return report

    async def events(
        self, question: str, history: Sequence[Turn], collection: str, trace: bool = False
    ) -> AsyncGenerator[Json, None]:
        """Answer as events; raises what the answer ends with."""
        answer_id = new_answer_id()
        answer = self._built.assistant.astream(question, history, collection, answer_id=answer_id)
        async with aclosing(answer) as stream:
            async for event in stream:
                if trace and isinstance(event, DoneEvent | ErrorEvent):
                    for body in self._traces_of(event, answer_id):
                        yield {"type": "trace", "trace": await asyncio.to_thread(self._shown, body)}
                if (shown := event_object(event)) is not None:
                    yield shown

    def ask(self, question: str, history: Sequence[Turn], collection: str, *, trace: bool = False) -> Iterator[Json]:
        """Answer as events, from synchronous code."""
        # One loop for all questions: the model client's connections belong to it.
        self._runner = runner = self._runner or asyncio.Runner()
        stream = self.events(question, history, collection, trace)

        async def following() -> Json | None:
            return await anext(stream, None)

        try:
            while (event := runner.run(following())) is not None:
                yield event
        finally:
            runner.run(stream.aclose())

    def search(self, question: str, collection: str, top_k: int, filters: Mapping[str, str]) -> Json:
        """Return the contract's search object."""
        from retrieval.retriever import check_question

        asked = check_question(question, self._built.max_question_chars)
        return search_object(
            self._folder.retriever.retrieve(asked, collection=collection, top_k=top_k, filters=filters)
        )

    def list_collections(self) -> list[Json]:
        """Return every collection."""
        return [collection_object(one) for one in self._folder.catalog.list_collections()]

    def show_collection(self, name: str) -> Json:
        """Return one collection."""
        return collection_object(self._folder.catalog.get_collection(name, counted=True))

    def create_collection(self, name: str) -> Json:
        """Create an empty collection."""
        return collection_object(self._folder.create_collection(name))

    def delete_collection(self, name: str) -> Json:
        """Delete a collection with all it holds; returns what it was."""
        was = self.show_collection(name)
        self._folder.delete_collection(name)
        return was

    def list_documents(self, collection: str) -> list[Json]:
        """Return a collection's documents."""
        catalog = self._folder.catalog
        return [
            document_object(one) for one in catalog.list_documents(catalog.get_collection(collection).collection_id)
        ]

    def show_document(self, document: str, collection: str) -> Json:
        """Return a document by id, or by source within the collection, with its `text`."""
        found = self._find(document, collection)
        return {
            **document_object(found),
            "text": self._folder.catalog.document_text(found.document_id).text,
        }

    def delete_document(self, document: str, collection: str) -> Json:
        """Delete a document, named as in `show_document`; returns what it was."""
        found = self._find(document, collection)
        self._folder.delete_document(found.document_id)
        return document_object(found)

    def list_jobs(self, collection: str | None, states: Sequence[str], limit: int) -> list[Json]:
        """Return jobs, newest first."""
        from retrieval.catalog.job_record import STATES

        catalog = self._folder.catalog
        collection_id = None if collection is None else catalog.get_collection(collection).collection_id
        wanted = [state for state in STATES if state in states]
        return self._jobs(catalog.jobs.find(collection_id=collection_id, states=wanted, limit=limit))

    def show_job(self, job_id: str) -> Json:
        """Return one job."""
        return self._jobs([self._folder.catalog.jobs.get(job_id)])[0]

    def cancel_job(self, job_id: str) -> Json:
        """End a job that has not ended; returns it."""
        from ingest.jobs.control import cancel_job

        return self._jobs([cancel_job(self._folder, job_id)])[0]

    def retry_job(self, job_id: str) -> Json:
        """Try a failed job again: at once, or by the service that works on jobs."""
        from ingest.jobs.control import retry_job

        retry_job(self._folder, job_id)
        if not self._has_runner:
            self._built.ingestor.run_queue()
        return self.show_job(job_id)

    def list_keys(self) -> list[Json]:
        """Return every API key, without secrets."""
        return [key_object(key) for key in self._folder.catalog.keys.list()]

    def create_key(self, name: str) -> Json:
        """Create an API key; the only time that its `secret` is told."""
        key, secret = self._folder.catalog.keys.create(name)
        return {**key_object(key), "secret": secret}

    def revoke_key(self, key_id: str) -> Json:
        """Make an API key unusable."""
        self._folder.catalog.keys.revoke(key_id)
        return next(key_object(key) for key in self._folder.catalog.keys.list() if key.key_id == key_id)

    def check(self, repair: bool) -> Json:
        """Compare catalog, indexes and files; mend if asked."""
        from retrieval.doctor import check

        with self._folder.writing:
            return checkup_object(check(self._folder, repair=repair))

    def __enter__(self) -> Self:
        """Return the engine."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close connections and the data folder."""
        try:
            if self._runner is not None:
                self._runner.run(self._built.assistant.aclose())
                self._runner.close()
        finally:
            self._built.close()

    def _traces_of(self, event: DoneEvent | ErrorEvent, answer_id: str) -> list[Mapping[str, Any]]:
        """Return the trace of an answer that ended; of one that failed only if traces are kept."""
        if isinstance(event, DoneEvent):
            return [event.answer.trace]
        traces = self._built.assistant.traces
        try:
            return [traces.get(answer_id).body] if traces is not None else []
        except AnswerNotFoundError:
            return []

    def _shown(self, body: Mapping[str, Any]) -> Json:
        return trace_object(body, cited_chunks(self._folder.catalog, body))

    def _jobs(self, records: Sequence[JobRecord]) -> list[Json]:
        names = collection_names(self._folder.catalog, records)
        live = self._built.jobs
        return [job_object(record if live is None else live.shown(record), names) for record in records]

    def _find(self, document: str, collection: str) -> StoredDocument:
        catalog = self._folder.catalog
        try:
            return catalog.get_document(document)
        except DocumentNotFoundError:
            listed = catalog.list_documents(catalog.get_collection(collection).collection_id)
            for one in listed:
                if one.source == document:
                    return one
            raise


def event_object(event: AnswerEvent) -> Json | None:
    """Return an event for commands, or None for one they need not see.

    Raises:
        HuoziError: What the answer broke off with.
    """
    if isinstance(event, ErrorEvent):
        raise event.error
    if isinstance(event, SourcesEvent):
        return {"type": "sources", "mode": event.mode, "sources": [hit_object(one.best) for one in event.sources]}
    if isinstance(event, TextEvent) and event.text:
        return {"type": "text", "text": event.text}
    if isinstance(event, DoneEvent):
        return {"type": "done", "answer": answer_object(event.answer)}
    return None
