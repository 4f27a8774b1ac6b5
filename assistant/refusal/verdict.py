"""Asking the model whether what was found answers the question: the edge of the decision.

Passages that look right and lack only the answer cannot be told by rules. One short call before the answer can, as well
as the model is able to read; where it says neither yes nor no, or nothing, the rules decide.
"""

from __future__ import annotations

import asyncio
import logging

import prompts
from assistant.checking.verdict import read_verdict
from assistant.errors import AnswerError
from assistant.events import Turn
from assistant.generate import Generator, Sampling
from assistant.sources.render import as_data
from retrieval.models import Retrieval, ScoredChunk

_log = logging.getLogger(__name__)

TIMEOUT_S = 10.0
"""Longest wait for a verdict, in seconds."""

MAX_CHUNKS = 6
"""Most chunks that the model is shown: as many as an answer has sources."""

_MAX_QUESTION_CHARS = 500
_ROOM_TOKENS = 400  # for the prompt's own words, the question's frame and the reply
_SAMPLING = Sampling(max_tokens=8, temperature=0.0, choices=("yes", "no"))


class AnswerVerdict:
    """Asks a model server.

    Args:
        generator: The server.
        window_tokens: Its window; what is shown of the chunks leaves it half empty, a character counted as a token.
        timeout_s: Longest wait, in seconds.
    """

    def __init__(self, generator: Generator, *, window_tokens: int, timeout_s: float = TIMEOUT_S) -> None:
        self._generator = generator
        self._chars = max(0, window_tokens // 2 - _ROOM_TOKENS)
        self._timeout_s = timeout_s

    async def holds_answer(self, retrieval: Retrieval) -> bool | None:
        """Return the model's yes or no; None where it says neither, fails or takes too long."""
        question = as_data(" ".join(retrieval.question.split()))[:_MAX_QUESTION_CHARS]
        shown = _shown(retrieval.hits[:MAX_CHUNKS], self._chars - len(question))
        prompt = prompts.load("answerable").fill(sources=shown, question=question)
        try:
            async with asyncio.timeout(self._timeout_s):
                said = await self._generator.complete((Turn("user", prompt),), _SAMPLING)
        except (AnswerError, TimeoutError) as error:
            _log.info("Deciding without the model: %s", error or "the model server took too long")
            return None
        return read_verdict(said)


def _shown(hits: tuple[ScoredChunk, ...], n_chars: int) -> str:
    """Return the chunks, each with its share of the room."""
    share = max(0, n_chars) // max(1, len(hits))
    return "\n\n".join(as_data(f"{hit.chunk.context_line}\n{hit.chunk.text}")[:share] for hit in hits)
