"""An engine that does nothing but remember and answer from a script."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from api.cli import run
from assistant.events import Turn
from ingest.report import IngestProgress, IngestReport
from retrieval.errors import HuoziError

HIT = {
    "chunk_id": "c1",
    "document_id": "d1",
    "title": "员工手册",
    "source": "hr/员工手册.docx",
    "page": 3,
    "heading": ["第二章 休假", "年假"],
    "start": 10,
    "end": 22,
    "score": 0.91234,
    "text": "员工每年享有 5 天年假。𠮷😀",
}
CITATION = {"index": 1, "quote": "员工每年享有\n5 天年假。", **{key: HIT[key] for key in HIT if key != "text"}}
COLLECTION = {
    "id": "vs_1", "name": "人事制度", "embedder": "e5", "dim": 384, "created_at": 0.0, "documents": 2, "chunks": 9,
}  # fmt: skip
DOCUMENT = {
    "document_id": "d1", "title": "员工手册", "source": "hr/员工手册.docx", "media_type": "text/plain", "size": 10,
    "pages": None, "chunks": 4, "content_hash": "00", "updated_at": 0.0, "text": "全文𠮷",
}  # fmt: skip
KEY = {"id": "key_1", "name": "前端", "created_at": 0.0, "revoked_at": None}

SCORES = {"keyword": 20.25, "similarity": None, "fused": 22.0, "coverage": 0.75, "score": 22.75}
TRACE = {
    "id": "chatcmpl-1", "object": "answer.trace", "created": 0.0, "question": "那年假呢", "collection": "人事",
    "mode": "generated", "error": None,
    "plan": {
        "turns": 2, "spoken": False, "rewritten": "员工的年假有几天", "n_searches": 1,
        "searches": [{"question": "那年假呢", "context": ["病假几天"]}],
    },
    "retrieval": {
        "embedder": "none", "evidence": {"coverage": 0.75, "n_chunks": 9},
        "candidates": [
            {"chunk_id": "c1", "document_id": "d1", "version_id": "v1", **SCORES, "source": 1,
             "title": "员工手册", "source_name": "hr/员工手册.docx", "page": 3, "heading": ["休假"]},
            {"chunk_id": "c2", "document_id": "d2", "version_id": "v2", **SCORES, "source": None,
             "title": None, "source_name": None, "page": None, "heading": []},
        ],
    },
    "refusal": {"answerable": True, "reason": "evidence", "signals": {"sum": 4.5}},
    "sources": [{"number": 1, "chunk_ids": ["c1"], "value": 1.0, "packed": True, "shortened": False}],
    "prompt": {
        "sha256": "0123456789abcdef", "n_messages": 4,
        "tokens": {"system": 100, "history": 200, "sources": 300, "question": 50, "total": 650, "budget": 700},
        "counted": "server", "counting_calls": 1,
        "cut": {"dropped_sources": [{"number": 2, "chunk_ids": ["c3"], "tokens": 90}], "shortened_sources": [],
                "dropped_turns": 3},
        "sampling": {"max_tokens": 100, "temperature": 0.0, "stop": []},
    },
    "answer": {
        "model": "huozi", "finish_reason": "stop", "n_chars": 9,
        "kept": [{"index": 1, "chunk_id": "c1", "start": 10, "end": 22}],
        "dropped": [{"index": 7, "reason": "no_such_source"}], "unsupported": [[0, 4]],
        "usage": {"prompt_tokens": 640, "completion_tokens": 20, "total_tokens": 660, "cached_tokens": 128},
    },
    "timings_ms": {"plan": 0.2, "retrieve": 12.4, "decide": 0.1, "first_text": 80.0, "answer": 400.6, "total": 413.3},
}  # fmt: skip


def answer(text: str = "5 天。[1]", *, refused: bool = False) -> dict[str, Any]:
    return {
        "question": "年假有多少天", "collection": "default", "answer": text, "refused": refused,
        "mode": "refused" if refused else "extractive", "citations": [] if refused else [CITATION],
        "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, "model": "extractive",
        "finish_reason": "stop", "unsupported": [], "answer_id": "chatcmpl-1",
    }  # fmt: skip


@dataclass
class FakeEngine:
    """Remembers `calls`; `error` is raised by every method, `late_error` where an answer's `done` would be."""

    pieces: Sequence[str] = ("5 天。", "[1]")
    refused: bool = False
    report: IngestReport = field(default_factory=IngestReport)
    hits: Sequence[dict[str, Any]] = (HIT,)
    healthy: bool = True
    error: BaseException | None = None
    late_error: BaseException | None = None
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    closed: bool = False
    stream_closed: bool = False

    def _called(self, *call: Any) -> None:
        self.calls.append(call)
        if self.error is not None:
            raise self.error

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
        self._called("ingest", tuple(paths), collection, delete_missing, *(["ocr"] if ocr else []))
        if progress is not None:
            progress(IngestProgress("done", 1, 1, 4))
        return self.report

    def ask(
        self, question: str, history: Sequence[Turn], collection: str, *, trace: bool = False
    ) -> Iterator[dict[str, Any]]:
        self._called("ask", question, tuple(history), collection)
        try:
            yield {"type": "sources", "mode": "extractive", "sources": []}
            for piece in self.pieces:
                yield {"type": "text", "text": piece}
            if trace:
                yield {"type": "trace", "trace": TRACE}
            if self.late_error is not None:
                raise self.late_error
            yield {"type": "done", "answer": answer("".join(self.pieces), refused=self.refused)}
        finally:
            self.stream_closed = True

    def search(self, question: str, collection: str, top_k: int, filters: Mapping[str, str]) -> dict[str, Any]:
        self._called("search", question, collection, top_k, dict(filters))
        return {"question": question, "collection": collection, "hits": list(self.hits)}

    def list_collections(self) -> list[dict[str, Any]]:
        self._called("list_collections")
        return [COLLECTION]

    def show_collection(self, name: str) -> dict[str, Any]:
        self._called("show_collection", name)
        return COLLECTION

    def create_collection(self, name: str) -> dict[str, Any]:
        self._called("create_collection", name)
        return {**COLLECTION, "name": name}

    def delete_collection(self, name: str) -> dict[str, Any]:
        self._called("delete_collection", name)
        return COLLECTION

    def list_documents(self, collection: str) -> list[dict[str, Any]]:
        self._called("list_documents", collection)
        return [DOCUMENT]

    def show_document(self, document: str, collection: str) -> dict[str, Any]:
        self._called("show_document", document, collection)
        return DOCUMENT

    def delete_document(self, document: str, collection: str) -> dict[str, Any]:
        self._called("delete_document", document, collection)
        return DOCUMENT

    def list_keys(self) -> list[dict[str, Any]]:
        self._called("list_keys")
        return [KEY]

    def create_key(self, name: str) -> dict[str, Any]:
        self._called("create_key", name)
        return {**KEY, "name": name, "secret": "hz-shown-once"}

    def revoke_key(self, key_id: str) -> dict[str, Any]:
        self._called("revoke_key", key_id)
        return {**KEY, "revoked_at": 1.0}

    def check(self, repair: bool) -> dict[str, Any]:
        self._called("check", repair)
        problem = {"kind": "keyword_missing", "collection": "人事制度", "ids": ["a", "b"], "mended": repair}
        problems = [] if self.healthy else [problem]
        return {"healthy": self.healthy or repair, "documents": 2, "chunks": 9, "problems": problems}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.closed = True


def huozi(*words: str, engine: FakeEngine | None = None) -> int:
    """Run a command on a fake engine."""
    return run(words, lambda _settings, _purpose: engine or FakeEngine())


def failing(error: HuoziError | BaseException) -> FakeEngine:
    return FakeEngine(error=error)
