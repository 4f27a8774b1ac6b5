from __future__ import annotations

from assistant.window.frame import Trial, cut_at, frame_of

HUOZI = ("<|beginofutterance|>", "<|endofutterance|>")


def trial(strings: list[str]) -> Trial:
    ids = {string: number for number, string in enumerate(dict.fromkeys(strings))}
    return Trial(tuple(ids[string] for string in strings), tuple(strings))


def turn(role: str, begin: str = "<|beginofutterance|>", end: str = "<|endofutterance|>") -> list[str]:
    return [begin, role, "<0x0A>", "甲", end, "<0x0A>"]


def test_each_role_has_what_its_turn_takes_when_a_control_token_ends_it() -> None:
    roles = [turn("系统"), turn("用户"), turn("助手"), turn("用户")]
    opening = ["<|beginofutterance|>", "助手", "<0x0A>"]
    frame = frame_of(trial([*sum(roles, []), *opening]), HUOZI)
    assert frame is not None
    assert (frame.end, frame.turns, frame.opening) == (
        "<|endofutterance|>",
        {"system": 5, "user": 6, "assistant": 6},
        4,
    )


def test_the_end_is_found_by_its_shape_when_the_profile_is_another_models() -> None:
    turns = sum((turn(role, "<|im_start|>", "<|im_end|>") for role in ("system", "user", "assistant", "user")), [])
    frame = frame_of(trial([*turns, "<|im_start|>", "assistant", "<0x0A>"]), HUOZI)
    assert frame is not None and frame.end == "<|im_end|>"


def test_there_is_no_frame_when_nothing_ends_every_turn() -> None:
    assert frame_of(trial(["[INST]", "甲", "甲", "[/INST]", "甲", "</s>", "[INST]", "甲", "[/INST]"]), HUOZI) is None
    assert frame_of(Trial((1, 2), ()), HUOZI) is None


def test_runs_between_separators_are_cut_when_some_are_empty() -> None:
    assert cut_at([9, 1, 2, 9, 9, 3], 9) == [[], [1, 2], [], [3]]
    assert cut_at([], 9) == [[]]
