"""`Idempotency-Key`: a request that is sent again, since its reply was lost, is answered as the first time."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

from fastapi import Request
from starlette.responses import JSONResponse, Response

from api.errors import RequestError
from retrieval.catalog import KeptReply
from retrieval.catalog.replies import ReplyTable
from retrieval.errors import Message

HEADER = "idempotency-key"
MAX_KEY_CHARS = 255


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request that may be a repetition.

    Args:
        key: The client's; None: it does not repeat itself.
        method: HTTP's.
        path: Its address.
    """

    key: str | None
    method: str
    path: str

    def fingerprint(self, content: Any) -> str:
        """Return what two equal requests have in common: sha256 hex of address and content."""
        told = json.dumps([self.method, self.path, content], ensure_ascii=False, sort_keys=True)
        return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()

    def id_for(self, prefix: str, content: Any, number: int = 0) -> str | None:
        """Return the id that each repetition gives to what it makes; None without a key."""
        if self.key is None:
            return None
        told = f"{self.key}\0{self.fingerprint(content)}\0{number}"
        return prefix + hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:24]


class Repeats:
    """Lets the requests of one key pass one after the other, so that a repetition finds what the first one did."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def attempt(self, request: Request) -> AsyncIterator[Attempt]:
        """Give the request its turn.

        Raises:
            RequestError: If its key cannot be one.
        """
        key = read_key(request.headers.get(HEADER))
        attempt = Attempt(key, request.method, request.url.path)
        if key is None:
            yield attempt
            return
        lock = self._locks.setdefault(key, asyncio.Lock())
        async with lock:
            yield attempt


def read_key(value: str | None) -> str | None:
    """Return a request's key, or None if it has none.

    Raises:
        RequestError: If it is too long.
    """
    if value is None or not value.strip():
        return None
    if len(value) > MAX_KEY_CHARS:
        raise RequestError(
            Message(
                en=f"The Idempotency-Key has {len(value)} characters; at most {MAX_KEY_CHARS} are taken.",
                zh=f"Idempotency-Key 有 {len(value)} 个字符，最多 {MAX_KEY_CHARS} 个。",
            ),
            param="Idempotency-Key",
        )
    return value.strip()


async def answer_once(replies: ReplyTable, attempt: Attempt, content: Any, act: Callable[[], KeptReply]) -> Response:
    """Return the reply that the request got before, or act and keep what comes of it.

    Args:
        replies: What was answered to whom.
        attempt: The request.
        content: What it holds beside its address, as JSON values.
        act: Does what it asks, in a thread. A stop after it and before the reply is kept makes the repetition act
            again: it must then find what it made.

    Raises:
        KeyReusedError: If the key came with another request.
    """
    fingerprint = attempt.fingerprint(content)

    def once() -> KeptReply:
        if attempt.key is None:
            return act()
        known = replies.find(attempt.key, fingerprint)
        if known is None:
            known = act()
            replies.keep(attempt.key, fingerprint, known)
        return known

    reply = await asyncio.to_thread(once)
    return JSONResponse(dict(reply.body), reply.status)
