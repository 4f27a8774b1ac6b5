"""Who counts tokens for a model server: itself, a tokenizer file, or nobody. Found out once.

A file that is configured counts for a server that can count too, once both were seen to cut the same texts into the
same tokens: a full window then takes no request.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

from assistant.errors import ChatTemplateError
from assistant.generate import Generator
from assistant.settings import LlmSettings
from assistant.window.frame import TRIAL, Trial, frame_of
from assistant.window.meter import BoundMeter, ExactMeter, Meter
from assistant.window.tokenizers import CountingError, FileTokenizer, LlamaCppTokenizer, Tokenizer, VllmTokenizer
from retrieval.errors import SettingsError

logger = logging.getLogger("huozi.window")

PROBE = (
    "员工請假３天，不超过 12,345.67 元；“引号”——《书名》（一）①ａｂｃ ABC's def()\n\n\t"
    "𠮷野家 䶮 龘 ㍿ ﷺ 😀👨‍👩‍👧 é̂ かな 한국어 مرحبا\u200b\u3000|表|格|  两个空格"
)
"""What tokenizers differ in, if they do: widths, rare characters, joined emoji, white space, digits."""


class WhoCounts:
    """Finds out what a server can count and how large its window is, at first and after it refused a prompt.

    Args:
        llm: The model server.
        generator: Whose connections are used, and who hears of refusals.
    """

    def __init__(self, llm: LlmSettings, generator: Generator) -> None:
        self._llm = llm
        self._generator = generator
        self._meter: Meter | None = None
        self._overflows = 0

    async def meter(self) -> tuple[Meter, int]:
        """Return who counts, and how many requests for counts it took to find out."""
        if self._generator.overflows != self._overflows:
            self._overflows, self._meter = self._generator.overflows, None
        if self._meter is not None:
            return self._meter, 0
        meter, calls, is_final = await self._find()
        if is_final:
            self._meter = meter
        return meter, calls

    def failed(self, error: CountingError) -> None:
        """Take note that a count failed: ask again next time, or never if that is of no use."""
        logger.warning("Tokens cannot be counted, upper bounds are used: %s", error)
        window = self._meter.window if self._meter is not None else None
        self._meter = BoundMeter.of(self._llm.model_profile, window) if error.is_final else None

    async def _find(self) -> tuple[Meter, int, bool]:
        """Return who counts, after how many requests, and whether that may be kept."""
        profile = self._llm.model_profile
        window, calls, is_final = None, 0, True
        for tokenizer in self._tokenizers():
            if tokenizer.counted == "server" and not is_final:
                continue  # nobody answers there
            try:
                calls += tokenizer.counted == "server"
                trial = await tokenizer.chat(TRIAL)
            except CountingError as error:
                is_final = is_final and error.is_final
                continue
            window = trial.window or window
            if frame := frame_of(trial, profile.control_tokens):
                tokenizer = await self._same_file(tokenizer, trial) or tokenizer
                window = window or (await self._asked_window() if is_final else None)
                return ExactMeter(tokenizer, frame, self._smallest(window)), min(calls, 1), is_final
        window = window or (await self._asked_window() if is_final else None)
        return BoundMeter.of(profile, self._smallest(window)), min(calls, 1), is_final

    async def _same_file(self, server: Tokenizer, trial: Trial) -> Tokenizer | None:
        """Return the tokenizer file, if one is configured and cuts as the server does."""
        if self._llm.tokenizer is None or server.counted != "server":
            return None
        try:
            file = FileTokenizer(self._llm.tokenizer, self._llm.model_profile.template_path)
            conversation, probe = await file.chat(TRIAL), await file.encode(PROBE)
            if conversation.ids == trial.ids and list(probe) == list(await server.encode(PROBE)):
                return file
        except (ChatTemplateError, CountingError):
            return None
        except SettingsError as error:
            logger.warning("%s The model server counts instead.", error)
            return None
        logger.warning("%s cuts other tokens than the model server, which counts them instead", self._llm.tokenizer)
        return None

    def _tokenizers(self) -> Iterator[Tokenizer]:
        yield VllmTokenizer(self._llm, self._generator.client)
        yield LlamaCppTokenizer(self._llm, self._generator.client)
        if self._llm.tokenizer is not None:
            yield FileTokenizer(self._llm.tokenizer, self._llm.model_profile.template_path)

    async def _asked_window(self) -> int | None:
        from assistant.serving.probe import aserver_window

        return await aserver_window(self._llm)

    def _smallest(self, window: int | None) -> int | None:
        """Return the window that the server tells; what it gave as a reason to refuse counts where it tells none."""
        return window or self._generator.told_window
