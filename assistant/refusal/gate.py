"""The decision before a model writes: by the evidence, and by the model's verdict where that is set."""

from __future__ import annotations

import asyncio

from assistant.finder import Found
from assistant.generate import Generator
from assistant.refusal.decision import Decision, decide_found, is_in_doubt
from assistant.refusal.verdict import AnswerVerdict
from assistant.refusal.words import is_read
from assistant.settings import AnswerSettings, LlmSettings


class Gate:
    """Decides before a model writes.

    Args:
        verdict: Asks the model where the evidence is not clearly poor; None: the weighted sum alone decides.
    """

    def __init__(self, verdict: AnswerVerdict | None = None) -> None:
        self._verdict = verdict

    async def decide(self, found: Found) -> Decision:
        """Return whether the documents seem to hold the answer."""
        # The first question waits for the dictionary; a thread for a third of a millisecond would cost as much again.
        decision = decide_found(found) if is_read() else await asyncio.to_thread(decide_found, found)
        if self._verdict is None or not is_in_doubt(decision):
            return decision
        said = await self._verdict.holds_answer(found.retrieval)
        if said is None:
            return decision
        return Decision(said, "verdict", {**decision.signals, "verdict": float(said)})


def gate_for(settings: AnswerSettings, llm: LlmSettings | None, generator: Generator | None) -> Gate:
    """Return the gate that the settings ask for; without a model server there is nobody to ask."""
    if settings.verdict == "rules" or llm is None or generator is None:
        return Gate()
    return Gate(AnswerVerdict(generator, window_tokens=llm.window_tokens))
