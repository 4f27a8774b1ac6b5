"""Answers by a model server: our chat model's stream as pieces, and the server's errors as ours."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from assistant.errors import (
    ModelServerError,
    PromptTooLongError,
    server_down,
    server_garbage,
    server_refused,
    server_slow,
)
from assistant.events import Turn, Usage
from assistant.settings import UNSET_KEY, LlmSettings

if TYPE_CHECKING:
    import openai

    from assistant.chat_model import ChatHuozi

FinishReason = Literal["stop", "length"]
Json = dict[str, Any]
_MAX_REASON_CHARS = 300
_CHARS_A_TOKEN = 8
_SHORT_CHARS = 64


@dataclass(frozen=True, slots=True)
class Piece:
    """A step of the model's stream.

    Args:
        text: More text, possibly empty.
        usage: What the server counted, once.
        finish_reason: Why it stopped, once.
    """

    text: str = ""
    usage: Usage | None = None
    finish_reason: FinishReason | None = None


@dataclass(frozen=True, slots=True)
class Sampling:
    """What one request may override; None leaves the setting."""

    max_tokens: int | None = None
    temperature: float | None = None
    stop: tuple[str, ...] | None = None
    choices: tuple[str, ...] | None = None
    """The only texts that the model may write, as JSON strings, where the server can enforce that."""


class Generator:
    """Streams answers of one model server; one pool of connections for each event loop, reused.

    Args:
        settings: The server; `base_url` must be set.

    Attributes:
        overflows: How often the server refused a prompt for its length.
        told_window: The window that it gave as the reason the last time, in tokens; None if it gave none.
    """

    def __init__(self, settings: LlmSettings) -> None:
        self.overflows = 0
        self.told_window: int | None = None
        self._settings = settings
        self._made: ChatHuozi | None = None

    @property
    def model(self) -> str:
        """The served model's name."""
        return self._settings.model

    @property
    def shown_url(self) -> str:
        """The server's address, for messages."""
        return self._settings.shown_url

    async def stream(self, messages: Sequence[Turn], sampling: Sampling = Sampling()) -> AsyncGenerator[Piece, None]:
        """Stream the model's answer; closing the iterator closes the server's stream.

        It ends with reason `length` where the text is longer than so many tokens can be (`most_chars`).

        Raises:
            ModelServerError: The server is down, slow, refuses, or its stream is broken.
        """
        choice = {
            "type": "json_schema",
            "json_schema": {"name": "choice", "schema": {"enum": list(sampling.choices or ())}},
        }
        options: dict[str, Any] = {
            "max_tokens": sampling.max_tokens,
            "temperature": sampling.temperature,
            "stop": list(sampling.stop) if sampling.stop else None,
            "response_format": choice if sampling.choices else None,
        }
        given = {key: value for key, value in options.items() if value is not None}
        room = most_chars(sampling.max_tokens or self._settings.max_tokens)
        finished = False
        with _translated(self._settings), self._noting_overflow():
            chunks = self._model().astream_raw(messages, **given)
            async with aclosing(chunks):
                async for batch in chunks:
                    piece, is_cut = _piece(batch, room if not finished else None)
                    finished = finished or piece.finish_reason is not None
                    room -= len(piece.text)
                    yield piece
                    if is_cut:  # the server does not count: the answer would have no end
                        return
        if not finished:
            raise server_garbage(self._settings.shown_url)

    async def complete(self, messages: Sequence[Turn], sampling: Sampling = Sampling()) -> str:
        """Return the model's whole answer.

        Raises:
            ModelServerError: As for `stream`.
        """
        async with aclosing(self.stream(messages, sampling)) as pieces:
            return "".join([piece.text async for piece in pieces])

    async def client(self) -> openai.AsyncOpenAI:
        """Return the running loop's connections to the server, for what is no completion."""
        connections: openai.AsyncOpenAI = await self._model().async_client.client()
        return connections

    async def aclose(self) -> None:
        """Close the running loop's connections; the next answer opens new ones."""
        if self._made is not None:
            await self._made.aclose()

    @contextmanager
    def _noting_overflow(self) -> Iterator[None]:
        try:
            yield
        except PromptTooLongError as error:
            self.overflows += 1
            self.told_window = getattr(error, "window", None)
            raise

    def _model(self) -> ChatHuozi:
        if self._made is None:
            self._made = _chat_model(self._settings)
        return self._made


