from __future__ import annotations

from assistant.sources.merge import merge
from assistant.sources.source import Source
from tests.unit.assistant.sources.chunks import TEXT, cut


def texts(runs: list) -> list[list[int]]:
    return [[scored.chunk.ordinal for scored in run] for run in runs]


def test_neighbours_join_when_only_white_space_lies_between() -> None:
    first, second, third, fourth = cut(TEXT)
    assert texts(merge([third, first, second])) == [[0, 1, 2]]
    assert texts(merge([fourth, first, second])) == [[0, 1], [3]]


def test_overlap_is_shown_once_when_chunks_share_text() -> None:
    overlapping = cut(TEXT, spans=[(0, 12), (8, 20), (10, 14)])
    (run,) = merge(overlapping)
    assert Source(1, run).text == TEXT[0:20]


def test_chunks_stay_apart_when_versions_differ() -> None:
    assert sorted(texts(merge([cut(TEXT)[0], cut(TEXT, name="乙.txt")[1]]))) == [[0], [1]]


def test_chunks_stay_apart_when_each_had_a_number_of_its_own() -> None:
    first, second, third, _ = cut(TEXT)
    numbers = {first.chunk.chunk_id: 1, third.chunk.chunk_id: 2}
    assert texts(merge([first, second, third], numbers)) == [[0, 1], [2]]
    same = {first.chunk.chunk_id: 4, third.chunk.chunk_id: 4}
    assert texts(merge([first, second, third], same)) == [[0, 1, 2]]


def test_text_of_joined_chunks_keeps_lines_apart() -> None:
    first, second, *_ = cut("年假为5天。\n\n病假为3天。", spans=[(0, 6), (8, 14)])
    assert Source(1, (first, second)).text == "年假为5天。\n病假为3天。"
    halves = cut("一句很长的话没有断开。", spans=[(0, 5), (5, 11)])
    assert Source(1, tuple(halves)).text == "一句很长的话没有断开。"
