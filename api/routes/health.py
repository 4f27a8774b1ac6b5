"""`GET /healthz`: the process lives. `GET /readyz`: which dependency answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from api.parts import Parts
from retrieval.errors import HuoziError

router = APIRouter(tags=["health"])


@router.get("/healthz", summary="Whether the process lives")
async def healthz() -> dict[str, str]:
    """Say that the process lives."""
    return {"status": "ok"}


@router.get("/readyz", summary="Which dependency answers")
async def readyz(request: Request) -> JSONResponse:
    """Ask every dependency; 503 if one that is configured does not answer."""
    checks: dict[str, dict[str, Any]] = await asyncio.to_thread(check_folder, request.app.state.parts)
    checks["model_server"] = await check_model_server(request)
    ready = all(check["status"] != "failed" for check in checks.values())
    return JSONResponse({"status": "ready" if ready else "failed", "checks": checks}, 200 if ready else 503)


def outcome(check: Callable[[], object]) -> dict[str, str]:
    """Run one check; an error is told by its code, since its text may name paths."""
    try:
        check()
    except HuoziError as error:
        return {"status": "failed", "code": error.code}
    return {"status": "ok"}


def check_folder(parts: Parts) -> dict[str, dict[str, Any]]:
    """Ask catalog, keyword index, vectors and embedder; the embedder's model is not loaded for it."""
    folder = parts.folder
    checks: dict[str, dict[str, Any]] = {"catalog": outcome(folder.catalog.list_collections)}
    collections = folder.catalog.list_collections() if checks["catalog"]["status"] == "ok" else []
    checks["keyword"] = outcome(lambda: [folder.keyword.frequencies(one.collection_id, []) for one in collections[:1]])
    checks["vectors"] = {"status": "not_configured"} if folder.vectors is None else outcome(folder.vectors.check)
    name = "none" if folder.embedder is None else folder.embedder.name
    checks["embedder"] = {"status": "not_configured" if name == "none" else "ok", "name": name}
    return checks


async def check_model_server(request: Request) -> dict[str, Any]:
    """Ask the model server what it is; a warning does not make the service unready."""
    llm = request.app.state.settings.llm
    if llm is None or llm.base_url is None:
        return {"status": "not_configured"}
    from api.model_proxy import client_of
    from assistant.serving.probe import aprobe

    report = await aprobe(llm, client_of(request))
    found = {"template": report.template, "window_tokens": report.window_tokens} if report.served else {}
    codes = {"code": report.problems[0].code} if report.problems else {}
    return {"status": report.status, **codes, **found}
