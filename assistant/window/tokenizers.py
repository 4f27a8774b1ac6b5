"""Who can cut a text into tokens as the model server does: vLLM, llama.cpp, or a tokenizer file."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit, urlunsplit

from pydantic_core import from_json

from assistant.errors import tokenizer_unreadable
from assistant.events import Turn
from assistant.settings import LlmSettings
from assistant.template import render
from assistant.window.cut import Counted
from assistant.window.frame import Frame, Trial, cut_at

if TYPE_CHECKING:
    import openai
    import tokenizers

Json = dict[str, Any]
Client = Callable[[], Awaitable["openai.AsyncOpenAI"]]

TIMEOUT_S = 10.0
"""Longest wait for a count; a server that is slower is answered with a bound instead."""


class CountingError(Exception):
    """Tokens cannot be counted.

    Args:
        is_final: Whether asking again is of no use: the server has no such call.
    """

    def __init__(self, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.is_final = is_final


class Tokenizer(Protocol):
    """Cuts texts into tokens; every method may raise `CountingError`."""

    counted: Counted

    async def chat(self, messages: Sequence[Turn]) -> Trial:
        """Return the tokens of a conversation, with the opening of the answer."""

    async def size(self, messages: Sequence[Turn]) -> int:
        """Return how many they are."""

    async def encode(self, text: str) -> Sequence[int]:
        """Return the tokens of a text; control tokens in it are read as such."""

    async def lengths(self, texts: Sequence[str], frame: Frame) -> list[int]:
        """Return how many tokens each text has, where each but the first stands behind the end of a turn."""


class _Server(ABC):
    """A model server's own tokenizer.

    Args:
        settings: The server.
        client: Returns the running loop's client.
    """

    counted: Counted = "server"

    def __init__(self, settings: LlmSettings, client: Client) -> None:
        self._settings = settings
        self._client = client
        parts = urlsplit((settings.base_url or "").rstrip("/"))
        self._root = urlunsplit(parts._replace(path=parts.path.removesuffix("/v1")))

    @abstractmethod
    async def encode(self, text: str) -> Sequence[int]:
        """Return the tokens of a text."""

    async def lengths(self, texts: Sequence[str], frame: Frame) -> list[int]:
        """Have all texts cut by one request, as one text."""
        parts = cut_at(await self.encode(frame.end.join(texts)), frame.end_id)
        if len(parts) != len(texts):
            raise _no_end(frame)
        return [len(part) for part in parts]

    async def _post(self, path: str, body: Json) -> Mapping[str, Any]:
        import openai

        client = await self._client()
        try:
            reply = await client.post(
                self._root + path, cast_to=bytes, body=body, options={"timeout": TIMEOUT_S, "max_retries": 0}
            )
            value = from_json(reply)
        except openai.APIStatusError as error:
            raise CountingError(str(error), is_final=error.status_code < 500 and error.status_code != 429) from error
        except openai.APIError as error:
            raise CountingError(str(error)) from error
        except ValueError as error:
            # A page, or a stream: a server that answers so to a path that it does not know always will.
            raise CountingError(f"{path} answered with no JSON: {error}", is_final=True) from error
        if not isinstance(value, dict):
            raise CountingError(f"{path} answered with no JSON object", is_final=True)
        return value


class VllmTokenizer(_Server):
    """vLLM's `/tokenize`, which renders conversations too."""

    async def chat(self, messages: Sequence[Turn]) -> Trial:
        """Return the tokens of a conversation, and the window."""
        reply = await self._tokenize({"messages": _plain(messages), "return_token_strs": True})
        return Trial(tuple(reply["tokens"]), tuple(reply["token_strs"] or ()), reply.get("max_model_len"))

    async def size(self, messages: Sequence[Turn]) -> int:
        """Return how many they are."""
        return int((await self._tokenize({"messages": _plain(messages)}))["count"])

    async def encode(self, text: str) -> Sequence[int]:
        """Return the tokens of a text."""
        tokens: Sequence[int] = (await self._tokenize({"prompt": _sendable(text), "add_special_tokens": False}))[
            "tokens"
        ]
        return tokens

    async def _tokenize(self, body: Json) -> Mapping[str, Any]:
        reply = await self._post("/tokenize", {"model": self._settings.model, **body})
        if not isinstance(reply.get("count"), int) or not isinstance(reply.get("tokens"), list):
            raise CountingError("this is not vLLM's /tokenize", is_final=True)
        return reply


