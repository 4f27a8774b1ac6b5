"""`/v1/files`: uploads and documents, as OpenAI's SDKs call them; originals shown where that is safe."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Query, Request
from starlette.responses import FileResponse, Response

from api.errors import RequestError
from api.file_objects import file_json, page_json
from api.parts import Parts
from api.schemas.files import Purpose
from api.uploading.find import find_file, remove_everywhere
from api.uploading.keep import keep_uploads
from api.uploading.receive import Form, Received, heard_out, receiving
from api.uploading.repeat import answer_once
from ingest.errors import EmptyFileError
from retrieval.catalog import FileRecord, KeptReply
from retrieval.catalog.uploads import Order
from retrieval.errors import DocumentNotFoundError, Message
from retrieval.models import StoredDocument

router = APIRouter(prefix="/v1/files", tags=["files"])

INLINE_TEXT = frozenset({"text/plain", "text/markdown", "text/html"})
# A stored page is another's content: no scripts, no forms, our origin withheld, nothing loaded from anywhere.
SANDBOX = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
PURPOSES = get_args(Purpose)
UPLOAD_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "purpose": {"type": "string", "enum": list(PURPOSES), "default": PURPOSES[0]},
                    },
                }
            }
        },
    }
}
ENCODING_SAMPLE = 65_536
"""Bytes read to tell a text's encoding."""


def file_name(source: str, file_id: str) -> str:
    """Return the name to save an original under."""
    name = PurePosixPath(source.replace("\\", "/")).name
    return "".join(char for char in name if char.isprintable()) or file_id


def text_charset(path: Path) -> str | None:
    """Return the charset to show a text in, or None where the browser knows better: it is declared, or a riddle."""
    from ingest.encoding import decode
    from ingest.errors import IngestError

    with path.open("rb") as file:
        sample = file.read(ENCODING_SAMPLE)
    # The cut may fall inside a character; a line end never is inside one in the encodings we know but UTF-16.
    if len(sample) == ENCODING_SAMPLE and b"\n" in sample:
        sample = sample[: sample.rindex(b"\n") + 1]
    if b"charset" in sample[:1024].lower() and b"<" in sample[:1024]:
        return None
    try:
        return decode(sample, source=path.name).encoding
    except IngestError:
        return None


def shown_as(media_type: str, path: Path) -> tuple[str, bool]:
    """Return the media type to send, and whether the browser may show it instead of saving it."""
    kind = media_type.partition(";")[0].strip().lower()
    if kind in INLINE_TEXT:
        charset = text_charset(path)
        shown = "text/html" if kind == "text/html" else "text/plain"
        return (f"{shown}; charset={charset}" if charset else shown), True
    return kind or "application/octet-stream", kind == "application/pdf"


@router.post("", summary="Upload a file", openapi_extra=UPLOAD_BODY)
async def upload_file(request: Request) -> Response:
    """Keep one file, in no collection yet; attach it by its id, or send it to a collection at once."""
    parts: Parts = request.app.state.parts
    max_mb = request.app.state.settings.max_upload_mb
    async with (
        heard_out(request, max_mb),
        request.app.state.repeats.attempt(request) as attempt,
        receiving(request, parts.folder.originals, max_mb) as form,
    ):
        file, purpose = only_file(form), read_purpose(form)
        content = [file.name, file.incoming.content_hash, purpose]

        def act() -> KeptReply:
            file_id = attempt.id_for("file-", content)
            (record,) = keep_uploads(parts.folder, [file], purpose, [file_id])
            return KeptReply(200, file_json(record))

        return await answer_once(parts.folder.catalog.replies, attempt, content, act)


def only_file(form: Form) -> Received:
    """Return the one file that a form holds.

    Raises:
        RequestError: If it holds none, or several.
        FileTooLargeError: If it is over the limit.
        EmptyFileError: If it has no bytes.
    """
    if form.refused:
        raise form.refused[0]
    if len(form.files) != 1:
        raise RequestError(
            Message(
                en=f"The form holds {len(form.files)} files in the field 'file'; it must be one.",
                zh=f"表单的 'file' 字段中有 {len(form.files)} 个文件，应为一个。",
            ),
            hint=Message(
                en="POST /v1/vector_stores/{id}/files takes several.",
                zh="POST /v1/vector_stores/{id}/files 可接收多个。",
            ),
            param="file",
        )
    if form.files[0].incoming.size == 0:
        raise EmptyFileError(form.files[0].name)
    return form.files[0]


def read_purpose(form: Form) -> str:
    """Return why a file is uploaded.

    Raises:
        RequestError: If it is none of OpenAI's words.
    """
    purpose = form.text("purpose") or PURPOSES[0]
    if purpose not in PURPOSES:
        raise RequestError(
            Message(
                en=f"The purpose {purpose[:40]!r} is unknown; known are {', '.join(PURPOSES)}.",
                zh=f"不认识的 purpose {purpose[:40]!r}；可用：{'、'.join(PURPOSES)}。",
            ),
            param="purpose",
        )
    return purpose


@router.get("", summary="List uploads and documents")
def list_files(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 10_000,
    order: Order = "desc",
    after: str | None = None,
    purpose: str | None = None,
) -> dict[str, Any]:
    """List uploads, and documents that came in another way, by age, a page at a time."""
    parts: Parts = request.app.state.parts
    found = parts.folder.catalog.uploads.list_files(limit + 1, after=after, order=order, purpose=purpose)
    return page_json([file_json(one) for one in found[:limit]], has_more=len(found) > limit)


@router.get("/{file_id}", summary="Get one file's description")
def get_file(request: Request, file_id: str) -> dict[str, Any]:
    """Return an upload or a document by its id."""
    parts: Parts = request.app.state.parts
    return file_json(find_file(parts.folder, file_id))


@router.delete("/{file_id}", summary="Delete a file everywhere")
def delete_file(request: Request, file_id: str) -> dict[str, Any]:
    """Delete a file from every collection, and its bytes; nothing answers from it once this returns."""
    parts: Parts = request.app.state.parts
    remove_everywhere(parts.folder, file_id)
    return {"id": file_id, "object": "file", "deleted": True}


def content_of(parts: Parts, file_id: str) -> tuple[str, str, str]:
    """Return a file's content hash, media type (empty if nothing parsed it) and name.

    Raises:
        NotFoundError: If there is none.
    """
    try:
        document: StoredDocument = parts.folder.catalog.get_document(file_id)
    except DocumentNotFoundError:
        record: FileRecord = find_file(parts.folder, file_id)
        return record.content_hash, "", record.name
    return document.content_hash, document.media_type, document.source


@router.get("/{file_id}/content", summary="Get the original file", response_class=Response)
def read_content(request: Request, file_id: str) -> Response:
    """Send the file as it came; parts of it on request (`Range`)."""
    parts: Parts = request.app.state.parts
    content_hash, parsed_as, source = content_of(parts, file_id)
    path = parts.folder.originals.path(content_hash)
    if not path.is_file():
        parts.folder.originals.get(content_hash)  # raises the error that says what to do
    media_type, inline = shown_as(parsed_as, path)
    headers = {
        "content-type": media_type,
        "x-content-type-options": "nosniff",
        # Not even the address of our service shall reach those whom a stored page links to.
        "referrer-policy": "no-referrer",
        "cache-control": "private, no-cache",
    }
    if media_type != "application/pdf":  # browsers do not show a PDF in a sandbox
        headers["content-security-policy"] = SANDBOX
    return FileResponse(
        path,
        headers=headers,
        filename=file_name(source, file_id),
        content_disposition_type="inline" if inline else "attachment",
    )
