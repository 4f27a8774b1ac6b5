from __future__ import annotations

import pytest

from assistant.sources.source import Source
from assistant.sources.value import SAME_DOCUMENT, choose, valued
from tests.unit.assistant.sources.chunks import TEXT, cut

PARTS = "差旅住宿每晚不超过四百元。\n交通费据实报销，凭票。\n餐补按出差天数计算。"


def ids(chosen: list) -> list[str]:
    return [scored.chunk.chunk_id for scored, _ in chosen]


def test_best_scores_are_chosen_when_all_say_something_else() -> None:
    hits = cut(TEXT, scores=[0.9, 0.8, 0.3, 0.1])
    chosen = valued(hits, top_k=2)
    assert ids(chosen) == ["手册.txt#0", "手册.txt#1"]
    assert chosen[0][1] == 1.0 and 0 < chosen[1][1] < SAME_DOCUMENT


def test_copy_gives_way_when_another_says_something_new() -> None:
    text = "年休假为5天，须提前申请，经主管批准后生效。"
    hits = [
        *cut(text, name="甲.txt", scores=[1.0]),
        *cut(text + "特此通知。", name="乙.txt", scores=[0.95]),
        *cut("病假须附医院证明，三日内补交。", name="丙.txt", scores=[0.7]),
    ]
    assert ids(valued(hits, top_k=2)) == ["甲.txt#0", "丙.txt#0"]


def test_same_words_are_no_copy_when_their_numbers_differ() -> None:
    hits = [
        *cut("2023年度年休假标准为5天，须提前申请。", name="甲.txt", scores=[1.0]),
        *cut("2024年度年休假标准为7天，须提前申请。", name="乙.txt", scores=[0.95]),
        *cut("病假须附医院证明，三日内补交。", name="丙.txt", scores=[0.7]),
    ]
    assert ids(valued(hits, top_k=2)) == ["甲.txt#0", "乙.txt#0"]


def test_other_document_comes_first_when_worth_is_nearly_equal() -> None:
    hits = [*cut(PARTS, name="甲.txt", scores=[1.0, 0.99, 0.98]), *cut(TEXT, name="乙.txt", scores=[0.97])[:1]]
    assert ids(valued(hits, top_k=3)) == ["甲.txt#0", "乙.txt#0", "甲.txt#1"]


def test_given_order_decides_when_scores_are_equal() -> None:
    first, second, third, fourth = cut(TEXT)
    assert ids(valued([third, first, fourth, second], top_k=2)) == ["手册.txt#2", "手册.txt#0"]


def test_turn_of_each_part_counts_when_one_has_the_better_scores() -> None:
    ours, theirs = cut(TEXT, name="甲", scores=[3.0, 2.9]), cut(TEXT, name="乙", scores=[3.0, 2.2])
    hits = [ours[0], theirs[2], theirs[1], ours[1]]
    assert ids(valued(hits, top_k=3))[:3] == ["甲#0", "乙#2", "乙#1"]


def test_chunk_counts_once_when_it_was_found_twice() -> None:
    hit = cut(TEXT)[0]
    assert ids(valued([hit, hit], top_k=5)) == ["手册.txt#0"]


def test_nothing_is_chosen_when_nothing_was_found() -> None:
    assert valued([], top_k=3) == [] and choose([], [], 100) == ()


@pytest.mark.parametrize(
    ("values", "costs", "budget", "kept"),
    [
        ((1.0, 0.6, 0.5), (10, 10, 10), 100, (0, 1, 2)),
        ((1.0, 0.6, 0.5), (10, 10, 10), 20, (0, 1)),
        # A long source of little more value loses to two short ones.
        ((1.0, 0.5, 0.4, 0.4), (10, 20, 10, 10), 30, (0, 2, 3)),
        # The most valuable one stays, whatever it costs.
        ((1.0, 0.9), (90, 10), 95, (0,)),
        # What was left out comes back where a longer one left room.
        ((1.0, 0.5, 0.1), (10, 50, 15), 30, (0, 2)),
        # Where it has no room, the room is for a part of it.
        ((0.2, 1.0), (5, 50), 40, ()),
    ],
)
def test_value_for_tokens_decides_when_there_is_too_little_room(
    values: tuple[float, ...], costs: tuple[int, ...], budget: int, kept: tuple[int, ...]
) -> None:
    chunks = cut("\n".join(map(str, range(len(values)))))
    sources = [Source(at, (chunk,), value) for at, (chunk, value) in enumerate(zip(chunks, values, strict=True), 1)]
    assert choose(sources, costs, budget) == kept