class LlamaCppTokenizer(_Server):
    """llama.cpp's `/tokenize`, beside its `/apply-template`, which renders conversations."""

    async def chat(self, messages: Sequence[Turn]) -> Trial:
        """Return the tokens of a conversation, and the window of one of the server's slots."""
        pieces = await self._tokenize(await self._rendered(messages), with_pieces=True)
        ids = tuple(one["id"] for one in pieces)
        strings = tuple(one["piece"] if isinstance(one["piece"], str) else "" for one in pieces)
        return Trial(ids, strings, await self._window())

    async def size(self, messages: Sequence[Turn]) -> int:
        """Return how many they are."""
        return len(await self._tokenize(await self._rendered(messages)))

    async def encode(self, text: str) -> Sequence[int]:
        """Return the tokens of a text."""
        return await self._tokenize(_sendable(text))

    async def _rendered(self, messages: Sequence[Turn]) -> str:
        text = (await self._post("/apply-template", {"messages": _plain(messages)})).get("prompt")
        if not isinstance(text, str):
            raise CountingError("/apply-template gives no text", is_final=True)
        return text

    async def _tokenize(self, text: str, *, with_pieces: bool = False) -> list[Any]:
        body = {"content": text, "add_special": False, "parse_special": True, "with_pieces": with_pieces}
        tokens = (await self._post("/tokenize", body)).get("tokens")
        if not isinstance(tokens, list):
            raise CountingError("/tokenize gives no tokens", is_final=True)
        return tokens

    async def _window(self) -> int | None:
        import openai

        client = await self._client()
        try:
            props = from_json(await client.get(f"{self._root}/props", cast_to=bytes, options={"timeout": TIMEOUT_S}))
            window = props["default_generation_settings"]["n_ctx"]
        except (openai.APIError, ValueError, KeyError, TypeError):
            return None
        return window if isinstance(window, int) else None


class FileTokenizer:
    """A `tokenizer.json`, with the profile's chat template.

    Args:
        path: The file, as `tokenizers` saves it and models are published with it.
        template: The chat template that the model server uses.

    Raises:
        SettingsError: If the file cannot be read.
    """

    counted: Counted = "file"

    def __init__(self, path: Path, template: str | Path) -> None:
        self._tokenizer = _load(path)
        self._template = template

    async def chat(self, messages: Sequence[Turn]) -> Trial:
        """Return the tokens of a conversation."""
        encoded = await asyncio.to_thread(self._encode, render(_plain(messages), template=self._template))
        return Trial(tuple(encoded.ids), tuple(encoded.tokens))

    async def size(self, messages: Sequence[Turn]) -> int:
        """Return how many they are."""
        return len(await self.encode(render(_plain(messages), template=self._template)))

    async def encode(self, text: str) -> Sequence[int]:
        """Return the tokens of a text."""
        ids: Sequence[int] = (await asyncio.to_thread(self._encode, _sendable(text))).ids
        return ids

    async def lengths(self, texts: Sequence[str], frame: Frame) -> list[int]:
        """Cut the texts, on all cores."""
        first, *others = map(_sendable, texts)
        cut = await asyncio.to_thread(self._encode_all, [first, *(frame.end + text for text in others)])
        if others and cut[1].ids[:1] != [frame.end_id]:
            raise _no_end(frame)
        return [len(cut[0]), *(len(one) - 1 for one in cut[1:])]

    def _encode_all(self, texts: Sequence[str]) -> list[tokenizers.Encoding]:
        # The fast one leaves out where in the text each token lies; older versions do not have it.
        encode = getattr(self._tokenizer, "encode_batch_fast", self._tokenizer.encode_batch)
        found: list[tokenizers.Encoding] = encode(list(texts), add_special_tokens=False)
        return found

    def _encode(self, text: str) -> tokenizers.Encoding:
        return self._tokenizer.encode(text, add_special_tokens=False)


@lru_cache(maxsize=2)
def _load(path: Path) -> tokenizers.Tokenizer:
    import tokenizers

    try:
        return tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception for a missing file and for a broken one
        raise tokenizer_unreadable(str(path), str(error)) from error


def _no_end(frame: Frame) -> CountingError:
    return CountingError(f"the tokenizer does not read {frame.end!r} as one token", is_final=True)


def _plain(messages: Sequence[Turn]) -> list[dict[str, str]]:
    return [{"role": turn.role, "content": _sendable(turn.text)} for turn in messages]


def _sendable(text: str) -> str:
    """Return the text without lone surrogates, which no UTF-8 holds."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
