"""Question, history and sources -> the window that is sent: the edge that asks the model server for its size."""

from __future__ import annotations

from collections.abc import Sequence

from assistant.events import Turn
from assistant.generate import Sampling
from assistant.settings import AnswerSettings, LlmSettings
from assistant.sources.source import Source
from assistant.window.context import ContextWindow, pack


class Packer:
    """Fits prompts into one model server's window.

    Args:
        llm: The model server.
        settings: What a prompt may hold.
    """

    def __init__(self, llm: LlmSettings, settings: AnswerSettings) -> None:
        self._llm = llm
        self._settings = settings
        self._server_window: int | None = None

    async def pack(
        self,
        question: str,
        history: Sequence[Turn],
        sources: Sequence[Source],
        *,
        system: str | None = None,
        sampling: Sampling,
    ) -> ContextWindow:
        """Return what is sent to the model.

        Args:
            question: As asked.
            history: Earlier turns, oldest first.
            sources: Best first.
            system: A caller's own instructions; they follow ours.
            sampling: What the request overrides; its `max_tokens` are kept free.

        Raises:
            PromptTooLongError: If question and system turn alone do not fit.
        """
        n_turns = self._settings.history_turns
        return pack(
            question,
            history[-n_turns:] if n_turns else (),
            sources,
            window_tokens=min(self._llm.window_tokens, await self._learn_window()),
            answer_tokens=sampling.max_tokens or self._llm.max_tokens,
            system=system,
        )

    async def _learn_window(self) -> int:
        """Ask the server once for its window: the smaller one counts, or the server would refuse a full prompt."""
        if self._server_window is None:
            from assistant.serving.probe import aserver_window

            self._server_window = await aserver_window(self._llm) or self._llm.window_tokens
        return self._server_window
