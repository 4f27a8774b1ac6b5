"""A service on fakes: a catalog in memory, an assistant that follows a script."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx

from api.app import create_app
from assistant.conversation.plan import Plan, Search
from assistant.events import Answer, AnswerEvent, Citation, DoneEvent, SourcesEvent, TextEvent, Turn, Usage, UsageEvent
from assistant.finder import Found
from assistant.generate import Sampling
from assistant.refusal.decision import Decision
from assistant.settings import AnswerSettings, LlmSettings, TraceSettings
from assistant.sources.source import number_chunks
from assistant.trace import Trace
from retrieval.catalog import DocumentText, TraceRecord
from retrieval.errors import AnswerNotFoundError, CollectionNotFoundError, DocumentNotFoundError, Message
from retrieval.models import Chunk, Collection, Evidence, Retrieval, ScoredChunk, StoredDocument

HANDBOOK = (
    "员工手册\n第一章 总则\n为了规范管理，制定本手册。\n第二章 休假\n"
    "员工每年享有 5 天带薪年假。𠮷野家不在此列😀。\n试用期员工没有年假。\n"
)
QUOTE = "员工每年享有 5 天带薪年假。𠮷野家不在此列😀。"
KEY = "hz-test-key"


def settings(**changes: Any) -> Any:
    """Settings of a service without a model server, in Chinese."""
    base = {"language": "zh", "host": "127.0.0.1", "port": 8080, "max_upload_mb": 200}
    return SimpleNamespace(**(base | {"llm": LlmSettings(), "answer": AnswerSettings()} | changes))


@dataclass
class FakeKeys:
    """API keys in memory."""

    tokens: set[str] = field(default_factory=set)

    def any(self) -> bool:
        return bool(self.tokens)

    def verify(self, token: str) -> object | None:
        return token if token in self.tokens else None


class FakeCatalog:
    """Collections and documents in memory, under the names that the real catalog has."""

    def __init__(self) -> None:
        self.keys = FakeKeys()
        self.collections: list[Collection] = []
        self.documents: dict[str, DocumentText] = {}
        self.stored: dict[str, StoredDocument] = {}
        self.chunks: dict[str, Chunk] = {}
        # Nothing was uploaded and nothing is on its way: services that take files in are tested on real parts.
        self.uploads = SimpleNamespace(find=lambda file_id: None)
        self.jobs = SimpleNamespace(find=lambda **_: [])
        self.store_files = SimpleNamespace(counts=dict, upload_ids=lambda document_ids: {})

    def get_collection(self, name_or_id: str, *, counted: bool = False) -> Collection:
        for one in self.collections:
            if name_or_id in (one.name, one.collection_id):
                return one
        raise CollectionNotFoundError(
            Message(f"There is no collection {name_or_id!r}.", f"没有名为 {name_or_id!r} 的集合。")
        )

    def list_collections(self) -> list[Collection]:
        return list(self.collections)

    def get_document(self, document_id: str) -> StoredDocument:
        if document_id not in self.stored:
            raise DocumentNotFoundError(
                Message(f"There is no document {document_id!r}.", f"没有文档 {document_id!r}。")
            )
        return self.stored[document_id]

    def list_documents(self, collection_id: str) -> list[StoredDocument]:
        return [one for one in self.stored.values() if one.collection_id == collection_id]

    def document_text(self, document_id: str) -> DocumentText:
        self.get_document(document_id)
        return self.documents[document_id]

    def live_chunks(self, collection_id: str, chunk_ids: Sequence[str]) -> dict[str, Chunk]:
        return {one: self.chunks[one] for one in chunk_ids if one in self.chunks}


class FakeOriginals:
    """Original files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, content_hash: str) -> Path:
        return self.folder / content_hash

    def get(self, content_hash: str) -> bytes:
        if not self.path(content_hash).is_file():
            raise DocumentNotFoundError(Message("The original is missing.", "原始文件缺失。"))
        return self.path(content_hash).read_bytes()


class FakeRetriever:
    """Finds what it is given."""

    def __init__(self, hits: Sequence[ScoredChunk] = ()) -> None:
        self.hits = tuple(hits)
        self.calls: list[dict[str, Any]] = []

    def retrieve(self, question: str, **options: Any) -> Retrieval:
        self.calls.append({"question": question} | options)
        return Retrieval(question, options["collection"], self.hits[: options["top_k"]], Evidence())


class FakeFolder:
    """A data folder without indexes."""

    def __init__(self, originals: Path) -> None:
        self.catalog = FakeCatalog()
        self.originals = FakeOriginals(originals)
        self.retriever = FakeRetriever()
        self.keyword = SimpleNamespace(frequencies=lambda *_: (0, {}))
        self.vectors = SimpleNamespace(check=lambda: None)
        self.embedder = SimpleNamespace(name="e5")
        self.owner_token = "owner-secret"

    def add_collection(self, name: str, n_documents: int = 0) -> Collection:
        collection_id = "vs_" + hashlib.sha256(name.encode()).hexdigest()[:24]
        created = 1000.0 + len(self.catalog.collections)
        one = Collection(collection_id, name, "e5", 384, created, n_documents, n_documents)
        self.catalog.collections.append(one)
        return one

    def add_document(
        self,
        collection: Collection,
        text: str,
        *,
        source: str = "hr/员工手册.txt",
        title: str = "员工手册",
        media_type: str = "text/plain",
        page_starts: tuple[int, ...] = (),
        data: bytes | None = None,
        heading: tuple[str, ...] = ("第二章 休假",),
    ) -> Chunk:
        """Store a document of one chunk; returns the chunk."""
        number = len(self.catalog.stored) + 1
        data = text.encode() if data is None else data
        content_hash = hashlib.sha256(data).hexdigest()
        self.originals.path(content_hash).write_bytes(data)
        document_id, version_id, chunk_id = f"doc_{number}", f"ver_{number}", f"ch_{number}"
        self.catalog.documents[document_id] = DocumentText(
            document_id, version_id, title, source, media_type, content_hash, text, page_starts
        )
        self.catalog.stored[document_id] = StoredDocument(
            document_id, collection.collection_id, version_id, source, title, content_hash, media_type,
            len(data), 1, len(page_starts) or None, 0.0,
        )  # fmt: skip
        chunk = Chunk(chunk_id, document_id, version_id, 0, title, source, text, 0, len(text), None, heading)
        self.catalog.chunks[chunk_id] = chunk
        self.catalog.collections = [
            replace(one, n_documents=one.n_documents + (one is collection)) if one is collection else one
            for one in self.catalog.collections
        ]
        return chunk


