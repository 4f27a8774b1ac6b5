from __future__ import annotations

from dataclasses import replace

import pytest

from assistant.writers.extract import extract, leading, quotable_spans
from retrieval.models import ScoredChunk
from tests.unit.assistant.builders import source


def quotes(question: str, sources: list[ScoredChunk], max_sentences: int = 3) -> list[str]:
    found = extract(question, sources, max_sentences=max_sentences)
    return [sources[one.number - 1].chunk.text[one.start : one.end] for one in found]


def test_covering_sentence_is_quoted_when_a_chunk_has_many() -> None:
    chunk = source("公司成立于1999年。职工累计工作满十年的，年休假10天。食堂在一楼。")
    assert quotes("工作满十年年休假有几天？", [chunk], 1) == ["职工累计工作满十年的，年休假10天。"]


def test_number_is_preferred_when_a_number_is_asked() -> None:
    chunk = source("住宿费标准由财务部制定。住宿费标准为每天400元。")
    assert quotes("住宿费标准是多少？", [chunk], 1) == ["住宿费标准为每天400元。"]


def test_answer_is_preferred_when_the_text_repeats_the_question() -> None:
    chunk = source("试用期最长是多久？试用期最长不得超过六个月。")
    assert quotes("试用期最长是多久？", [chunk], 1) == ["试用期最长不得超过六个月。"]


def test_better_chunk_wins_when_sentences_are_equal() -> None:
    worse = replace(source("年休假为5天。", name="b"), score=0.4)
    assert quotes("年休假几天？", [source("年休假为5天。", name="a"), worse], 1) == ["年休假为5天。"]
    assert extract("年休假几天？", [source("年休假为5天。"), worse], max_sentences=1)[0].number == 1


def test_title_counts_when_the_sentence_leaves_it_out() -> None:
    chunk = source("位于哈尔滨。", title="中央大街", name="a")
    other = source("成立于上海。", title="外滩", name="b")
    assert quotes("中央大街在哪里？", [other, chunk], 1) == []  # no sentence says any word of it
    assert quotes("中央大街位于哪里？", [other, chunk], 1) == ["位于哈尔滨。"]


def test_script_and_width_do_not_matter_when_matching() -> None:
    assert quotes("臺灣的面積是多少？", [source("台湾的面积为３６０００平方公里。𠮷。")], 1) == [
        "台湾的面积为３６０００平方公里。"
    ]


def test_nothing_is_quoted_when_nothing_is_shared() -> None:
    assert quotes("火星？", [source("年休假为5天。")]) == []
    assert quotes("？？", [source("年休假为5天。")]) == []
    assert quotes("年假", []) == []


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("1. 甲事项。\n2. 乙事项。", ["1. 甲事项。", "2. 乙事项。"]),
        ("代码 | 处理\nE-01 | 断电；仍然出现的返厂\n检查。", ["代码 | 处理", "E-01 | 断电；仍然出现的返厂", "检查。"]),
        ("2024 | 37.5\n甲；乙", ["2024 | 37.5", "甲；", "乙"]),
        ("12.\n甲。", ["12.", "甲。"]),
        ("", []),
    ],
)
def test_rows_and_list_items_are_whole_when_quoted(text: str, sentences: list[str]) -> None:
    assert [text[start:end] for start, end in quotable_spans(text)] == sentences


@pytest.mark.parametrize(
    ("text", "quote"),
    [
        ("天数如下：\n工龄 | 天数\n满1年 | 7天\n按半天申请。", "天数如下：\n工龄 | 天数\n满1年 | 7天"),
        ("报到天数：\n1. 证件；照片。\n2. 证明。\n\n乙", "报到天数：\n1. 证件；照片。\n2. 证明。"),
        ("天数通知如下：\n\n一、时间", "天数通知如下："),
        (f"天数如下：\n- 甲。\n- {'乙' * 300}", "天数如下："),
        ("天数如下：", "天数如下："),
    ],
)
def test_announced_list_is_quoted_when_it_is_short(text: str, quote: str) -> None:
    assert quotes("天数如下通知报到", [source(text)], max_sentences=1) == [quote]


def test_item_is_quoted_once_when_its_list_is() -> None:
    text = "天数如下：\n甲天数 | 7天\n乙天数 | 9天"
    assert quotes("天数如下", [source(text)]) == [text]


def test_first_sentences_are_quoted_when_the_question_is_in_another_language() -> None:
    assert [(one.number, one.start, one.end) for one in leading([LEADING], max_sentences=2)] == [(1, 0, 7), (1, 7, 12)]
    assert leading([], max_sentences=2) == ()


LEADING = source("年休假为5天。病假另算。婚假三天。")


def test_signature_is_quoted_only_when_it_is_asked_for() -> None:
    signature, body = "砚衡公司 董事会办公室 2026年2月28日", "公司全年实现净利润5,130万元。"
    chunk = source(f"{signature}\n{body}", title="简报")
    assert quotes("2026年砚衡公司的净利润是多少？", [chunk], 1) == [body]
    assert quotes("砚衡公司的简报是2026年哪一天写的？", [chunk], 1) == [signature]
