"""The HTTP service: `create_app(settings)` and its lifespan."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from api.auth.binding import is_loopback
from api.auth.guard import Guard
from api.auth.sessions import Sessions
from api.errors import on_disconnect, on_http_exception, on_huozi_error, on_unforeseen, on_validation_error
from api.parts import Answers, Parts
from api.routes import (
    answers,
    chat,
    documents,
    files,
    health,
    jobs,
    models,
    owner,
    pages,
    session,
    store_files,
    vector_stores,
)
from api.safe_headers import SafeHeaders
from api.uploading.repeat import Repeats
from retrieval.errors import HuoziError

if TYPE_CHECKING:
    from api.settings import Settings
    from ingest.jobs.runner import JobRunner
    from retrieval.data_folder import DataFolder


def create_app(
    settings: Settings, *, folder: DataFolder | None = None, assistant: Answers | None = None, runs_jobs: bool = True
) -> FastAPI:
    """Build the service.

    Args:
        settings: Everything configured.
        folder: An opened data folder, which stays the caller's; None: opened and closed with the service.
        assistant: Answers questions; None: built with the folder.
        runs_jobs: Whether uploaded files are worked on; else they wait.
    """
    app = FastAPI(
        title="huozi-assistant",
        version=version("huozi-assistant"),
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
    )
    app.state.settings = settings
    app.state.sessions = Sessions()
    app.state.model_client = None
    app.state.repeats = Repeats()
    app.state.previewing = asyncio.Semaphore(documents.MAX_PREVIEWS)
    app.state.given = (folder, assistant)
    app.state.runs_jobs = runs_jobs
    for routes in (
        chat, answers, models, vector_stores, store_files, files, documents, jobs, health, session, owner, pages,
    ):  # fmt: skip
        app.include_router(routes.router)
    pages.mount_static(app)
    app.add_middleware(Guard)
    app.add_middleware(SafeHeaders)
    app.add_exception_handler(HuoziError, on_huozi_error)
    app.add_exception_handler(HTTPException, on_http_exception)
    app.add_exception_handler(RequestValidationError, on_validation_error)
    app.add_exception_handler(ClientDisconnect, on_disconnect)
    app.add_exception_handler(Exception, on_unforeseen)
    return app


def own_url(settings: Settings) -> str | None:
    """Return where this machine's command line reaches the service; None if the port is not known beforehand."""
    if settings.port == 0:
        return None
    host = settings.host if is_loopback(settings.host) else "127.0.0.1"
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def _start_jobs(settings: Settings, folder: DataFolder) -> JobRunner | None:
    """Begin to work on uploaded files; not in a folder that is a test's own."""
    from api.wiring import build_jobs
    from retrieval.data_folder import DataFolder

    if not isinstance(folder, DataFolder):
        return None
    runner = build_jobs(settings, folder)
    runner.start()
    return runner


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    folder, assistant = app.state.given
    built = None
    if folder is None or assistant is None:
        from api.wiring import build

        built = await asyncio.to_thread(build, app.state.settings, url=own_url(app.state.settings))
        folder, assistant = folder or built.folder, assistant or built.assistant
    folder.answers_meanwhile = True
    runner = await asyncio.to_thread(_start_jobs, app.state.settings, folder) if app.state.runs_jobs else None
    app.state.parts = Parts(folder, assistant, runner)
    if app.state.settings.llm.base_url is not None:
        # Seconds of imports that the first question would wait for; in a thread, so that the page is there at once.
        app.state.warm_up = asyncio.create_task(asyncio.to_thread(import_module, "langchain_openai"))
    try:
        yield
    finally:
        if runner is not None:
            await asyncio.to_thread(runner.stop)
        await assistant.aclose()
        if app.state.model_client is not None:
            await app.state.model_client.aclose()
        if built is not None:
            await asyncio.to_thread(built.close)
