"""The reply that an answer's events become: streamed or collected, stopped when the caller leaves."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.errors import error_response, internal_error
from api.sse import Envelope
from assistant.events import Answer, AnswerEvent, DoneEvent, DraftEvent, ErrorEvent, TextEvent
from retrieval.errors import HuoziError, Language

logger = logging.getLogger("huozi.api")

NO_END = "an answer ended without `done` or `error`"
STREAM_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]


async def until_disconnect(receive: Receive, work: Callable[[], Awaitable[None]]) -> None:
    """Run work, and cancel it when the caller hangs up. The request's body must have been read."""
    async with anyio.create_task_group() as group:

        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            group.cancel_scope.cancel()

        group.start_soon(watch)
        await work()
        group.cancel_scope.cancel()


class AnswerResponse(Response):
    """Sends an answer's events to one caller.

    Nothing is sent before the first text, so that an answer that fails before it gets its proper status.

    Args:
        events: The answer; closed in every case.
        envelope: What the chunks share.
        language: Of error messages.
        stream: Chunk by chunk, or the whole at once.
        include_usage: Whether the stream ends with the usage.
        include_drafts: Whether the stream brings words before they are settled.
    """

    def __init__(
        self,
        events: AsyncGenerator[AnswerEvent, None],
        envelope: Envelope,
        *,
        language: Language,
        stream: bool,
        include_usage: bool,
        include_drafts: bool = False,
    ) -> None:
        self.background = None
        self._events = events
        self._envelope = envelope
        self._language = language
        self._stream = stream
        self._include_usage = include_usage
        self._include_drafts = include_drafts
        # The answer's id, by which its trace is found; OpenAI's SDKs show it with errors too.
        self._id_header = (b"x-request-id", envelope.completion_id.encode("ascii", "replace"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""

        async def work() -> None:
            # Closing it stops the model's stream.
            async with aclosing(self._events) as events:
                deliver = self._send_stream if self._stream else self._send_whole
                await deliver(events, scope, receive, send)

        await until_disconnect(receive, work)

    async def _send_whole(self, events: AsyncIterator[AnswerEvent], scope: Scope, receive: Receive, send: Send) -> None:
        try:
            answer = await collect(events)
        except HuoziError as error:
            response = error_response(error, self._language)
        else:
            response = Response(self._envelope.whole(answer), media_type="application/json")
        response.raw_headers.append(self._id_header)
        await response(scope, receive, send)

    async def _send_stream(
        self, events: AsyncIterator[AnswerEvent], scope: Scope, receive: Receive, send: Send
    ) -> None:
        started = False
        try:
            async for event in events:
                body = self._chunk(event)
                if body is None:
                    continue
                if not started:
                    started = True
                    headers = [*STREAM_HEADERS, self._id_header]
                    await send({"type": "http.response.start", "status": 200, "headers": headers})
                    body = self._envelope.opening() + body
                last = isinstance(event, DoneEvent)
                await send({"type": "http.response.body", "body": body, "more_body": not last})
                if last:
                    return
            raise RuntimeError(NO_END)
        except HuoziError as error:
            failure = error
        except Exception:
            # The edge of the service: whatever broke, the caller gets an event instead of a broken socket.
            if not started:
                raise
            logger.exception("an answer broke off")
            failure = internal_error()
        if not started:
            response = error_response(failure, self._language)
            response.raw_headers.append(self._id_header)
            await response(scope, receive, send)
            return
        body = self._envelope.failure(failure, self._language)
        await send({"type": "http.response.body", "body": body, "more_body": False})

    def _chunk(self, event: AnswerEvent) -> bytes | None:
        if isinstance(event, TextEvent) and (event.text or self._include_drafts):
            return self._envelope.text(event.text)
        if isinstance(event, DraftEvent) and event.text and self._include_drafts:
            return self._envelope.draft(event.text)
        if isinstance(event, DoneEvent):
            return self._envelope.closing(event.answer, include_usage=self._include_usage)
        if isinstance(event, ErrorEvent):
            raise event.error
        return None


async def collect(events: AsyncIterator[AnswerEvent]) -> Answer:
    """Return the answer that the events end with.

    Raises:
        HuoziError: The error that they end with.
    """
    async for event in events:
        if isinstance(event, DoneEvent):
            return event.answer
        if isinstance(event, ErrorEvent):
            raise event.error
    raise RuntimeError(NO_END)
