"""The model server's stream as plain JSON objects: the openai SDK sends, retries and closes; only its parsing is ours.

The SDK builds a tree of typed objects from every event, which LangChain at once turns back into dictionaries. That is
most of what a streamed token costs there, so `Completions` leaves both steps out.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing
from functools import cache
from typing import Any, NoReturn
from weakref import WeakKeyDictionary

import httpx
import openai
from pydantic_core import from_json

_PATH = "/chat/completions"
_DRAIN_S = 0.5
_OPTIONS = {"extra_headers": "headers", "extra_query": "params", "extra_body": "extra_json", "timeout": "timeout"}
"""What `create` takes beside the body -> the name of the request's option."""

Json = dict[str, Any]


class EventReader:
    """Cuts the bytes of a stream into JSON objects, one for each `data:` line (pure).

    Attributes:
        ended: Whether the stream said that it is complete.
    """

    def __init__(self) -> None:
        self.ended = False
        self._rest = b""

    def feed(self, data: bytes) -> list[Json]:
        """Return the objects that are whole with these bytes.

        Raises:
            ValueError: If an event is no JSON object.
        """
        lines = (self._rest + data if self._rest else data).split(b"\n")
        self._rest = lines.pop()
        found: list[Json] = []
        for line in lines:
            if not line.startswith(b"data:"):
                continue
            body = line[5:].strip()
            if body == b"[DONE]":
                self.ended = True
            elif body:
                found.append(_object(body))
        return found


class JsonStream(openai.Stream[Json]):
    """A stream of plain objects."""

    def __stream__(self) -> Iterator[Json]:
        """Yield each event's object; closes the connection at the end, or when the caller stops earlier."""
        reader = EventReader()
        request = self.response.request
        chunk: Json = {}
        try:
            for data in self.response.iter_bytes():
                for chunk in reader.feed(data):
                    if "error" in chunk and chunk["error"]:
                        raise _stated(chunk["error"], request)
                    yield chunk
                if reader.ended:
                    return
        except Exception as error:
            _raise(error, request)
        finally:
            self.response.close()
        if not _is_last(chunk):
            raise _broken_off(request)


class AsyncJsonStream(openai.AsyncStream[Json]):
    """A stream of plain objects."""

    async def __stream__(self) -> AsyncIterator[Json]:
        """Yield each event's object; closes the connection at the end, or when the caller stops earlier."""
        async with aclosing(self.batches()) as batches:
            async for batch in batches:
                for chunk in batch:
                    yield chunk

    async def batches(self) -> AsyncGenerator[list[Json], None]:
        """Yield the objects of the events that came together; as above."""
        reader = EventReader()
        request = self.response.request
        chunk: Json = {}
        bytes_read = self.response.aiter_bytes()
        try:
            async for data in bytes_read:
                found = reader.feed(data)
                for at, chunk in enumerate(found):
                    if "error" in chunk and chunk["error"]:
                        yield found[:at]
                        raise _stated(chunk["error"], request)
                if found:
                    yield found
                if reader.ended:
                    await _drain(bytes_read)
                    return
        except Exception as error:
            if reader.ended:
                return
            _raise(error, request)
        finally:
            await self.response.aclose()
        if not _is_last(chunk):
            raise _broken_off(request)


class Completions:
    """Stands in for `client.chat.completions`, with streams of plain objects.

    Args:
        client: The SDK's client.
    """

    def __init__(self, client: openai.OpenAI) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # a copy in the making asks, and has no client yet
            raise AttributeError(name)
        return getattr(self._client.chat.completions, name)

    def create(self, **payload: Any) -> Any:
        """Send a completion; a context manager over plain objects where `stream` is set."""
        if not payload.get("stream"):
            return self._client.chat.completions.create(**payload)
        body, options = split(payload)
        return self._client.post(_PATH, cast_to=object, body=body, options=options, stream=True, stream_cls=JsonStream)


