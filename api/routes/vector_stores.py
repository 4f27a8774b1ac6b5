"""`/v1/vector_stores`: collections, made, listed, searched and deleted, as OpenAI's SDKs call them."""

from __future__ import annotations

import asyncio
import secrets
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request

from api.body import parse, read_json
from api.examples import examples
from api.parts import Parts
from api.schemas.files import CreateStoreRequest
from api.schemas.vector_stores import SearchRequest, flatten
from api.sse import source_url
from api.uploading.find import find_file
from api.uploading.keep import attach
from retrieval.catalog import StoreCounts
from retrieval.models import Collection, ScoredChunk

router = APIRouter(prefix="/v1/vector_stores", tags=["vector stores"])

_BODY = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": SearchRequest.model_json_schema()}}}
}
_CREATE_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": CreateStoreRequest.model_json_schema()}},
    }
}


def collection_json(collection: Collection, counts: StoreCounts | None = None) -> dict[str, Any]:
    """Return OpenAI's vector store object.

    Args:
        collection: With its counts.
        counts: What its files add up to; None: nothing but documents is known.
    """
    counts = counts or StoreCounts()
    completed = collection.n_documents - counts.n_live
    return {
        "id": collection.collection_id,
        "object": "vector_store",
        "created_at": int(collection.created_at),
        "name": collection.name,
        "status": "in_progress" if counts.in_progress else "completed",
        "metadata": {},
        "usage_bytes": counts.size,
        "file_counts": {
            "in_progress": counts.in_progress,
            "completed": completed,
            "failed": counts.failed,
            "cancelled": counts.cancelled,
            "total": completed + counts.in_progress + counts.failed + counts.cancelled,
        },
        "embedder": collection.embedder,
        "n_documents": collection.n_documents,
        "n_chunks": collection.n_chunks,
    }


def hit_json(hit: ScoredChunk, base_url: str, file_id: str | None = None) -> dict[str, Any]:
    """Return one search result: OpenAI's fields, and ours beside them.

    Args:
        hit: What was found.
        base_url: Of the service.
        file_id: The upload that the document was attached as, where that has another id.
    """
    chunk = hit.chunk
    return {
        "file_id": file_id or chunk.document_id,
        "document_id": chunk.document_id,
        "filename": chunk.source,
        "score": hit.score,
        "attributes": dict(chunk.metadata),
        "content": [{"type": "text", "text": chunk.text}],
        "chunk_id": chunk.chunk_id,
        "title": chunk.title,
        "page": chunk.page,
        "heading": list(chunk.heading_at(chunk.start)),
        "start": chunk.start,
        "end": chunk.end,
        "url": source_url(base_url, chunk, chunk.start, chunk.end),
    }


@router.get("", summary="List collections")
def list_vector_stores(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: Literal["asc", "desc"] = "desc",
    after: str | None = None,
) -> dict[str, Any]:
    """List collections by age, a page at a time."""
    parts: Parts = request.app.state.parts
    collections = sorted(
        parts.folder.catalog.list_collections(),
        key=lambda collection: (collection.created_at, collection.collection_id),
        reverse=order == "desc",
    )
    ids = [collection.collection_id for collection in collections]
    begin = ids.index(after) + 1 if after in ids else 0
    counts = parts.folder.catalog.store_files.counts()
    shown = collections[begin : begin + limit]
    data = [collection_json(collection, counts.get(collection.collection_id)) for collection in shown]
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": begin + limit < len(collections),
    }


@router.get("/{name_or_id}", summary="Get one collection")
def get_vector_store(request: Request, name_or_id: str) -> dict[str, Any]:
    """Return one collection by id or name."""
    parts: Parts = request.app.state.parts
    return counted_json(parts, name_or_id)


def counted_json(parts: Parts, name_or_id: str) -> dict[str, Any]:
    """Return a collection's object with all its counts."""
    collection = parts.folder.catalog.get_collection(name_or_id, counted=True)
    return collection_json(collection, parts.folder.catalog.store_files.counts().get(collection.collection_id))


@router.post("", summary="Create a collection", openapi_extra=_CREATE_BODY)
async def create_vector_store(request: Request) -> dict[str, Any]:
    """Create a collection for the configured embedder; uploads may come into it at once."""
    asked = parse(CreateStoreRequest, await read_json(request))
    parts: Parts = request.app.state.parts

    def create() -> dict[str, Any]:
        files = [find_file(parts.folder, file_id) for file_id in asked.file_ids]
        name = asked.name if asked.name else f"store-{secrets.token_hex(4)}"
        collection = parts.folder.create_collection(name)
        if files:
            attach(parts.folder, collection.collection_id, files, {}, None)
        return counted_json(parts, collection.collection_id)

    return await asyncio.to_thread(create)


@router.delete("/{name_or_id}", summary="Delete a collection")
def delete_vector_store(request: Request, name_or_id: str) -> dict[str, Any]:
    """Delete a collection with all it holds; uploads stay."""
    parts: Parts = request.app.state.parts
    collection = parts.folder.catalog.get_collection(name_or_id)
    parts.folder.delete_collection(collection.name)
    return {"id": collection.collection_id, "object": "vector_store.deleted", "deleted": True}


@router.get("/{name_or_id}/examples", summary="Questions to try on a collection")
def list_examples(request: Request, name_or_id: str) -> dict[str, Any]:
    """Return questions that the sample documents answer, for a collection that holds them; else none."""
    catalog = request.app.state.parts.folder.catalog
    documents = catalog.list_documents(catalog.get_collection(name_or_id).collection_id)
    return {"object": "list", "data": examples({document.source for document in documents})}


@router.post("/{name_or_id}/search", summary="Search a collection", openapi_extra=_BODY)
async def search_vector_store(request: Request, name_or_id: str) -> dict[str, Any]:
    """Return the chunks that fit a question best."""
    asked = parse(SearchRequest, await read_json(request))
    parts: Parts = request.app.state.parts
    found = await asyncio.to_thread(
        parts.folder.retriever.retrieve,
        asked.question,
        collection=name_or_id,
        top_k=asked.max_num_results,
        filters=flatten(asked.filters),
    )
    file_ids = await asyncio.to_thread(
        parts.folder.catalog.store_files.upload_ids, sorted({hit.chunk.document_id for hit in found.hits})
    )
    threshold = asked.ranking_options.score_threshold if asked.ranking_options else None
    base_url = str(request.base_url).rstrip("/")
    return {
        "object": "vector_store.search_results.page",
        "search_query": [asked.query] if isinstance(asked.query, str) else asked.query,
        "data": [
            hit_json(hit, base_url, file_ids.get(hit.chunk.document_id))
            for hit in found.hits
            if threshold is None or hit.score >= threshold
        ],
        "has_more": False,
        "next_page": None,
    }
