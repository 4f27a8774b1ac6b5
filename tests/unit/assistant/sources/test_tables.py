from __future__ import annotations

from assistant.sources.tables import NO_TABLE, TablePart, table_part
from retrieval.models import Chunk
from tests.unit.assistant.sources.chunks import cut

TABLE = ["下表为上限。\n城市 | 上限", "北京 | 500元\n上海 | 450元", "成都 | 400元", "西安 | 380元\n另见附件。"]


def chunks(texts: list[str]) -> list[Chunk]:
    text, spans = "", []
    for one in texts:
        text += "\n" if text else ""
        spans.append((len(text), len(text) + len(one)))
        text += one
    return [scored.chunk for scored in cut(text, spans=spans)]


def test_header_and_rest_are_found_when_a_chunk_holds_the_middle() -> None:
    first, second, third, fourth = chunks(TABLE)
    assert table_part([first, second], third, [fourth]) == TablePart("城市 | 上限", (first, second, fourth))
    assert table_part([first], second, [third, fourth]) == TablePart("城市 | 上限", (first, third, fourth))


def test_only_the_header_is_shown_when_a_table_is_long() -> None:
    rows = [f"城市{n} | {n}元\n" + "\n".join(f"备注{n}{k} | 长{'长' * 60}" for k in range(6)) for n in range(6)]
    head, *rest = chunks([TABLE[0], *rows])
    assert table_part([head, *rest[:3]], rest[3], rest[4:]) == TablePart("城市 | 上限")


def test_header_is_the_first_row_when_a_chunk_before_begins_with_it() -> None:
    intro, head, row, after = chunks(["说明。", "城市 | 上限\n北京 | 500元", "成都 | 400元", "完。"])
    assert table_part([intro, head], row, [after]) == TablePart("城市 | 上限", (head,))
    start, row = chunks(["城市 | 上限\n北京 | 500元", "成都 | 400元"])
    assert table_part([start], row, []).header == "城市 | 上限"


def test_no_header_is_shown_when_rows_name_their_columns() -> None:
    head, row = chunks(["城市 | 上限", "城市: 成都 | 上限: 400元"])
    assert table_part([head], row, []).header == ""


def test_header_is_above_the_dashes_when_a_table_is_plain_text() -> None:
    head, row = chunks(["见下。\n| 城市 | 上限 |\n|------|:----:|\n| 北京 | 500元 |", "| 成都 | 400元 |"])
    assert table_part([head], row, []).header == "| 城市 | 上限 |"


def test_nothing_is_missing_when_a_chunk_cuts_no_table() -> None:
    before, whole, after = chunks(["前文。", "城市 | 上限\n北京 | 500元", "后文。"])
    assert table_part([before], whole, [after]) == NO_TABLE
    prose, row = chunks(["城市 | 上限\n以上为表。", "成都 | 400元"])
    assert table_part([prose], row, []) == NO_TABLE
