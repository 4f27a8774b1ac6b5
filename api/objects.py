"""The contract's JSON objects: what `--json` prints and what the owner of a data folder sends to commands (pure)."""

from __future__ import annotations

from typing import Any

from assistant.events import Answer, Citation
from retrieval.catalog import ApiKey
from retrieval.doctor import Checkup
from retrieval.errors import HuoziError, Message
from retrieval.models import Chunk, Collection, Retrieval, ScoredChunk, StoredDocument

Json = dict[str, Any]


def hit_object(scored: ScoredChunk) -> Json:
    """Return a retrieved chunk; offsets count in the document's parsed text."""
    chunk = scored.chunk
    return {**_place(chunk, chunk.page, chunk.start, chunk.end), "score": scored.score, "text": chunk.text}


def search_object(retrieval: Retrieval) -> Json:
    """Return what a search found."""
    return {
        "question": retrieval.question,
        "collection": retrieval.collection,
        "hits": [hit_object(hit) for hit in retrieval.hits],
    }


def citation_object(citation: Citation) -> Json:
    """Return a citation: page and offsets are the quote's."""
    chunk = citation.source.chunk
    return {
        "index": citation.index,
        "quote": citation.quote,
        **_place(chunk, citation.page, citation.start, citation.end),
        "score": citation.source.score,
    }


def answer_object(answer: Answer) -> Json:
    """Return a whole answer."""
    return {
        "question": answer.question,
        "collection": answer.collection,
        "answer": answer.text,
        "refused": answer.refused,
        "mode": answer.mode,
        "citations": [citation_object(citation) for citation in answer.citations],
        "usage": {
            "prompt_tokens": answer.usage.prompt_tokens,
            "completion_tokens": answer.usage.completion_tokens,
            "total_tokens": answer.usage.total_tokens,
        },
        "model": answer.model,
        "finish_reason": answer.finish_reason,
    }


def collection_object(collection: Collection) -> Json:
    """Return a collection."""
    return {
        "id": collection.collection_id,
        "name": collection.name,
        "embedder": collection.embedder,
        "dim": collection.dim,
        "created_at": collection.created_at,
        "documents": collection.n_documents,
        "chunks": collection.n_chunks,
    }


def document_object(document: StoredDocument) -> Json:
    """Return a document without its text."""
    return {
        "document_id": document.document_id,
        "title": document.title,
        "source": document.source,
        "media_type": document.media_type,
        "size": document.size,
        "pages": document.n_pages,
        "chunks": document.n_chunks,
        "content_hash": document.content_hash,
        "updated_at": document.updated_at,
    }


def key_object(key: ApiKey) -> Json:
    """Return an API key without its secret."""
    return {"id": key.key_id, "name": key.name, "created_at": key.created_at, "revoked_at": key.revoked_at}


def checkup_object(checkup: Checkup) -> Json:
    """Return what the doctor saw."""
    problems = [
        {"kind": one.kind, "collection": one.collection, "ids": list(one.ids), "mended": one.mended}
        for one in checkup.problems
    ]
    return {
        "healthy": checkup.is_healthy,
        "documents": checkup.n_documents,
        "chunks": checkup.n_chunks,
        "problems": problems,
    }


def error_object(error: HuoziError) -> Json:
    """Return an error for a command that talks to the owner; both languages, since each side has its own."""
    return {
        "code": error.code,
        "message": list(error.message),
        "hint": None if error.hint is None else list(error.hint),
    }


def read_error(body: Json) -> HuoziError:
    """Return the error that an `error_object` was made of, as the base class with its code."""
    hint = body.get("hint")
    error = HuoziError(Message(*body["message"]), hint=None if hint is None else Message(*hint))
    error.code = str(body["code"])
    return error


def _place(chunk: Chunk, page: int | None, start: int, end: int) -> Json:
    return {
        "chunk_id": chunk.chunk_id,
        "document_id": chunk.document_id,
        "title": chunk.title,
        "source": chunk.source,
        "page": page,
        "heading": list(chunk.heading_at(start)),
        "start": start,
        "end": end,
    }