def cite(chunk: Chunk, quote: str, *, index: int = 1, page: int | None = None) -> Citation:
    """Cite a quote of a chunk that begins its document."""
    start = chunk.text.index(quote)
    return Citation(index, ScoredChunk(chunk, 0.87), quote, start, start + len(quote), page)


def script(
    *pieces: str,
    citations: Sequence[Citation] = (),
    mode: Any = "generated",
    usage: Usage = Usage(12, 7),  # noqa: B008 - frozen
    **fields: Any,
) -> list[AnswerEvent]:
    """The events of an answer in these pieces."""
    sources = tuple(citation.source for citation in citations)
    answer = Answer(
        question="", collection="default", text="".join(pieces), mode=mode, citations=tuple(citations),
        model="huozi", retrieval=Retrieval("", "default", sources, Evidence()), usage=usage,
        **fields,
    )  # fmt: skip
    return [SourcesEvent(sources, mode), *map(TextEvent, pieces), UsageEvent(usage), DoneEvent(answer)]


Step = AnswerEvent | BaseException | Callable[[], Any]


class FakeTraces:
    """Traces in memory, newest last."""

    def __init__(self) -> None:
        self.settings = TraceSettings()
        self.records: dict[str, TraceRecord] = {}

    def keep(self, trace: Trace) -> None:
        self.records[trace.answer_id] = TraceRecord(trace.answer_id, 0.0, trace.collection, trace.body())

    def get(self, answer_id: str) -> TraceRecord:
        if answer_id not in self.records:
            raise AnswerNotFoundError(Message(f"There is no answer {answer_id!r}.", f"没有回答 {answer_id!r} 的记录。"))
        return self.records[answer_id]

    def list(self, limit: int, *, after: str | None = None) -> list[TraceRecord]:
        newest = list(reversed(self.records.values()))
        begin = newest.index(self.get(after)) + 1 if after is not None else 0
        return newest[begin : begin + limit]


class ScriptedAssistant:
    """Follows a script: events are yielded, exceptions raised, callables awaited. Traces what it finds.

    Attributes:
        found: What its answers are said to have found.
        traces: How they came about.
        calls: What was asked: (question, history, collection).
        options: What else, for each call.
        started: Set when an answer's iterator is asked for its first event.
        closed: Set when an answer's iterator ended, in whatever way.
    """

    def __init__(self, *steps: Step) -> None:
        self.steps: Sequence[Step] = steps
        self.calls: list[tuple[str, tuple[Turn, ...], str]] = []
        self.options: list[dict[str, Any]] = []
        self.found: Sequence[ScoredChunk] = ()
        self.traces = FakeTraces()
        self.started = threading.Event()
        self.closed = threading.Event()

    async def astream(
        self, question: str, history: Sequence[Turn] = (), collection: str = "default", **options: Any
    ) -> AsyncGenerator[AnswerEvent, None]:
        self.options.append(options)
        self.calls.append((question, tuple(history), collection))
        self.started.set()
        sampling = Sampling(max_tokens=options.get("max_tokens"))
        answer_id = options.get("answer_id") or "chatcmpl-0"
        try:
            with Trace(answer_id, question, collection, len(history), sampling, self.traces) as trace:
                plan = trace.planned(Plan(question, (Search(question, ("上一问",)),)))
                trace.found(Found(plan, Retrieval(question, collection, tuple(self.found), Evidence(n_chunks=9)), "e5"))
                trace.decided(Decision(True, "evidence", {"coverage": 0.9}))
                trace.selected(number_chunks(self.found))
                for step in self.steps:
                    if isinstance(step, BaseException):
                        raise step
                    if callable(step):
                        await step()
                    else:
                        yield trace.passed(step)
        finally:
            self.closed.set()

    async def aclose(self) -> None:
        """Nothing is open."""


def forever() -> Any:
    """A step that never ends."""
    return asyncio.Event().wait()


def client(app: Any, **options: Any) -> httpx.AsyncClient:
    """An HTTP client of an app in this process, from this machine."""
    transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 50000), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080", **options)


def build(folder: FakeFolder, assistant: ScriptedAssistant, **changes: Any) -> Any:
    """An app with its parts in place, as after its start."""
    from api.parts import Parts

    app = create_app(settings(**changes), folder=folder, assistant=assistant)  # type: ignore[arg-type]
    app.state.parts = Parts(folder, assistant)  # type: ignore[arg-type]
    return app


@contextmanager
def running(app: Any) -> Iterator[str]:
    """Serve an app on a free loopback port; yields its address."""
    import uvicorn

    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on"))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started:
        assert thread.is_alive() and time.monotonic() < deadline, "the service did not start"
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=20)
        listener.close()