class AsyncCompletions:
    """Stands in for the async `client.chat.completions`, with streams of plain objects.

    A pool of connections belongs to one event loop, and a model may be used from many: each gets its own.

    Args:
        client: The SDK's client.
        is_shared: Whether its HTTP client is the caller's own, to be used from every loop as it is.
    """

    def __init__(self, client: openai.AsyncOpenAI, *, is_shared: bool = False) -> None:
        self._client = client
        self._is_shared = is_shared
        self._keepers: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncGenerator[None]] = WeakKeyDictionary()
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, openai.AsyncOpenAI] = WeakKeyDictionary()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # a copy in the making asks, and has no client yet
            raise AttributeError(name)
        return getattr(self._client.chat.completions, name)

    @property
    def with_raw_response(self) -> _AsyncRawCompletions:
        """Return the same with the reply's headers."""
        return _AsyncRawCompletions(self)

    async def create(self, **payload: Any) -> Any:
        """Send a completion; an async context manager over plain objects where `stream` is set."""
        client = await self.client()
        if not payload.get("stream"):
            return await client.chat.completions.create(**payload)
        body, options = split(payload)
        return await client.post(
            _PATH, cast_to=object, body=body, options=options, stream=True, stream_cls=AsyncJsonStream
        )

    async def client(self) -> openai.AsyncOpenAI:
        """Return the running loop's client."""
        if self._is_shared:
            return self._client
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            for closed in [one for one in self._clients if one.is_closed()]:
                del self._clients[closed], self._keepers[closed]
            connections = openai.DefaultAsyncHttpxClient(timeout=self._client.timeout, verify=_certificates())
            client = self._clients[loop] = self._client.with_options(http_client=connections)
            keeper = self._keepers[loop] = _kept(client)
            await anext(keeper)
        return client

    async def aclose(self) -> None:
        """Close the running loop's connections; the next request opens new ones."""
        loop = asyncio.get_running_loop()
        self._clients.pop(loop, None)
        if (keeper := self._keepers.pop(loop, None)) is not None:
            await keeper.aclose()


class _AsyncRawCompletions:
    def __init__(self, completions: AsyncCompletions) -> None:
        self._completions = completions

    async def create(self, **payload: Any) -> Any:
        client = await self._completions.client()
        return await client.chat.completions.with_raw_response.create(**payload)


@cache
def _certificates() -> ssl.SSLContext:
    """Return the trusted certificates, read once: 20 ms, which every client would take anew."""
    return httpx.create_ssl_context()


async def _kept(client: openai.AsyncOpenAI) -> AsyncGenerator[None]:
    """Close the client when this generator is closed, as an event loop does at its end with every open one."""
    try:
        yield
    finally:
        await client.close()


def split(payload: Mapping[str, Any]) -> tuple[Json, Any]:
    """Return the request's JSON body and its options, from what the SDK's `create` takes (pure)."""
    body = {key: value for key, value in payload.items() if key not in _OPTIONS}
    options = {_OPTIONS[key]: payload[key] for key in _OPTIONS.keys() & payload.keys()}
    return body, options


async def _drain(rest: AsyncIterator[bytes]) -> None:
    """Read what follows the last event, or the connection could not be used again; not for long."""
    try:
        async with asyncio.timeout(_DRAIN_S):
            async for _ in rest:
                pass
    except TimeoutError:
        return


def _object(body: bytes) -> Json:
    value = from_json(body)
    if not isinstance(value, dict):
        raise ValueError(f"an event of the stream is no JSON object but a {type(value).__name__}")
    return value


def _stated(error: Any, request: Any) -> openai.APIError:
    said = error.get("message") if isinstance(error, dict) else error
    return openai.APIError(str(said or "An error occurred in the stream."), request, body=error)


def _is_last(chunk: Json) -> bool:
    """Whether a stream may end after this, also without the `[DONE]` that `transformers serve` leaves out."""
    choices = chunk.get("choices") or ()
    return any(choice.get("finish_reason") for choice in choices) or (not choices and bool(chunk.get("usage")))


def _broken_off(request: Any) -> openai.APIConnectionError:
    return openai.APIConnectionError(message="The stream broke off before its end.", request=request)


def _raise(error: Exception, request: Any) -> NoReturn:
    """Raise the SDK's error for what the HTTP client raised: httpx or httpx2, by the SDK's version."""
    names = {cls.__name__ for cls in type(error).__mro__}
    if "TimeoutException" in names:
        raise openai.APITimeoutError(request=request) from error
    if "TransportError" in names:
        raise openai.APIConnectionError(request=request) from error
    raise error
