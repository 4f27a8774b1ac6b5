"""Headers that every reply carries: what a browser must not make of it."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ALWAYS = {"x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}
# Data that a browser is led to shall show nothing but itself, wherever its text came from.
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"
DATA = ("application/json", "text/event-stream")


class SafeHeaders:
    """The ASGI layer that adds them where a route has not."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and its reply back with the headers."""

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                add_to(MutableHeaders(scope=message))
            await send(message)

        await self.app(scope, receive, send_safely if scope["type"] == "http" else send)


def add_to(headers: MutableHeaders) -> None:
    """Add what is missing."""
    for name, value in ALWAYS.items():
        headers.setdefault(name, value)
    if headers.get("content-type", "").startswith(DATA):
        headers.setdefault("content-security-policy", DATA_POLICY)
