from __future__ import annotations

import pytest

from assistant.events import Turn
from assistant.window.steps import newest_turns


def conversation(n: int) -> list[Turn]:
    return [Turn("assistant" if number % 2 else "user", str(number)) for number in range(n)]


def test_all_turns_stay_when_they_are_few() -> None:
    assert newest_turns(conversation(20), 20) == tuple(conversation(20))


def test_the_first_turn_stays_the_same_for_half_the_turns_when_the_oldest_go() -> None:
    firsts = [newest_turns(conversation(n), 20)[0].text for n in range(20, 52, 2)]
    assert firsts == ["0", *["10"] * 5, *["20"] * 5, *["30"] * 5]


@pytest.mark.parametrize("most", [0, 1, 2, 3, 5, 20])
def test_never_more_turns_stay_than_are_asked_for(most: int) -> None:
    for n in range(45):
        kept = newest_turns(conversation(n), most)
        assert len(kept) <= most and kept == tuple(conversation(n))[n - len(kept) :]
        assert most == 0 or len(kept) > 0 or n == 0


def test_system_turns_stay_when_the_turns_around_them_go() -> None:
    history = [Turn("system", "一"), *conversation(10), Turn("system", "二"), *conversation(200)]
    kept = newest_turns(history, 4)
    assert [turn.text for turn in kept if turn.role == "system"] == ["一", "二"]
    assert 2 <= sum(turn.role != "system" for turn in kept) <= 4
