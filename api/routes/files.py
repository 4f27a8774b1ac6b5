"""`GET /v1/files/{id}/content`: the original file, shown where that is safe."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, Response

from api.parts import Parts
from retrieval.models import StoredDocument

router = APIRouter(prefix="/v1/files", tags=["files"])

INLINE_TEXT = frozenset({"text/plain", "text/markdown", "text/html"})
# A stored page is another's content: no scripts, no forms, our origin withheld, nothing loaded from anywhere.
SANDBOX = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
ENCODING_SAMPLE = 65_536
"""Bytes read to tell a text's encoding."""


def file_name(document: StoredDocument) -> str:
    """Return the name to save the original under."""
    name = PurePosixPath(document.source.replace("\\", "/")).name
    return "".join(char for char in name if char.isprintable()) or document.document_id


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


def shown_as(document: StoredDocument, path: Path) -> tuple[str, bool]:
    """Return the media type to send, and whether the browser may show it instead of saving it."""
    kind = document.media_type.partition(";")[0].strip().lower()
    if kind in INLINE_TEXT:
        charset = text_charset(path)
        shown = "text/html" if kind == "text/html" else "text/plain"
        return (f"{shown}; charset={charset}" if charset else shown), True
    return kind or "application/octet-stream", kind == "application/pdf"


@router.get("/{document_id}/content", summary="Get the original file", response_class=Response)
def read_content(request: Request, document_id: str) -> Response:
    """Send the file as it was ingested; parts of it on request (`Range`)."""
    parts: Parts = request.app.state.parts
    document = parts.folder.catalog.get_document(document_id)
    path = parts.folder.originals.path(document.content_hash)
    if not path.is_file():
        parts.folder.originals.get(document.content_hash)  # raises the error that says what to do
    media_type, inline = shown_as(document, path)
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
        filename=file_name(document),
        content_disposition_type="inline" if inline else "attachment",
    )
