from __future__ import annotations

import pytest

from assistant.checking.support import Claim, Passage, judge
from tests.unit.assistant.builders import source

TEXT = (
    "第五条 员工累计工作满一年的，每年享受五天带薪年休假；满十年的，享受十天带薪年休假。"
    "第六条 婚假为三天，产假为一百五十八天，陪产假为十五天。2020年营业收入为1.5亿元，2021年营业收入为2亿元。"
)
PASSAGE = Passage.of([source(TEXT).chunk])


@pytest.mark.parametrize("sentence", ["婚假为15天。", "陪产假158天。", "产假为三天。"])
def test_number_is_another_when_the_passage_says_it_of_something_else(sentence: str) -> None:
    verdict = judge(Claim.of(sentence), PASSAGE)
    assert (verdict.reason, verdict.is_sure) == ("number", False)


@pytest.mark.parametrize(
    "sentence",
    [
        "婚假为3天，产假158天，陪产假15天。",
        "工作满十年的，享受十天带薪年休假。",
        "员工工作满一年享受5天年休假。",
        "2021年营业收入为2亿元。",
        "婚假三天。",
    ],
)
def test_number_is_supported_when_it_belongs_to_what_is_said(sentence: str) -> None:
    assert judge(Claim.of(sentence), PASSAGE).reason is None
