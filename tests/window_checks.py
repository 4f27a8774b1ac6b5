"""A case through the packer or the chat model, and what the real server makes of it."""

from __future__ import annotations

import time
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from assistant import ChatHuozi
from assistant.context_overflow import PromptOverflowError
from assistant.errors import PromptTooLongError
from assistant.events import Usage
from assistant.generate import Generator, Sampling
from assistant.messages import to_messages
from assistant.settings import AnswerSettings, LlmSettings
from assistant.window.context import ContextWindow
from assistant.window.packer import Packer
from tests.window_cases import Case

MOST_TURNS = 400


@dataclass(frozen=True, slots=True)
class Fitted:
    """What became of a case.

    Args:
        window: What would be sent; None where the question alone was too long.
        tokens: What the server counts it as.
        budget: Most tokens that the prompt may have.
        calls: Requests for counts that it took.
        seconds: Time that it took to plan.
        was_cut: Whether a source found no room, or only in part.
    """

    window: ContextWindow | None
    tokens: int
    budget: int
    calls: int
    seconds: float
    was_cut: bool

    @property
    def fill(self) -> float:
        """Tokens of the prompt beside its budget."""
        return self.tokens / self.budget


class Checker:
    """Packs cases for one server; one packer for each window, as a service has one.

    Args:
        base_url: The server, with `/v1`.
        tokenizer: The model's tokenizer.json, to count by; None: the server counts.
    """

    def __init__(self, base_url: str, tokenizer: Path | None = None) -> None:
        self._base_url = base_url
        self._tokenizer = tokenizer
        self._http = httpx.AsyncClient(timeout=120)
        self._packers: dict[int, tuple[Packer, Generator]] = {}

    async def fit(self, made: Case) -> Fitted:
        """Pack a case and have the server count the whole."""
        packer, _ = self._packer(made.window_tokens)
        budget = made.window_tokens - made.answer_tokens
        started = time.perf_counter()
        try:
            window = await packer.pack(
                made.question,
                made.history,
                made.sources,
                system=made.system,
                sampling=Sampling(max_tokens=made.answer_tokens),
            )
        except PromptTooLongError:
            return Fitted(None, 0, budget, 0, 0.0, False)
        seconds = time.perf_counter() - started
        cut = window.cut
        was_cut = bool(cut.dropped_sources or cut.shortened_sources)
        return Fitted(window, await self.count(window), budget, cut.calls, seconds, was_cut)

    async def count(self, window: ContextWindow) -> int:
        """Return the tokens of a prompt, by the server."""
        body = {"model": "huozi", "messages": [{"role": one.role, "content": one.text} for one in window.messages]}
        reply = await self._http.post(f"{self._base_url.removesuffix('/v1')}/tokenize", json=body)
        return int(reply.json()["count"])

    async def complete(self, made: Case, window: ContextWindow) -> Usage:
        """Have the model answer, with all that was kept free for it."""
        _, generator = self._packer(made.window_tokens)
        usage = Usage()
        async with aclosing(generator.stream(window.messages, Sampling(max_tokens=made.answer_tokens))) as pieces:
            async for piece in pieces:
                usage = piece.usage or usage
        return usage

    async def ask_with_tools(self, made: Case) -> int | None:
        """Send a case's conversation with its tools to the model itself.

        Returns:
            Tokens of prompt and reserve together, as the server counts; None if the prompt was refused before.
        """
        model = ChatHuozi(
            base_url=self._base_url, window_tokens=made.window_tokens, max_tokens=made.answer_tokens, temperature=0
        )
        bound: Any = model.bind_tools(list(made.tools)) if made.tools else model
        messages = [turn for turn in made.history if turn.role != "system"]
        asked = to_messages(messages[-MOST_TURNS:])
        try:
            reply = await bound.ainvoke([*asked, ("human", made.question)])
        except PromptOverflowError:
            return None
        finally:
            await model.aclose()
        return int(reply.usage_metadata["input_tokens"]) + made.answer_tokens

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()
        for _, generator in self._packers.values():
            await generator.aclose()

    def _packer(self, window_tokens: int) -> tuple[Packer, Generator]:
        if window_tokens not in self._packers:
            settings = LlmSettings(
                base_url=self._base_url, window_tokens=window_tokens, temperature=0, tokenizer=self._tokenizer
            )
            generator = Generator(settings)
            packer = Packer(settings, AnswerSettings(history_turns=MOST_TURNS), generator)
            self._packers[window_tokens] = packer, generator
        return self._packers[window_tokens]
