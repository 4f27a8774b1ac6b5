from __future__ import annotations

from assistant.sources.select import select
from assistant.sources.tables import TablePart
from tests.unit.assistant.sources.chunks import TEXT, cut

OTHER = "差旅住宿每晚四百元。\n交通据实报销。\n餐补按天。"


def shown(sources: tuple) -> list[tuple[int, list[str]]]:
    return [(source.number, [scored.chunk.chunk_id for scored in source.chunks]) for source in sources]


def test_sources_stand_by_document_and_position_when_hits_are_mixed() -> None:
    ours, theirs = cut(TEXT, name="甲"), cut(OTHER, name="乙")
    sources = select([theirs[2], ours[3], ours[0], theirs[0]], max_sources=6)
    assert shown(sources) == [(1, ["乙#0"]), (2, ["乙#2"]), (3, ["甲#0"]), (4, ["甲#3"])]


def test_neighbours_are_one_source_worth_both_when_both_were_found() -> None:
    first, second, *_ = cut(TEXT, scores=[1.0, 0.9])
    (source,) = select([first, second], max_sources=6)
    assert (source.number, source.text) == (1, TEXT[: second.chunk.end])
    assert 1.0 < source.value < 2.0 and source.best is first


def test_only_so_many_chunks_are_used_when_more_were_found() -> None:
    chunks = cut(TEXT, scores=[1.0, 0.9, 0.8, 0.7])
    assert shown(select(chunks, max_sources=2)) == [(1, ["手册.txt#0", "手册.txt#1"])]


def test_numbers_stay_when_a_conversation_goes_on() -> None:
    ours, theirs = cut(TEXT, name="甲"), cut(OTHER, name="乙")
    numbers = {"甲#0": 1, "乙#0": 2, "丙#0": 3}
    sources = select([theirs[0], ours[2], ours[0]], max_sources=6, numbers=numbers)
    assert shown(sources) == [(2, ["乙#0"]), (1, ["甲#0"]), (4, ["甲#2"])]


def test_header_is_shown_when_the_text_begins_inside_a_table() -> None:
    row = cut("甲公司 | 5\n乙公司 | 7")[1]
    (source,) = select([row], max_sources=6, tables={row.chunk.chunk_id: TablePart("公司 | 天数")})
    assert source.table_header == "公司 | 天数" and "公司 | 天数" not in source.text


def test_rest_of_a_table_is_joined_when_it_is_short() -> None:
    head, row, last = cut("公司 | 天数\n甲 | 5\n乙 | 7")
    part = TablePart("公司 | 天数", (head.chunk, last.chunk))
    (source,) = select([row], max_sources=1, tables={row.chunk.chunk_id: part})
    assert source.text == "公司 | 天数\n甲 | 5\n乙 | 7" and source.table_header == ""
    assert source.best is row and source.value == 1.0
