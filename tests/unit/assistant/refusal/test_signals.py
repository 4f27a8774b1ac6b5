from __future__ import annotations

import math
from dataclasses import replace

import pytest

from assistant.refusal.signals import lead, missing, missing_names, signals_of
from retrieval.models import Evidence, Retrieval, ScoredChunk
from tests.unit.assistant.builders import GOOD, source


def found(question: str, *hits: ScoredChunk, evidence: Evidence = GOOD) -> Retrieval:
    return Retrieval(question, "制度", hits, evidence)


def test_names_are_told_from_everyday_words_when_something_is_missing() -> None:
    assert missing(found("外国人在台湾", source("台湾。"))) == (pytest.approx(4 / 5), 0)
    assert missing(found("臺灣的鳳梨和 iPhone", source("台湾的"))) == (pytest.approx(1 / 3), 3)
    assert missing(found("臺灣 iPhone", source("台湾 iphone"))) == (0.0, 0)
    assert missing(found("？")) == (0.0, 0)


def test_signals_tell_a_missing_name_when_documents_name_others() -> None:
    reports = [source("净利润为五千万元。", title=f"{name}有限公司年度报告") for name in ("绿源环保", "蓝天旅游")]
    asked = found("红星钢铁有限公司的净利润是多少？", *reports)
    assert signals_of(asked).missing_name == 1.0
    assert [name.text for name in missing_names(asked)] == ["红星钢铁有限公司"]
    known = found("绿源环保有限公司的净利润是多少？", *reports)
    assert signals_of(known).missing_name == 0.0
    assert missing_names(known) == ()
    assert signals_of(found("净利润是多少？", *reports)).missing_name == 0.0


def test_letters_alone_count_less_when_they_are_missing() -> None:
    assert signals_of(found("App 要经过谁同意？", source("应用程序须经同意。"))).missing_name == 0.5


def test_signals_tell_a_missing_subject_when_its_words_stand_apart() -> None:
    snakes = source("女神响尾蛇是蛇的一种，死亡率很低。")
    assert signals_of(found("死亡蛇的捕猎方式是什么？", snakes)).missing_subject == 0.0  # the first chunk has both
    assert signals_of(found("死亡蛇的捕猎方式是什么？", source("响尾蛇捕猎。"), snakes)).missing_subject == 1.0
    assert signals_of(found("响尾蛇的捕猎方式是什么？", snakes)).missing_subject == 0.0
    assert signals_of(found("操场的定义是什么？", snakes)).missing_noun == 1.0


def test_lead_grows_when_the_first_stands_out() -> None:
    def scored(*scores: float) -> Retrieval:
        hits = [replace(source("年假", start=i * 9), keyword=score) for i, score in enumerate(scores)]
        return found("年假？", *hits, evidence=replace(GOOD, keyword_mass=30.0))

    assert lead(scored(30.0, 10.0, 10.0)) > lead(scored(30.0, 25.0, 25.0)) > lead(scored(30.0, 30.0, 30.0)) == 0.0
    assert lead(scored(900.0, 1.0, 1.0)) == 1.0
    assert lead(scored(30.0, 1.0)) == 0.5  # nothing to compare with
    assert lead(found("年假？", evidence=Evidence())) == 0.5


@pytest.mark.parametrize("question", ["？", "😀", "𠮷野家", "ＡＢＣ", "什么", "Who?", "臺灣的鳳梨", "一" * 4000])
def test_signals_are_finite_when_questions_are_strange(question: str) -> None:
    signals = signals_of(found(question, source("员工年假为5天。\0"), evidence=Evidence()))
    assert all(math.isfinite(getattr(signals, name)) for name in signals.__dataclass_fields__)
    assert 0.0 <= signals.everyday <= 1.0
