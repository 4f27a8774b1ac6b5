from __future__ import annotations

import io
from typing import Any

import pytest
from pptx import Presentation
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from ingest.errors import BrokenFileError, EmptyFileError
from ingest.loaders import load
from ingest.split import split

TITLE_ONLY = 5


def saved(presentation: Any) -> bytes:
    file = io.BytesIO()
    presentation.save(file)
    return file.getvalue()


def slide_of(presentation: Any, title: str, *boxes: tuple[float, float, str]) -> Any:
    slide = presentation.slides.add_slide(presentation.slide_layouts[TITLE_ONLY])
    slide.shapes.title.text = title
    for left, top, text in boxes:
        box = slide.shapes.add_textbox(Inches(left), Inches(top), Inches(2), Inches(0.5))
        box.text_frame.text = text
    return slide


def test_slides_are_pages_when_a_presentation_is_read() -> None:
    presentation = Presentation()
    slide_of(presentation, "产品介绍", (1, 2, "支持16路相机"))
    slide_of(presentation, "部署方式", (1, 2, "支持私有云部署"))
    loaded = load(saved(presentation), source="介绍.pptx")
    text, starts = loaded.document.text, loaded.document.page_starts
    assert text == "产品介绍\n支持16路相机\n\n部署方式\n支持私有云部署"
    assert [text[start:].split("\n")[0] for start in starts] == ["产品介绍", "部署方式"]
    assert loaded.document.title == "产品介绍"
    assert [(span.page, span.heading) for span in split(loaded.document)][0][0] == 1


def test_shapes_are_read_line_by_line_when_they_were_drawn_in_another_order() -> None:
    presentation = Presentation()
    slide_of(presentation, "标题", (5, 3, "丙"), (5, 2.05, "乙"), (1, 2, "甲"), (1, 5, "丁"))
    assert load(saved(presentation), source="a.pptx").document.text.split("\n") == ["标题", "甲", "乙", "丙", "丁"]


def test_tables_groups_charts_and_notes_are_read_when_a_slide_has_them() -> None:
    presentation = Presentation()
    slide = slide_of(presentation, "全部")
    group = slide.shapes.add_group_shape()
    group.shapes.add_textbox(Inches(1), Inches(2), Inches(1), Inches(1)).text_frame.text = "组内𠮷"
    table = slide.shapes.add_table(2, 2, Inches(1), Inches(3), Inches(4), Inches(1)).table
    for row, cells in enumerate([["方式", "配置"], ["本地", "16核64G"]]):
        for column, cell in enumerate(cells):
            table.cell(row, column).text = cell
    data = CategoryChartData()
    data.categories = ["一季度", "二季度"]
    data.add_series("营收", (1.5, 2))
    slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, Inches(1), Inches(5), Inches(4), Inches(2), data)
    slide.notes_slide.notes_text_frame.text = "讲解时强调标定时间"
    text = load(saved(presentation), source="a.pptx").document.text
    assert text.split("\n") == [
        "全部",
        "组内𠮷",
        "方式 | 配置",
        "本地 | 16核64G",
        "| 营收",
        "一季度 | 1.5",
        "二季度 | 2",
        "备注：讲解时强调标定时间",
    ]


def test_hidden_slide_keeps_its_number_and_is_told_when_there_is_one() -> None:
    presentation = Presentation()
    slide_of(presentation, "第一页", (1, 2, "公开内容"))
    slide_of(presentation, "第二页", (1, 2, "内部薪酬")).element.set("show", "0")
    slide_of(presentation, "第三页", (1, 2, "联系方式"))
    loaded = load(saved(presentation), source="a.pptx")
    assert "薪酬" not in loaded.document.text
    assert loaded.document.text[loaded.document.page_starts[2] :].startswith("第三页")
    assert loaded.warnings[0].en == "'a.pptx': hidden slides were not read: 2."


def test_presentation_is_refused_when_it_is_damaged_or_empty() -> None:
    presentation = Presentation()
    slide_of(presentation, "标题")
    with pytest.raises(BrokenFileError):
        load(saved(presentation)[:-2000], source="a.pptx")
    with pytest.raises(EmptyFileError):
        load(saved(Presentation()), source="a.pptx")
