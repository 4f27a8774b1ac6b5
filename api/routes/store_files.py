"""`/v1/vector_stores/{id}/files`: files on their way into a collection, and those that are there."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import TypeAdapter, ValidationError
from starlette.responses import Response

from api.body import parse, read_json
from api.errors import RequestError, error_body, invalid_field
from api.file_objects import page_json, queued_file_json, store_file_json
from api.parts import Parts
from api.schemas.files import AttachRequest, Attributes, attribute_texts
from api.uploading.find import find_file, find_store_file, remove_from_store
from api.uploading.keep import attach, keep_for_collection, keep_once_for_collection
from api.uploading.multipart import FORM
from api.uploading.receive import Form, heard_out, receiving
from api.uploading.repeat import Attempt, answer_once
from retrieval.catalog import KeptReply, StoreFile
from retrieval.catalog.store_files import Status
from retrieval.catalog.uploads import Order
from retrieval.errors import CollectionNotFoundError, Language, Message
from retrieval.models import Collection

router = APIRouter(prefix="/v1/vector_stores/{name_or_id}/files", tags=["vector stores"])

BATCH = "^batch_[0-9a-f]{24}$"
DEFAULT = "default"
"""The collection that is meant where none is named."""
POLL_AFTER_MS = "250"
"""How long OpenAI's SDKs wait before they ask again."""
_ATTRIBUTES: TypeAdapter[dict[str, Any]] = TypeAdapter(Attributes)
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": AttachRequest.model_json_schema()},
            FORM: {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "array", "items": {"type": "string", "format": "binary"}},
                        "path": {"type": "array", "items": {"type": "string"}},
                        "attributes": {"type": "string", "description": "a JSON object"},
                    },
                }
            },
        },
    }
}


@router.post("", status_code=202, summary="Bring files into a collection", openapi_extra=_BODY)
async def add_store_files(
    request: Request, name_or_id: str, batch: Annotated[str | None, Query(pattern=BATCH)] = None
) -> Response:
    """Queue an upload by its id (JSON), or any number of files, folders' and zips too (multipart); answers at once.

    Several requests may give their jobs one `batch`, to be followed together.
    """
    parts: Parts = request.app.state.parts
    max_mb = request.app.state.settings.max_upload_mb
    async with heard_out(request, max_mb), request.app.state.repeats.attempt(request) as attempt:
        collection = await asyncio.to_thread(target, parts, name_or_id)
        if request.headers.get("content-type", "").lower().startswith(FORM):
            async with receiving(request, parts.folder.originals, max_mb) as form:
                reply = await _add_form(parts, collection, form, attempt, batch, request.app.state.settings.language)
        else:
            reply = await _attach(parts, collection, parse(AttachRequest, await read_json(request)), attempt)
    reply.headers["openai-poll-after-ms"] = POLL_AFTER_MS
    return reply


@router.get("", summary="List a collection's files")
def list_store_files(
    request: Request,
    name_or_id: str,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: Order = "desc",
    after: str | None = None,
    filter: Status | None = None,
) -> dict[str, Any]:
    """List what is live and what is on its way, by age, a page at a time."""
    parts: Parts = request.app.state.parts
    collection = parts.folder.catalog.get_collection(name_or_id)
    found = parts.folder.catalog.store_files.page(
        collection.collection_id, limit + 1, after=after, order=order, status=filter
    )
    language = request.app.state.settings.language
    return page_json([shown(parts, one, language) for one in found[:limit]], has_more=len(found) > limit)


@router.get("/{file_id}", summary="Get one file of a collection")
def get_store_file(request: Request, response: Response, name_or_id: str, file_id: str) -> dict[str, Any]:
    """Return a file with its status, how far it is, and why it failed."""
    parts: Parts = request.app.state.parts
    collection = parts.folder.catalog.get_collection(name_or_id)
    response.headers["openai-poll-after-ms"] = POLL_AFTER_MS
    return shown(parts, find_store_file(parts.folder, collection, file_id), request.app.state.settings.language)


