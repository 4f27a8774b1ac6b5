"""Rows of a parsed text as tables: what was laid out for search is shown in columns again."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.loaders import load
from ingest.loaders.table_view import as_markdown, tables_in
from ingest.loaders.tables import render_table


def cells_of(text: str) -> list[tuple[tuple[str, ...], list[list[str]]]]:
    return [(one.columns, [[text[s:e] for s, e in row] for row in one.rows]) for one in tables_in(text)]


def test_table_is_markdown_when_its_rows_are_short():
    assert as_markdown("住宿标准\n城市 | 上限\n北京 | 500元\n上海 | 500元\n注：以上含早餐。") == (
        "住宿标准\n\n| 城市 | 上限 |\n| --- | --- |\n| 北京 | 500元 |\n| 上海 | 500元 |\n\n注：以上含早餐。"
    )


def test_one_blank_line_is_around_each_table_when_text_has_several():
    assert as_markdown("甲 | 乙\n1 | 2\n\n\n年假\n丙 | 丁\n3 | 4\n") == (
        "| 甲 | 乙 |\n| --- | --- |\n| 1 | 2 |\n\n年假\n\n| 丙 | 丁 |\n| --- | --- |\n| 3 | 4 |"
    )


def test_columns_are_one_head_when_each_row_names_them():
    text = "城市: 北京 | 上限: 500元\n城市: 上海 | 等级: 一线 | 上限: 400元\n城市: 𠮷田"
    assert as_markdown(text) == (
        "| 城市 | 等级 | 上限 |\n| --- | --- | --- |\n| 北京 |  | 500元 |\n| 上海 | 一线 | 400元 |\n| 𠮷田 |  |  |\n"
    ).rstrip("\n")


def test_cell_keeps_its_bars_and_colons():
    text = "项目: 比例 | 说明: 甲: 乙 | 丙\n项目: 总额 | 说明: 无"
    assert cells_of(text) == [(("项目", "说明"), [["比例", "甲: 乙 | 丙"], ["总额", "无"]])]
    assert "甲: 乙 \\| 丙" in as_markdown(text)


def test_row_alone_is_a_table_when_all_its_cells_name_their_columns():
    assert cells_of("职级: 经理 | 天数: 10") == [(("职级", "天数"), [["经理", "10"]])]


def test_text_is_left_alone_when_it_holds_no_table():
    for text in (
        "首页 | 关于我们 | 联系方式",
        "年假五天。\n\n病假十天。\n",
        "| 级别 | 天数 |\n|---|---|\n| 高级 | 十 |",
        "级别 | 天数\n--- | ---\n高级 | 十",
        "",
        "| 上海",
    ):
        assert as_markdown(text) == text


def test_tables_stay_two_when_one_follows_the_other():
    text = "甲: 1 | 乙: 2\n甲: 3 | 乙: 4\n丙 | 丁\n丙: 5 | 丁: 6\n\n戊 | 己\n7 | 8"
    assert [columns for columns, _ in cells_of(text)] == [("甲", "乙"), ("丙", "丁"), ("戊", "己")]


def test_head_is_where_the_names_stand():
    (plain,) = tables_in("城市 | 上限\n北京 | 500")
    (labelled,) = tables_in("城市: 北京 | 上限: 500")
    assert plain.head == (0, 7)
    assert labelled.head == (0, 0)


CELLS = st.text(st.sampled_from("年假五天𠮷😀Ａ1.5%，；"), min_size=1, max_size=40)
NAMES = st.lists(
    st.text(st.sampled_from("城市上限等级备注类型"), min_size=2, max_size=8), min_size=2, max_size=6, unique=True
)


@settings(deadline=None)
@given(st.data(), NAMES)
def test_cells_come_back_when_rows_were_laid_out_for_search(data: st.DataObject, names: list[str]):
    rows = data.draw(st.lists(st.lists(CELLS, min_size=len(names), max_size=len(names)), min_size=1, max_size=30))
    lines = list(render_table([names, *rows], has_header=True))
    text = "\n".join(lines)
    wanted = [[re.sub(r"\s+", " ", cell).strip() for cell in row] for row in rows]
    assert cells_of(text) == [(tuple(names), wanted)]
    if "：" not in text and text.count(": "):  # Also from the middle, as a chunk of a long table has it.
        assert cells_of("\n".join(lines[1:])) == [(tuple(names), wanted)]


@settings(deadline=None)
@given(st.lists(st.sampled_from(["甲", "乙: 丙", " | ", "|", "| ", "\n", "\n\n", "---", ": ", " ", "𠮷"]), max_size=40))
def test_nothing_is_lost_when_any_text_is_shown(pieces: list[str]):
    text = "".join(pieces)
    shown = as_markdown(text)
    assert set("甲乙丙𠮷") & set(shown) == set("甲乙丙𠮷") & set(text)
    for one in tables_in(text):
        assert 0 <= one.start <= one.head[1] <= one.end <= len(text)
        assert all(len(row) == len(one.columns) and all(0 <= s <= e <= len(text) for s, e in row) for row in one.rows)


def test_sheet_is_markdown_when_its_merged_cells_are_filled():
    rows = "部门,姓名,天数\n研发,张三,5\n研发,李四,10"
    document = load(rows.encode(), source="年假.csv").document
    assert as_markdown(document.text).splitlines()[1:3] == ["| --- | --- | --- |", "| 研发 | 张三 | 5 |"]
