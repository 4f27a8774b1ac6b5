from __future__ import annotations

import pytest

from assistant.checking.quotes import Quotable, best_quote, locate
from assistant.checking.support import Claim
from tests.unit.assistant.builders import source

TEXT = "第一条 总则。年休假为5天。病假另算。姓名 | 天数\n张三 | 7天\n他说：“凡事豫则立，不豫則廢！”完。"
CHUNK = source(TEXT, start=100)


def quoted(claim: str, *texts: str) -> str:
    chunks = [Quotable(source(text, name=f"{text[:3]}.txt")) for text in texts or (TEXT,)]
    scored, (start, end) = best_quote(Claim.of(claim), chunks)
    return scored.chunk.text[start:end]


@pytest.mark.parametrize(
    ("claim", "quote"),
    [
        ("年休假是5天", "年休假为5天。"),
        ("年休假爲５天", "年休假为5天。"),
        ("张三有7天", "张三 | 7天"),
        ("他说“凡事豫则立不豫则废”", "他说：“凡事豫则立，不豫則廢！”"),
        ("毫不相干", "第一条 总则。"),
    ],
)
def test_quote_is_the_supporting_sentence_when_a_chunk_has_many(claim: str, quote: str) -> None:
    assert quoted(claim) == quote


def test_quote_is_the_chunk_with_the_number_when_the_words_are_the_same() -> None:
    assert quoted("每天400元", "住宿费每天500元。", "住宿费每天400元。") == "住宿费每天400元。"


def test_quote_takes_a_neighbour_when_that_adds_much() -> None:
    text = "哈尔滨工业大学成立于1920年。校训是规格严格功夫到家。占地很大。"
    assert quoted("哈尔滨工业大学成立于1920年，校训是规格严格功夫到家", text) == text[:28]


def test_place_is_the_originals_when_words_are_found_by_folding() -> None:
    text = "前言。ＧＰＴ－４ 的「規格」，嚴格！"
    span = locate("gpt4的规格严格", text)
    assert span is not None and text[span[0] : span[1]] == "ＧＰＴ－４ 的「規格」，嚴格"
    assert locate("没有", text) is None
