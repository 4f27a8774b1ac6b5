from __future__ import annotations

from dataclasses import replace

import pytest

from assistant.errors import PromptTooLongError
from assistant.events import Turn
from assistant.sources.source import Source, number_chunks
from tests.unit.assistant.builders import packed, source

FIXED = 1_050
"""More than system turn and question take, by the bound."""


def worth(number: int, text: str, value: float) -> Source:
    return Source(number, (source(text, name=f"{number}.txt"),), value)


def test_nothing_goes_when_all_fits() -> None:
    history = [Turn("user", "甲" * 100), Turn("assistant", "乙" * 100)]
    window = packed("问", history, number_chunks([source("丙" * 300)]), window_tokens=9_000, answer_tokens=100)
    cut = window.cut
    assert (cut.dropped_sources, cut.shortened_sources, cut.dropped_turns, cut.counted) == ((), (), 0, "bound")
    assert cut.tokens.history == 616 and cut.tokens.sources > 900 and cut.tokens.budget == 8_900
    assert cut.tokens.total <= cut.tokens.budget


def test_the_least_valuable_sources_go_first_when_over_budget() -> None:
    history = [Turn("user", "甲" * 100), Turn("assistant", "乙" * 100)]
    sources = [worth(1, "丙" * 300, 0.1), worth(2, "丁" * 300, 1.0), worth(3, "戊" * 300, 0.5)]
    window = packed("问", history, sources, window_tokens=FIXED + 616 + 1_000, answer_tokens=10)
    assert [one.number for one in window.sources if not one.omitted] == [2]
    assert window.cut.dropped_turns == 0
    assert 1 in {one.number for one in window.cut.dropped_sources}
    assert all(one.chunk_ids == (f"{one.number}.txt#0",) and one.tokens > 900 for one in window.cut.dropped_sources)


def test_the_oldest_turns_go_when_one_source_is_left() -> None:
    history = [Turn("user", "甲" * 300), Turn("assistant", "乙" * 30)]
    window = packed("问", history, number_chunks([source("丙" * 300)]), window_tokens=FIXED + 1_100, answer_tokens=10)
    assert [turn.text[0] for turn in window.messages[1:-1]] == ["乙"]
    assert (len(window.sources), window.cut.dropped_turns) == (1, 1)
    assert not window.sources[0].omitted


def test_the_middle_of_the_last_source_goes_when_no_turn_is_left() -> None:
    history = [Turn("user", "甲" * 300), Turn("assistant", "乙" * 300)]
    text = "".join(f"第{number}条规定如此。" for number in range(100))
    window = packed("问", history, number_chunks([source(text)]), window_tokens=FIXED + 1_100, answer_tokens=10)
    (kept,) = window.sources
    last = window.messages[-1].text
    assert window.cut.dropped_turns == 2 and len(kept.omitted) == 1
    assert "第0条规定如此。" in last and "第99条规定如此。" in last and "……" in last
    start, end = kept.omitted[0]
    assert text[start - 1] == text[end - 1] == "。"
    (shortened,) = window.cut.shortened_sources
    assert (shortened.number, shortened.omitted) == (1, kept.omitted)
    assert shortened.omitted_tokens > 500 and window.cut.tokens.sources == shortened.tokens


def test_free_room_is_filled_when_a_source_went() -> None:
    text = "".join(f"第{number}条规定如此。" for number in range(60))
    sources = [worth(number, text, 1 / number) for number in range(1, 9)]
    window = packed("问", [], sources, window_tokens=8_000, answer_tokens=500)
    assert window.cut.tokens.total >= 0.97 * 7_500
    assert len(window.cut.shortened_sources) == 1 and not window.sources[0].omitted


def test_the_best_source_gives_a_sentence_up_when_nothing_else_would_fill_the_room() -> None:
    best = worth(1, "".join(f"第{number:02}条规定如此。" for number in range(40)), 1.0)
    text = "".join(f"另有{number:02}款说明。" for number in range(60))
    other = Source(2, (source(text, title="公司关于差旅报销的补充规定" * 2),), 0.5)
    whole = packed("问", [], [best], window_tokens=9_000, answer_tokens=500).cut.tokens.total
    window = packed("问", [], [best, other], window_tokens=whole + 500 + 60, answer_tokens=500)
    assert window.cut.tokens.total >= 0.97 * window.cut.tokens.budget
    assert [one.number for one in window.cut.shortened_sources] == [1, 2]
    first, second = window.cut.shortened_sources
    assert 0 < first.omitted_tokens < 0.25 * (first.tokens + first.omitted_tokens)
    assert "另有00款说明。" in window.messages[-1].text


def test_the_best_source_stays_whole_when_others_fill_the_room() -> None:
    best = worth(1, "".join(f"第{number:02}条规定如此。" for number in range(20)), 1.0)
    other = worth(2, "".join(f"另有{number:02}款说明。" for number in range(60)), 0.5)
    window = packed("问", [], [best, other], window_tokens=3_000, answer_tokens=500)
    assert [one.number for one in window.cut.shortened_sources] == [2]


def test_question_and_system_turn_stay_when_everything_else_goes() -> None:
    history = [Turn("user", "甲" * 900)] * 200
    window = packed("年假几天？", history, [], window_tokens=FIXED + 100, answer_tokens=10, system="用敬语。")
    assert [turn.role for turn in window.messages] == ["system", "user"]
    assert window.cut.dropped_turns == 200
    assert window.messages[0].text.endswith("用敬语。") and window.messages[1].text.endswith("问题：年假几天？")


def test_turns_go_in_steps_when_sources_can_fill_the_room() -> None:
    text = "第一条规定如此。" * 400
    sources = [worth(number, text, 1 / number) for number in range(1, 4)]
    firsts = []
    for n in range(40, 80, 2):
        history = [Turn("assistant" if number % 2 else "user", f"{number:04d}" * 50) for number in range(n)]
        window = packed("问", history, sources, window_tokens=18_000, answer_tokens=10)
        assert window.cut.tokens.total >= 0.97 * window.cut.tokens.budget
        firsts.append(window.messages[1].text[:4])
    assert 2 < len(set(firsts)) <= 10 and firsts == sorted(firsts)


def test_as_many_turns_as_fit_stay_when_there_is_nothing_else_to_fill_the_room() -> None:
    history = [Turn("user", f"{number:04d}" * 10) for number in range(400)]
    window = packed("问", history, [], window_tokens=9_000, answer_tokens=10)
    assert window.cut.tokens.total >= 0.97 * 8_990


def test_the_error_has_the_numbers_when_the_question_does_not_fit() -> None:
    with pytest.raises(PromptTooLongError) as caught:
        packed("问" * 1_000, [], [], window_tokens=2_048, answer_tokens=100)
    zh = caught.value.render("zh")
    assert "回答预留 100 个" in zh and "2,048 个词元的窗口" in zh
    assert "are kept free for the answer" in caught.value.message.en


def test_numbers_stay_when_sources_in_front_go() -> None:
    sources = [replace(worth(number, "丙" * 300, value), number=number) for number, value in ((7, 0.1), (4, 1.0))]
    window = packed("问", [], sources, window_tokens=FIXED + 1_100, answer_tokens=10)
    assert "[4] 员工手册" in window.messages[-1].text
    assert window.sources[-1].number == 4
