"""Who may ask what: a thin ASGI layer before every route.

With API keys in the catalog, everything but the page's own files and the health probes needs one. Without any key the
service is open, but only to this machine: a foreign Host name (DNS rebinding) and a foreign Origin are refused.
A command line that reads the owner's token from the data folder always passes.
"""

from __future__ import annotations

import secrets
from functools import partial
from http.cookies import CookieError, SimpleCookie

from anyio import to_thread
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.auth.binding import host_name, is_loopback, is_own_origin
from api.auth.sessions import COOKIE, Sessions
from api.errors import ApiError, AuthenticationError, OriginError, error_response
from api.parts import Keys
from retrieval.errors import HuoziError, Message

PROBES = frozenset({"/healthz", "/readyz"})
PUBLIC_PATHS = frozenset({"/", "/session", "/docs", "/openapi.json", "/favicon.ico"})
PUBLIC_FOLDERS = ("/static/", "/documents/")
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def is_public(path: str) -> bool:
    """Return whether a path holds nothing of the documents, so that it needs no key."""
    return path in PUBLIC_PATHS or path.startswith(PUBLIC_FOLDERS)


def bearer(headers: Headers) -> str | None:
    """Return the token of an `Authorization: Bearer` header."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def session_cookie(headers: Headers) -> str | None:
    """Return the session id that a browser sent."""
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return cookie.value if cookie is not None else None


def foreign_origin(headers: Headers) -> OriginError | None:
    """Return an error if a web page of another origin sent the request."""
    origin = headers.get("origin")
    if origin is None or is_own_origin(origin, headers.get("host", "")):
        return None
    return OriginError(
        Message(en=f"Requests from the origin {origin!r} are refused.", zh=f"拒绝来自 {origin!r} 的跨站请求。"),
        hint=Message(en="Call the API with an API key, from a server.", zh="请在服务端用 API 密钥调用。"),
    )


def foreign_host(headers: Headers, client: str | None) -> OriginError | None:
    """Return an error if the request comes from elsewhere, or was sent to a name that is not this machine's own."""
    host = headers.get("host", "")
    if is_loopback(host_name(host)) and (client is None or is_loopback(client)):
        return None
    return OriginError(
        Message(
            en=f"Without API keys the service answers on this machine's own address only, not as {host!r}.",
            zh=f"未创建 API 密钥时只接受对本机地址的访问，不接受 {host!r}。",
        ),
        hint=Message(
            en="Open http://127.0.0.1, or run `huozi keys create NAME`.",
            zh="请用 http://127.0.0.1 访问，或运行 `huozi keys create 名称`。",
        ),
    )


def wrong_key(token: str | None) -> AuthenticationError:
    """Return the error for a missing or unknown key; the key itself is never repeated."""
    if token is None:
        return AuthenticationError(
            Message(en="This service needs an API key.", zh="访问本服务需要 API 密钥。"),
            hint=Message(
                en="Send it as `Authorization: Bearer hz-...`.", zh="请用 `Authorization: Bearer hz-...` 头。"
            ),
        )
    return AuthenticationError(
        Message(en="The API key is not valid.", zh="API 密钥无效。"),
        hint=Message(en="`huozi keys list` shows the keys.", zh="可用 `huozi keys list` 查看密钥。"),
    )


def is_owner(headers: Headers, owner_token: str) -> bool:
    """Return whether the caller may read the data folder, as it proves by the token that lies there."""
    token = bearer(headers)
    return token is not None and secrets.compare_digest(token.encode(), owner_token.encode())


def refusal(
    keys: Keys, sessions: Sessions, *, method: str, path: str, headers: Headers, client: str | None = None
) -> ApiError | None:
    """Return why a request may not pass, or None; `client` is the caller's address, None if it is not known."""
    if not keys.any():
        return foreign_host(headers, client) or (None if method in SAFE_METHODS else foreign_origin(headers))
    if is_public(path):
        return None if method in SAFE_METHODS else foreign_origin(headers)
    token = bearer(headers)
    if token is None and (session_id := session_cookie(headers)) is not None:
        token = sessions.key(session_id)
        if method not in SAFE_METHODS and (error := foreign_origin(headers)) is not None:
            return error
    if token is not None and keys.verify(token) is not None:
        return None
    return wrong_key(token)


class Guard:
    """The ASGI layer around the routes."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer with OpenAI's error object."""
        # A health probe comes by whatever name the host has, and must answer while the catalog does not.
        if scope["type"] == "http" and scope["path"] not in PROBES:
            error = await self._refusal(scope)
            if error is not None:
                await error_response(error, scope["app"].state.settings.language)(scope, receive, send)
                return
        await self.app(scope, receive, send)

    @staticmethod
    async def _refusal(scope: Scope) -> HuoziError | None:
        state, headers = scope["app"].state, Headers(scope=scope)
        if is_owner(headers, state.parts.owner_token):
            return None
        check = partial(
            refusal,
            state.parts.keys,
            state.sessions,
            method=scope["method"],
            path=scope["path"],
            headers=headers,
            client=(scope.get("client") or (None,))[0],
        )
        try:
            # Not asyncio's own threads: retrievals wait in line for those.
            return await to_thread.run_sync(check)
        except HuoziError as error:
            return error