@router.delete("/{file_id}", summary="Take a file out of a collection")
def delete_store_file(request: Request, name_or_id: str, file_id: str) -> dict[str, Any]:
    """Take a file out of a collection, also while its job is running; an upload itself stays."""
    parts: Parts = request.app.state.parts
    remove_from_store(parts.folder, parts.folder.catalog.get_collection(name_or_id), file_id)
    return {"id": file_id, "object": "vector_store.file.deleted", "deleted": True}


def target(parts: Parts, name_or_id: str) -> Collection:
    """Return where files are to go: `default` is made by its first ones, as by `huozi ingest`; others must be there.

    Raises:
        CollectionNotFoundError: If there is none.
        EmbedderMismatchError: If it was built with another embedder.
    """
    try:
        return parts.folder.collection(name_or_id, create=name_or_id == DEFAULT)
    except CollectionNotFoundError as error:
        hint = Message(
            en='Create it first: POST /v1/vector_stores with {"name": "..."}, or `huozi collections create NAME`.',
            zh='请先用 POST /v1/vector_stores（内容 {"name": "集合名"}）或 `huozi collections create 集合名` 创建。',
        )
        raise CollectionNotFoundError(error.message, hint=hint) from error


def shown(parts: Parts, file: StoreFile, language: Language) -> dict[str, Any]:
    """Return a file of a collection with what is known of its job now."""
    job = None
    if file.job_id is not None and file.status != "completed":
        found = parts.folder.catalog.jobs.find(collection_id=file.collection_id, source_id=file.source_id, limit=1)
        job = found[0] if found else None
        if job is not None and parts.jobs is not None:
            job = parts.jobs.shown(job)
    return store_file_json(file, job, language)


async def _attach(parts: Parts, collection: Collection, asked: AttachRequest, attempt: Attempt) -> Response:
    attributes = attribute_texts(asked.attributes)
    content = [asked.file_id, attributes]

    def act() -> KeptReply:
        file = find_file(parts.folder, asked.file_id)
        batch_id = attempt.id_for("batch_", content)
        (job,) = attach(parts.folder, collection.collection_id, [file], attributes, batch_id)
        return KeptReply(202, queued_file_json(job))

    return await answer_once(parts.folder.catalog.replies, attempt, content, act)


async def _add_form(
    parts: Parts, collection: Collection, form: Form, attempt: Attempt, batch: str | None, language: Language
) -> Response:
    if not form.files:
        if form.refused:
            raise form.refused[0]
        raise RequestError(
            Message(en="The form holds no file.", zh="表单中没有文件。"),
            hint=Message(en="Send files in the field `file`.", zh="请把文件放在 `file` 字段中。"),
            param="file",
        )
    attributes = read_attributes(form.text("attributes"))
    content = [[(one.name, one.incoming.content_hash) for one in form.files], attributes]

    def act() -> KeptReply:
        if batch is None:
            once = attempt.id_for("batch_", content)
            jobs = keep_once_for_collection(parts.folder, collection.collection_id, form.files, attributes, once)
        else:
            jobs = keep_for_collection(parts.folder, collection.collection_id, form.files, attributes, batch)
        refused = [{"filename": one.source, **error_body(one, language)} for one in form.refused]
        body = page_json([queued_file_json(job) for job in jobs], has_more=False)
        return KeptReply(202, body | {"batch_id": jobs[0].batch_id, "refused": refused})

    return await answer_once(parts.folder.catalog.replies, attempt, content, act)


def read_attributes(text: str | None) -> dict[str, str]:
    """Return the attributes that a form gives its files.

    Raises:
        RequestError: If they are no JSON object of plain values.
    """
    if not text:
        return {}
    try:
        return attribute_texts(_ATTRIBUTES.validate_python(json.loads(text)))
    except ValidationError as exc:
        problem: dict[str, Any] = dict(exc.errors(include_url=False, include_context=False)[0])
        raise invalid_field(problem | {"loc": ("attributes", *problem.get("loc", ()))}) from exc
    except (ValueError, RecursionError) as exc:
        raise RequestError(
            Message(en="The field 'attributes' is no JSON object.", zh="'attributes' 字段不是 JSON 对象。"),
            param="attributes",
        ) from exc
