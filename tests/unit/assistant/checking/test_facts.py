from __future__ import annotations

import pytest

from assistant.checking.facts import Date, Facts, Number, facts_of, numeral
from retrieval.keyword.folding import fold


def facts(text: str) -> Facts:
    return facts_of(fold(text))


@pytest.mark.parametrize(
    ("spellings", "number"),
    [
        (["15天", "十五天", "１５日", "15 个工作日", "fifteen days"], Number(15, "day")),
        (["5%", "百分之五", "５％", "5个百分点", "5 percent"], Number(5, "%")),
        (["1.5万元", "15,000元", "15000元", "一万五千元", "壹万伍仟圆", "1.5萬元", "¥15000"], Number(15_000, "cny")),
        (["三千五百万", "3500万", "0.35亿", "35,000,000"], Number(35_000_000)),
        (["3个月", "三个月", "3 months"], Number(3, "month")),
        (["90年代", "九十年代", "1990年代"], Number(90, "decade")),
        (["第二十一条", "21条"], Number(21, "article")),
        (["3.5 million dollars", "$3.5 million"], Number(3_500_000, "usd")),
        (["五点二公里", "5.2km", "5.2 公里"], Number(5.2, "km")),
    ],
)
def test_number_is_the_same_when_written_otherwise(spellings: list[str], number: Number) -> None:
    assert {text: facts(text).numbers for text in spellings} == dict.fromkeys(spellings, {number})


@pytest.mark.parametrize(
    ("spellings", "date"),
    [
        (
            ["2021年3月5日", "2021-03-05", "2021/3/5", "二〇二一年三月五日", "２０２１年３月５號", "March 5, 2021"],
            Date(2021, 3, 5),
        ),
        (["2021年3月", "2021-03", "二零二一年三月份"], Date(2021, 3)),
        (["3月5日", "三月五号"], Date(None, 3, 5)),
        (["1949年", "一九四九年"], Date(1949)),
    ],
)
def test_date_is_the_same_when_written_otherwise(spellings: list[str], date: Date) -> None:
    assert {text: facts(text).dates for text in spellings} == dict.fromkeys(spellings, {date})
    assert {text: facts(text).numbers for text in spellings} == dict.fromkeys(spellings, frozenset())


@pytest.mark.parametrize("text", ["十分重要", "一般统一", "一个人", "万一", "千万别去", "唯一", "三"])
def test_numeral_is_no_number_when_it_counts_nothing(text: str) -> None:
    assert facts(text).numbers == frozenset()


def test_impossible_date_stays_when_somebody_writes_one() -> None:
    assert facts("2013年14月32日").dates == {Date(2013, 14, 32)}


def test_names_are_words_in_letters_when_they_are_no_units() -> None:
    assert facts("GPT-4 与 Huozi 跑了 5km，March 3").names == {"gpt", "gpt4", "huozi"}


def test_each_number_knows_its_surroundings_when_it_is_asked() -> None:
    assert facts("全宽27.6米，长5米").places == (
        (Number(27.6, "m"), "全宽", ",长5"),
        (Number(5, "m"), "米,长", ""),
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [("十五", 15), ("二〇二一", 2021), ("一百零五", 105), ("两万三千", 23_000), ("十", 10), ("五点二", 5.2)],
)
def test_numeral_has_its_value_when_it_is_chinese(text: str, value: float) -> None:
    assert numeral(text) == value
