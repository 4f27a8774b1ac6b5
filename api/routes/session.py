"""`POST /session`: a browser exchanges its API key for a cookie that no script can read."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from api.auth.guard import session_cookie, wrong_key
from api.auth.sessions import COOKIE, LIFETIME
from api.body import parse, read_json

router = APIRouter(tags=["session"])


class SessionRequest(BaseModel):
    """The key to exchange."""

    key: str


@router.post("/session", status_code=204, summary="Exchange an API key for a browser session")
async def open_session(request: Request) -> Response:
    """Open a session; the cookie goes to this site alone and is invisible to scripts."""
    key = parse(SessionRequest, await read_json(request)).key.strip()
    state = request.app.state
    if not key or await asyncio.to_thread(state.parts.keys.verify, key) is None:
        raise wrong_key(key or None)
    response = Response(status_code=204)
    response.set_cookie(
        COOKIE,
        state.sessions.open(key),
        max_age=int(LIFETIME),
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return response


@router.delete("/session", status_code=204, summary="Close the browser session")
async def close_session(request: Request) -> Response:
    """Forget the session."""
    session_id = session_cookie(request.headers)
    if session_id is not None:
        request.app.state.sessions.close(session_id)
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response
