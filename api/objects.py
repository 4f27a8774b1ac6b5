"""The contract's JSON objects: what `--json` prints and what the owner of a data folder sends to commands (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assistant.events import Answer, Citation, Usage
from assistant.window.cut import Cut
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
        "unsupported": unsupported_objects(answer),
        "usage": usage_object(answer.usage, answer.cut),
        "model": answer.model,
        "finish_reason": answer.finish_reason,
        "answer_id": answer.answer_id,
    }


def unsupported_objects(answer: Answer) -> list[Json]:
    """Return the sentences of fact that no source supports; offsets count characters of the answer's text."""
    return [{"start": start, "end": end, "text": answer.text[start:end]} for start, end in answer.unsupported]


def usage_object(usage: Usage, cut: Cut | None) -> Json:
    """Return OpenAI's usage object; where a model was asked, with what found no room in its window."""
    shown: Json = {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
    }
    details: Json = {} if usage.cached_tokens is None else {"cached_tokens": usage.cached_tokens}
    if cut is not None:
        details |= {
            "dropped_sources": len(cut.dropped_sources),
            "shortened_sources": len(cut.shortened_sources),
            "dropped_turns": cut.dropped_turns,
        }
    return shown | {"prompt_tokens_details": details} if details else shown


def trace_object(body: Mapping[str, Any], live: Mapping[str, Chunk]) -> Json:
    """Return a trace for people: its candidates with the titles and places that the catalog knows now.

    Args:
        body: As it was kept: ids only.
        live: Chunks by id; one that is gone since has no title.
    """
    found = body["retrieval"]
    if found is not None:
        candidates = [one | _title(live.get(one["chunk_id"])) for one in found["candidates"]]
        found = found | {"candidates": candidates}
    return {"id": body["id"], "object": "answer.trace", **body, "retrieval": found}


def answer_summary(body: Mapping[str, Any]) -> Json:
    """Return a line of the list of answers."""
    return {
        "id": body["id"],
        "object": "answer",
        "created": body["created"],
        "collection": body["collection"],
        "question": body["question"],
        "mode": body["mode"],
        "error": body["error"],
        "total_ms": body["timings_ms"].get("total"),
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


def _title(chunk: Chunk | None) -> Json:
    if chunk is None:
        return {"title": None, "source_name": None, "page": None, "heading": []}
    heading = list(chunk.heading_at(chunk.start))
    return {"title": chunk.title, "source_name": chunk.source, "page": chunk.page, "heading": heading}


def _place(chunk: Chunk, page: int | None, start: int, end: int) -> Json:
    return {
        "chunk_id": chunk.chunk_id,
        "document_id": chunk.document_id,
        "version_id": chunk.version_id,
        "title": chunk.title,
        "source": chunk.source,
        "page": page,
        "heading": list(chunk.heading_at(start)),
        "start": start,
        "end": end,
    }
