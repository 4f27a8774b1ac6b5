"""The web page: question page, source page, API reference; plain files, nothing from outside."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

router = APIRouter(include_in_schema=False)

STATIC = Path(__file__).parent.parent / "web" / "static"
PAGE_HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none';"
    " form-action 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


@cache
def template(name: str) -> str:
    """Return a page's HTML."""
    return (STATIC / name).read_text("utf-8")


def page(request: Request, name: str) -> Response:
    """Return a page; it learns the service's language and whether there is a model from two attributes."""
    settings = request.app.state.settings
    has_model = settings.llm is not None and settings.llm.base_url is not None
    html = template(name)
    html = html.replace('data-language="zh"', f'data-language="{settings.language}"', 1)
    html = html.replace('data-model="no"', f'data-model="{"yes" if has_model else "no"}"', 1)
    return Response(html, headers=PAGE_HEADERS, media_type="text/html")


@router.get("/")
async def index(request: Request) -> Response:
    """The question page."""
    return page(request, "index.html")


@router.get("/documents/{document_id}")
async def document(request: Request, document_id: str) -> Response:
    """The source page: a citation's `url`. It holds nothing of the document; its script asks for it."""
    return page(request, "document.html")


@router.get("/docs")
async def docs(request: Request) -> Response:
    """The API reference, drawn from /openapi.json by a script of ours."""
    return page(request, "docs.html")


@router.get("/favicon.ico")
async def favicon() -> Response:
    """The icon."""
    return FileResponse(STATIC / "icon.svg", media_type="image/svg+xml", headers=PAGE_HEADERS)


class PageFiles(StaticFiles):
    """Scripts and styles, with the page's headers."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return one file."""
        response = await super().get_response(path, scope)
        response.headers.update(PAGE_HEADERS)
        return response


def mount_static(app: FastAPI) -> None:
    """Serve the page's own files."""
    app.mount("/static", PageFiles(directory=STATIC), name="static")
