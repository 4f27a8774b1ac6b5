"""Question, history and sources -> the window that is sent: the edge that has tokens counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from assistant.errors import prompt_too_long
from assistant.events import Turn
from assistant.generate import Generator, Sampling
from assistant.settings import AnswerSettings, LlmSettings
from assistant.sources.source import Source
from assistant.window.context import ContextWindow
from assistant.window.draft import Draft, draft
from assistant.window.fit import fit
from assistant.window.meter import BoundMeter, Meter
from assistant.window.price import Priced, price
from assistant.window.steps import newest_turns
from assistant.window.tokenizers import CountingError
from assistant.window.who_counts import WhoCounts

MAX_CALLS = 2
"""Requests for counts that one prompt may take."""

FULL = 0.97
"""Of the budget: a prompt of so much is full."""

MORE_FITS = 0.98
"""Of the budget: where sources went and less than this was taken, they are counted once more, and in pieces."""

CHEAP_TOKENS = 8_192
"""A prompt of so few tokens is always counted once more as a whole: that takes a few milliseconds."""
TRUSTED_AFTER = 2
"""Longer ones only until so many have shown that the parts add up."""

MARGIN = 4
"""Tokens that stay free where the whole took less than its parts: more of a source is added by what the parts take."""


@dataclass(frozen=True, slots=True)
class _Room:
    """The window of a request, and what is kept free in it."""

    window_tokens: int
    answer_tokens: int

    @property
    def budget(self) -> int:
        return self.window_tokens - self.answer_tokens


class Packer:
    """Fits prompts into one model server's window.

    Args:
        llm: The model server.
        settings: What a prompt may hold.
        generator: Whose connections are used, and who hears that a prompt was too long.
    """

    def __init__(self, llm: LlmSettings, settings: AnswerSettings, generator: Generator) -> None:
        self._llm = llm
        self._settings = settings
        self._who_counts = WhoCounts(llm, generator)
        self._n_confirmed = 0
        self._drift = 0.0

    async def pack(
        self,
        question: str,
        history: Sequence[Turn],
        sources: Sequence[Source],
        *,
        system: str | None = None,
        sampling: Sampling,
    ) -> ContextWindow:
        """Return what is sent to the model: prompt and answer together fit into its window.

        Args:
            question: As asked.
            history: Earlier turns, oldest first.
            sources: In the order in which they are shown.
            system: A caller's own instructions; they follow ours.
            sampling: What the request overrides; its `max_tokens` are kept free.

        Raises:
            PromptTooLongError: If question and system turn alone do not fit.
        """
        wanted = draft(question, newest_turns(history, self._settings.history_turns), sources, system)
        wanted = replace(wanted, n_before=sum(turn.role != "system" for turn in history) - len(wanted.turns))
        meter, calls = await self._who_counts.meter()
        most = min(self._llm.window_tokens, meter.window or self._llm.window_tokens)
        room = _Room(most, sampling.max_tokens or self._llm.max_tokens)
        try:
            return await self._fitted(meter, wanted, room, calls)
        except CountingError as error:
            self._who_counts.failed(error)
            return await self._fitted(BoundMeter.of(self._llm.model_profile, None), wanted, room, MAX_CALLS)

    async def _fitted(self, meter: Meter, wanted: Draft, room: _Room, calls: int) -> ContextWindow:
        priced = await price(meter, wanted, room.budget)
        calls += priced.costs.calls
        # What two texts take together may differ from what each takes, by a merge where they meet.
        reserve = 0 if meter.counted == "bound" else int(self._drift * room.budget) + 1
        window = _fit(priced, room, reserve)
        if calls < MAX_CALLS and window.cut.dropped_sources and window.cut.tokens.total < MORE_FITS * room.budget:
            # Sources took less than they were taken for, or others: there is room for more, or for a part of one.
            priced = await price(meter, wanted, room.budget, in_pieces=True)
            calls += priced.costs.calls
            window = _fit(priced, room, reserve)
        if calls < MAX_CALLS and self._is_doubtful(window):
            calls += 1
            size = await meter.size(window.messages)
            if size is not None:
                over = size - window.cut.tokens.total
                self._learn(over, window.cut.tokens.total)
                if size > room.budget:
                    window = _fit(priced, room, reserve + 2 * over + 16)
                    _check_fits(window, over, room)
                elif window.cut.shortened_sources and -over > MARGIN:
                    # Pieces take more than the text that they make: what that left empty is filled.
                    window = _corrected(_fit(priced, room, reserve, regained=-over - MARGIN), over)
        return replace(window, cut=replace(window.cut, calls=calls))

    def _is_doubtful(self, window: ContextWindow) -> bool:
        tokens = window.cut.tokens
        if window.cut.counted == "bound" or tokens.total < FULL * tokens.budget:
            return False
        return tokens.total <= CHEAP_TOKENS or self._n_confirmed < TRUSTED_AFTER

    def _learn(self, over: int, counted: int) -> None:
        """Remember whether the parts add up to the whole, and by how much they fail to."""
        if over > 0:
            self._drift = max(self._drift, over / counted)
            self._n_confirmed = 0
        elif counted > CHEAP_TOKENS:
            self._n_confirmed += 1


def _check_fits(window: ContextWindow, over: int, room: _Room) -> None:
    """Refuse a question that fits by the sum of its parts, but not by the server's count of the whole."""
    tokens = window.cut.tokens
    if tokens.total + over > tokens.budget:
        raise prompt_too_long(tokens.question + over, tokens.system, room.answer_tokens, room.window_tokens)


def _corrected(window: ContextWindow, over: int) -> ContextWindow:
    """Take off the sources' share what the whole prompt took less than its parts."""
    tokens = window.cut.tokens
    return replace(window, cut=replace(window.cut, tokens=replace(tokens, sources=max(0, tokens.sources + over))))


def _fit(priced: Priced, room: _Room, reserve: int, *, regained: int = 0) -> ContextWindow:
    return fit(
        priced.draft,
        priced.costs,
        window_tokens=room.window_tokens,
        answer_tokens=room.answer_tokens,
        reserve=reserve,
        regained=regained,
        gone=priced.gone,
        n_gone_turns=priced.n_gone_turns,
    )
