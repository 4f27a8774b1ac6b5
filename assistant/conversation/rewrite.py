"""A follow-up made self-contained by the model: one short call, and none of it counts unless it passes the check."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import prompts
from assistant.conversation.rewrite_check import checked
from assistant.errors import ModelServerError, PromptTooLongError
from assistant.events import Turn
from assistant.generate import Generator, Sampling
from assistant.sources.render import as_block

_log = logging.getLogger(__name__)

TIMEOUT_S = 5.0
"""Longest wait for a rewriting; the question is searched as it is when it takes longer."""

_MAX_TOKENS = 96
_MAX_TURNS = 8
_TURN_CHARS = 200
_SPEAKERS = {"user": "用户", "assistant": "助手"}


class Rewriter:
    """Asks a model server to rewrite follow-ups.

    Args:
        generator: The model server.
        timeout_s: Longest wait.
    """

    def __init__(self, generator: Generator, *, timeout_s: float = TIMEOUT_S) -> None:
        self._generator = generator
        self._timeout_s = timeout_s

    async def rewrite(self, question: str, history: Sequence[Turn], leans_on: Sequence[str]) -> str | None:
        """Return the question made self-contained; None when the model strays, fails or takes too long.

        Args:
            question: As asked.
            history: Earlier turns, oldest first.
            leans_on: What the question leans on, as planned without a model.
        """
        message = Turn("user", prompts.load("rewrite").fill(history=_told(history), question=_line(question)))
        await self._generator.client()  # loaded by the first call, which takes a second that the server shall have
        try:
            async with asyncio.timeout(self._timeout_s):
                reply = await self._generator.complete([message], Sampling(_MAX_TOKENS, 0.0))
        except (ModelServerError, PromptTooLongError, TimeoutError) as error:
            _log.info("Searching without a rewriting: %s", error or "the model server took too long")
            return None
        said = [turn.text for turn in history[-2:] if turn.role in _SPEAKERS]
        return checked(reply, question, [text for text in dict.fromkeys([*leans_on, *said]) if text])


def _told(history: Sequence[Turn]) -> str:
    """Return the newest turns, one a line: a turn cannot forge another."""
    turns = [turn for turn in history if turn.role in _SPEAKERS and turn.text.strip()]
    return "\n".join(f"{_SPEAKERS[turn.role]}：{_line(turn.text)}" for turn in turns[-_MAX_TURNS:])


def _line(text: str) -> str:
    return as_block(" ".join(text.split()))[:_TURN_CHARS]
