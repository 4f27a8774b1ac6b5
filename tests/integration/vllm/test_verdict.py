"""The verdict's form on the real vLLM: the tiny model's weights are random, so only that it is held to yes or no."""

from __future__ import annotations

from assistant.generate import Generator
from assistant.refusal.verdict import AnswerVerdict
from assistant.settings import LlmSettings
from retrieval.models import Retrieval
from tests.unit.assistant.builders import GOOD, source
from tests.vllm_server import VllmServer


async def test_model_is_held_to_yes_or_no_when_it_knows_nothing(vllm: VllmServer) -> None:
    generator = Generator(LlmSettings(base_url=vllm.base_url))
    verdict = AnswerVerdict(generator, window_tokens=32_768, timeout_s=120)
    try:
        for question in ("年休假几天？", "火星有几颗卫星？"):
            found = Retrieval(question, "制度", (source("年休假为5天。"),), GOOD)
            assert await verdict.holds_answer(found) is not None
    finally:
        await generator.aclose()
