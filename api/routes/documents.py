"""`/v1/documents`: a document's parsed text around a quote, and what a file would become before it is stored."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from api.parts import Parts
from api.routes.files import only_file
from api.source_window import page_at, source_window
from api.uploading.receive import heard_out, receiving
from ingest.loaders.table_view import as_markdown
from retrieval.models import Chunk

router = APIRouter(prefix="/v1/documents", tags=["documents"])

MAX_PREVIEWS = 2
"""Files parsed for a preview at the same time, each in a process of its own; others wait."""
PREVIEW_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            }
        },
    }
}


def live_chunk(parts: Parts, document_id: str, chunk_id: str) -> Chunk | None:
    """Return a chunk of the document if it is still live."""
    collection_id = parts.folder.catalog.get_document(document_id).collection_id
    chunk = parts.folder.catalog.live_chunks(collection_id, [chunk_id]).get(chunk_id)
    return chunk if chunk is not None and chunk.document_id == document_id else None


@router.get("/{document_id}/text", summary="Read a document's parsed text around a quote")
def read_text(
    request: Request,
    document_id: str,
    start: Annotated[int, Query(ge=0)] = 0,
    end: Annotated[int, Query(ge=0)] = 0,
    context: Annotated[int, Query(ge=0, le=20_000)] = 1200,
    chunk: str | None = None,
) -> dict[str, Any]:
    """Return the text around the quote [start, end), in segments by page and quoted or not.

    A segment of a table's rows names the table by its number in `tables`, where it has columns and cells; `markdown`
    is the whole with its tables as Markdown.

    With the cited chunk's id, `current` says whether its offsets still hold, and `heading` where it stands.
    """
    parts: Parts = request.app.state.parts
    document = parts.folder.catalog.document_text(document_id)
    cited = live_chunk(parts, document_id, chunk) if chunk else None
    window = source_window(document.text, document.page_starts, start, end, context=context)
    return {
        "object": "document.text",
        "document_id": document_id,
        "version_id": document.version_id,
        "title": document.title,
        "source": document.source,
        "media_type": document.media_type,
        "heading": list(cited.heading_at(start)) if cited else [],
        "current": cited is not None if chunk else None,
        "page": page_at(document.page_starts, start),
        "n_pages": len(document.page_starts) or None,
        "n_chars": len(document.text),
        "start": window.start,
        "end": window.end,
        "segments": [
            {"text": segment.text, "page": segment.page, "quoted": segment.quoted, "table": segment.table}
            for segment in window.segments
        ],
        "tables": [asdict(table) for table in window.tables],
        "markdown": as_markdown(document.text[window.start : window.end]),
    }


@router.post("/preview", summary="See a file's chunks before it is stored", openapi_extra=PREVIEW_BODY)
async def preview_document(request: Request) -> dict[str, Any]:
    """Parse one file as an ingestion would, and return its title and chunks; nothing is stored.

    Offsets count characters in the parsed text, pages from 1.
    """
    # Late: the parsers' settings and processes, which answers do not need.
    from api.wiring import ingest_settings
    from ingest.preview import parse_apart, parsed_object

    parts: Parts = request.app.state.parts
    settings = request.app.state.settings
    async with (
        heard_out(request, settings.max_upload_mb),
        receiving(request, parts.folder.originals, settings.max_upload_mb) as form,
    ):
        file = only_file(form)
        async with request.app.state.previewing:
            data = await asyncio.to_thread(file.incoming.read)
            parsed = await asyncio.to_thread(parse_apart, file.name, data, ingest_settings(settings))
    return {"object": "document.preview", "source": file.name, **parsed_object(parsed, settings.language)}
