"""Asking the model whether a source supports a sentence, where the rules are in doubt: the edge of the check."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import prompts
from assistant.checking.check import NO_ANSWERS, Answers, SentenceCheck
from assistant.errors import AnswerError
from assistant.events import Turn
from assistant.generate import Generator, Sampling
from assistant.sources.render import as_data

TIMEOUT_S = 10.0
"""Longest wait for one verdict, in seconds."""
MAX_ASKED = 3
"""Most sources asked about for one sentence."""
_SAMPLING = Sampling(max_tokens=8, temperature=0.0, choices=("yes", "no"))
_SAID = {"yes": True, "no": False, "是": True, "否": False, "支持": True, "不支持": False}


class SupportVerdict:
    """Asks the model; once it did not answer, the rules decide for the rest of the answer.

    Args:
        generator: Whose model is asked.
        check: Knows the sources.
        timeout_s: Longest wait for one verdict, in seconds.
    """

    def __init__(self, generator: Generator, check: SentenceCheck, *, timeout_s: float = TIMEOUT_S) -> None:
        self._generator = generator
        self._check = check
        self._timeout_s = timeout_s
        self._is_reachable = True

    async def answers(self, doubts: Sequence[tuple[str, int]]) -> Answers:
        """Return what the model says to the first doubts; nothing where it says neither yes nor no."""
        if not doubts or not self._is_reachable:
            return NO_ANSWERS
        asked = doubts[:MAX_ASKED]
        said = await asyncio.gather(*(self._ask(sentence, number) for sentence, number in asked))
        return {doubt: answer for doubt, answer in zip(asked, said, strict=True) if answer is not None}

    async def _ask(self, sentence: str, number: int) -> bool | None:
        prompt = prompts.load("supports").fill(
            source=as_data(self._check.source_text(number)), sentence=as_data(sentence)
        )
        try:
            async with asyncio.timeout(self._timeout_s):
                said = await self._generator.complete((Turn("user", prompt),), _SAMPLING)
        except (AnswerError, TimeoutError):
            self._is_reachable = False
            return None
        return read_verdict(said)


def read_verdict(said: str) -> bool | None:
    """Return the model's yes or no; None if it said something else."""
    return _SAID.get(said.strip().strip("\"'“”.。!！").lower())