def _chat_model(settings: LlmSettings) -> ChatHuozi:
    from assistant.chat_model import ChatHuozi

    return ChatHuozi(
        model=settings.model,
        base_url=settings.base_url,
        api_key=settings.api_key or UNSET_KEY,
        timeout=settings.timeouts,
        max_retries=settings.max_retries,
        temperature=settings.temperature,
        max_tokens=settings.max_tokens,
        huozi_profile=settings.profile,
        send_stop_ids=settings.send_stop_ids,
        checks_window=False,  # the packer has counted
    )


def most_chars(max_tokens: int) -> int:
    """Return how many characters so many tokens have at most: most have one to five, few more than eight."""
    return _SHORT_CHARS + _CHARS_A_TOKEN * max_tokens


def _piece(chunks: Sequence[Json], room: int | None) -> tuple[Piece, bool]:
    """Return what some of the server's chunks say together, and whether that is cut.

    Args:
        chunks: In their order.
        room: Characters that the answer may still have until it is cut; None: it has ended.
    """
    texts: list[str] = []
    usage: Usage | None = None
    reason: FinishReason | None = None
    for chunk in chunks:
        if counted := chunk.get("usage"):
            usage = _usage(counted)
        for choice in (chunk.get("choices") or ())[:1]:
            if choice["delta"] is None:
                continue
            text = choice["delta"].get("content")
            texts.append(text if isinstance(text, str) else "")
            if said := choice.get("finish_reason"):
                reason = "length" if said == "length" else "stop"
            room = None if room is None or reason is not None else room - len(texts[-1])
            if room is not None and room < 0:
                return Piece("".join(texts), usage, "length"), True
    return Piece("".join(texts), usage, reason), False


def _usage(counted: Json) -> Usage:
    cached = (counted.get("prompt_tokens_details") or {}).get("cached_tokens")
    return Usage(counted.get("prompt_tokens") or 0, counted.get("completion_tokens") or 0, cached)


@contextmanager
def _translated(settings: LlmSettings) -> Iterator[None]:
    """Turn what the SDK raises into this package's errors."""
    import openai

    url = settings.shown_url
    try:
        yield
    except openai.APITimeoutError as error:
        raise _timed_out(settings, error) from error
    except openai.APIConnectionError as error:
        connected = not _caused_by(error, "ConnectError", "UnsupportedProtocol", "ProxyError")
        raise (server_garbage(url) if connected else server_down(url)) from error
    except openai.APIStatusError as error:
        raise server_refused(url, error.status_code, _reason(error)) from error
    except openai.APIError as error:
        raise server_refused(url, None, _reason(error)) from error
    except TimeoutError as error:
        raise server_slow(url, settings.timeout_s) from error
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
        # ValueError covers text that is no JSON or no UTF-8; into JSON of the wrong shape the SDK walks unchecked.
        raise server_garbage(url) from error


def _timed_out(settings: LlmSettings, error: BaseException) -> ModelServerError:
    if _caused_by(error, "ConnectTimeout"):
        return server_down(settings.shown_url)
    return server_slow(settings.shown_url, settings.timeout_s)


def _caused_by(error: BaseException | None, *names: str) -> bool:
    """Look for a class by name in the chain of causes: the SDK's HTTP client is httpx or httpx2, by version."""
    while error is not None:
        if type(error).__name__ in names:
            return True
        error = error.__cause__
    return False


def _reason(error: Any) -> str:
    body = error.body
    said = body.get("message") or body.get("detail") if isinstance(body, dict) else None
    return " ".join(str(said).split())[:_MAX_REASON_CHARS] if said else ""
