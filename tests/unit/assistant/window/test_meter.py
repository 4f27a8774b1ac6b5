from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from assistant.events import Turn
from assistant.serving.profile import load_profile
from assistant.template import render
from assistant.window import meter as meters
from assistant.window.bound import token_bound
from assistant.window.estimate import Estimate
from assistant.window.frame import TRIAL, Trial, frame_of
from assistant.window.meter import BoundMeter, ExactMeter
from assistant.window.tokenizers import CountingError, FileTokenizer, VllmTokenizer

CONTROL = ("<|beginofutterance|>", "<|endofutterance|>")
TEXTS = ("年假为五天。", "\n\n[1] 手册\n", "𠮷野家😀", "", "The leave is five days.\n")


async def exact(path: Path) -> ExactMeter:
    tokenizer = FileTokenizer(path, "huozi")
    frame = frame_of(await tokenizer.chat(TRIAL), CONTROL)
    assert frame is not None
    return ExactMeter(tokenizer, frame, None)


async def test_parts_add_up_to_the_whole_when_they_are_counted(tokenizer: Path) -> None:
    meter = await exact(tokenizer)
    turns = [
        Turn("system", "系统提示。"),
        Turn("user", "年假几天？"),
        Turn("assistant", "五天。[1]"),
        Turn("user", "病假呢？"),
    ]
    counts, calls = await meter.count([turn.text for turn in turns])
    total = sum(counts) + sum(meter.around(turn.role) for turn in turns) + meter.opening
    assert calls == 1 and total == await meter.size(turns)


async def test_nothing_is_asked_when_all_is_known(tokenizer: Path) -> None:
    meter = await exact(tokenizer)
    first, calls = await meter.count(TEXTS)
    again, none = await meter.count(TEXTS[::-1])
    assert (calls, none) == (1, 0) and again == first[::-1]
    assert meter.estimate(TEXTS[0]) == (first[0], first[0])
    assert first[3] == 0 and all(first[:3])


async def test_counts_stay_right_when_another_request_makes_them_forgotten(
    tokenizer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meters, "_MAX_REMEMBERED", 3)
    meter = await exact(tokenizer)
    alone = [(await meter.count([text]))[0][0] for text in TEXTS]
    both = await asyncio.gather(meter.count(TEXTS), meter.count(["另", "外", "的", *TEXTS[:2]]))
    assert both[0][0] == alone and both[1][0][3:] == alone[:2]
    assert len(meter._known) == 3


class Blind(VllmTokenizer):
    """Reads control tokens as plain text."""

    def __init__(self) -> None:
        pass

    async def encode(self, text: str) -> Sequence[int]:
        return [5] * len(text)


@pytest.mark.parametrize("kind", ["server", "file"])
async def test_counting_fails_for_good_when_the_control_token_is_read_as_text(tokenizer: Path, kind: str) -> None:
    trial = Trial(
        (1, 9, 1, 9, 1, 9, 1, 9, 2), ("甲", CONTROL[1], "甲", CONTROL[1], "甲", CONTROL[1], "甲", CONTROL[1], "助手")
    )
    frame = frame_of(trial, CONTROL)
    assert frame is not None
    # The trial's id of the end is not that file's.
    blind = Blind() if kind == "server" else FileTokenizer(tokenizer, "huozi")
    with pytest.raises(CountingError) as caught:
        await ExactMeter(blind, frame, None).count(["年假"])
    assert caught.value.is_final


@pytest.mark.parametrize("name", ["huozi3.5", "huozi-7b-rlhf", "llama3-chinese"])
def test_the_bound_of_a_turn_is_wide_enough_when_its_template_writes_it(name: str) -> None:
    profile = load_profile(name)
    meter = BoundMeter.of(profile, None)
    turns = [{"role": "system", "content": "年假"}, {"role": "user", "content": "年假"}]
    text = render(turns, template=profile.template_path)
    for token in profile.control_tokens:
        text = text.replace(token, ".")
    assert token_bound(text) <= 2 * token_bound("年假") + meter.around("system") + meter.around("user") + meter.opening
    assert meter.around("user") < 100


def test_an_estimate_comes_near_when_texts_were_counted() -> None:
    estimate = Estimate()
    assert estimate.of("年假" * 100) == (80, 600)
    for _ in range(40):
        estimate.learn("年假" * 100, 120)
        estimate.learn("leave" * 80, 100)
    for text, tokens in (("年假" * 300, 360), ("leave" * 160, 200)):
        low, high = estimate.of(text)
        assert 0.85 * tokens < low < tokens < high < 1.3 * tokens
