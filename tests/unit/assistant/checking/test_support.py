from __future__ import annotations

import pytest

from assistant.checking.support import Claim, Passage, is_sound_frame, judge
from tests.unit.assistant.builders import source

TEXT = (
    "第三条 职工累计工作已满1年不满10年的，年休假5天。林投姐由丁善玺导演，改编自《台湾奇案》。"
    "2021年3月5日公司营业收入为1.5亿元，同比增长百分之十五。员工不得携带宠物，可以申请远程办公。"
    "模型 GPT-4 的窗口为8k。他说：“凡事预则立，不预则废，这是我们一贯的方针。”"
)
PASSAGE = Passage.of([source(TEXT, title="职工休假办法", heading=("第二章 年休假",)).chunk])
ENGLISH = Passage.of([source("The annual leave is five days. Carry-over is not allowed.").chunk])


def reason(sentence: str, passage: Passage = PASSAGE) -> str | None:
    return judge(Claim.of(sentence), passage).reason


@pytest.mark.parametrize(
    "sentence",
    [
        "职工累计工作已满一年不满十年的，年休假为5天。",
        "根据资料，年休假為５天。",
        "林投姐的导演是丁善玺。",
        "2021-03-05，公司营业收入为15000万元。",
        "公司营业收入同比增长15%。",
        "职工休假办法第二章规定，年休假5天。",
        "员工不得携带宠物。",
        "可以申请远程办公。",
        "GPT-4的窗口为8k。",
        "他说“凡事预则立，不预则废，这是我们一贯的方针”。",
        "年休假：5天",
    ],
)
def test_sentence_is_supported_when_the_passage_says_it_in_other_spelling(sentence: str) -> None:
    assert reason(sentence) is None


@pytest.mark.parametrize(
    ("sentence", "why"),
    [
        ("职工累计工作已满1年不满10年的，年休假15天。", "number"),
        ("年休假5个月。", "number"),
        ("公司营业收入同比增长16%。", "number"),
        ("2021年4月5日公司营业收入为1.5亿元。", "date"),
        ("2020年公司营业收入为1.5亿元。", "date"),
        ("林投姐由赵钱孙导演，改编自《台湾奇案》。", "name"),
        ("林投姐由丁善玺导演，改编自《聊斋志异》。", "name"),
        ("模型 Llama 的窗口为8k。", "name"),
        ("员工可以携带宠物。", "negation"),
        ("员工不可以申请远程办公。", "negation"),
        ("他说“凡事预则立，不预则废，这是他们一贯的做法”。", "quote"),
        ("公司的食堂每天供应早餐和晚餐。", "name"),
        ("公办程远请申，入收业营司公。", "words"),
    ],
)
def test_reason_is_told_when_the_passage_does_not_say_it(sentence: str, why: str) -> None:
    assert reason(sentence) == why


def test_number_is_another_when_the_passage_has_it_elsewhere() -> None:
    passage = Passage.of([source("大桥全长51米，桥面全宽27米，建于2001年。").chunk])
    assert reason("大桥全长51米，桥面全宽27米。", passage) is None
    assert reason("大桥全长27米，桥面全宽51米。", passage) == "number"


def test_verdict_is_unsure_when_the_languages_differ() -> None:
    verdict = judge(Claim.of("The annual leave is 5 days."), PASSAGE)
    assert verdict.is_supported and not verdict.is_sure
    assert reason("The annual leave is 6 days.") == "number"
    assert reason("年休假为5天。", ENGLISH) is None
    assert reason("年休假为7天。", ENGLISH) == "number"


def test_english_is_compared_by_words_when_both_are_english() -> None:
    assert reason("Annual leave is 5 days.", ENGLISH) is None
    assert reason("Carry-over is allowed.", ENGLISH) == "negation"
    assert reason("The canteen opens at noon on Sundays.", ENGLISH) == "words"


def test_joined_passages_support_what_neither_does_alone() -> None:
    other = Passage.of([source("住宿费每天不超过400元。").chunk])
    sentence = "年休假5天，住宿费每天不超过400元。"
    assert reason(sentence) == reason(sentence, other) == "number"
    assert reason(sentence, Passage.joined([PASSAGE, other])) is None


@pytest.mark.parametrize("text", ["具体规定如下：", "关于年休假，有3点：", "希望对您有帮助！", "## 年休假"])
def test_frame_is_sound_when_it_tells_nothing_of_its_own(text: str) -> None:
    assert is_sound_frame(Claim.of(text), PASSAGE)


@pytest.mark.parametrize("text", ["年休假为30天，具体如下：", "由哈尔滨西大直街总部规定：", "2022年的规定如下："])
def test_frame_is_not_sound_when_it_tells_a_fact_that_no_source_has(text: str) -> None:
    assert not is_sound_frame(Claim.of(text), PASSAGE)
