from __future__ import annotations

import pytest

from assistant.checking.polarity import contradicts


@pytest.mark.parametrize(
    ("claim", "sentence"),
    [
        ("年休假可以跨年度安排。", "年休假不可以跨年度安排。"),
        ("不得携带宠物入内。", "可以携带宠物入内。"),
        ("必须经理批准。", "无需经理批准。"),
        ("允许转让。", "禁止转让。"),
        ("试用期超过六个月。", "试用期不超过六个月。"),
        ("住院不在2008年。", "住院在2008年。"),
        ("公司没有年假制度。", "公司有年假制度。"),
        ("患者发热。", "患者无发热。"),
        ("the fee is not refundable.", "the fee is refundable."),
    ],
)
def test_words_are_found_when_one_text_denies_the_other(claim: str, sentence: str) -> None:
    assert contradicts(claim, sentence)
    assert contradicts(sentence, claim)


@pytest.mark.parametrize(
    ("claim", "sentence"),
    [
        ("不能携带宠物。", "旅客不能随意携带宠物。"),
        ("携带宠物不被允许。", "不允许携带宠物。"),
        ("这不仅是规定，未来还会推广。", "这是规定，还会推广。"),
        ("员工不得不加班。", "员工加班。"),
        ("年休假不可以跨年度。", "年休假不得跨年度安排。"),
        ("无论何时都可以申请。", "任何时候都可以申请。"),
        ("无线网络可用。", "网络可用。"),
        ("年假为5天。", "病假不设上限。"),
    ],
)
def test_nothing_is_found_when_both_agree(claim: str, sentence: str) -> None:
    assert contradicts(claim, sentence) is None
