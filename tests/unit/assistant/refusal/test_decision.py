from __future__ import annotations

from dataclasses import replace

import pytest

from assistant.conversation.plan import Plan
from assistant.finder import Found
from assistant.refusal.decision import decide, decide_found, is_answerable, is_in_doubt
from assistant.refusal.signals import signals_of
from assistant.refusal.weights import E5_WEIGHTS, KEYWORD_WEIGHTS, Calibration, Weights
from retrieval.models import Evidence, Retrieval, ScoredChunk
from tests.unit.assistant.builders import BAD, GOOD, source

LEAVE = source("年休假为5天。")


def found(question: str, *hits: ScoredChunk, evidence: Evidence = GOOD) -> Retrieval:
    return Retrieval(question, "制度", hits, evidence)


def test_question_is_answered_when_the_evidence_is_good() -> None:
    assert is_answerable(found("年休假几天？", LEAVE))
    assert is_answerable(found("年休假几天？", LEAVE), "e5")


def test_question_is_refused_when_the_evidence_is_poor() -> None:
    far = replace(LEAVE, coverage=0.02)
    assert not is_answerable(found("火星移民计划？", far, evidence=BAD))
    assert not is_answerable(found("火星移民计划？", far, evidence=BAD), "e5")


def test_question_is_refused_when_nothing_is_found() -> None:
    assert not is_answerable(found("年休假几天？"))


def test_cosine_decides_nothing_when_the_embedder_is_unknown() -> None:
    near = found("年休假几天？", LEAVE, evidence=replace(GOOD, similarity=0.95))
    far = found("年休假几天？", LEAVE, evidence=replace(GOOD, similarity=0.3))
    assert is_answerable(near, "sentence-transformers:x") == is_answerable(far, "sentence-transformers:x")
    assert E5_WEIGHTS.total(signals_of(near)) > E5_WEIGHTS.total(signals_of(far))


@pytest.mark.parametrize("weights", [KEYWORD_WEIGHTS, E5_WEIGHTS])
def test_sum_grows_when_the_evidence_grows(weights: Weights) -> None:
    def total(coverage: float, evidence: Evidence) -> float:
        return weights.total(signals_of(found("年休假几天？", replace(LEAVE, coverage=coverage), evidence=evidence)))

    assert total(0.9, BAD) > total(0.1, BAD)
    assert total(0.9, GOOD) > total(0.9, BAD)


def test_decision_tells_its_reason_and_signals_when_it_refuses() -> None:
    assert decide(found("年休假几天？"), KEYWORD_WEIGHTS).reason == "nothing_found"
    assert decide(found("年休假几天？", replace(LEAVE, coverage=0.02)), KEYWORD_WEIGHTS).reason == "low_coverage"
    weak = decide(found("年休假几天？", replace(LEAVE, coverage=0.2), evidence=BAD), E5_WEIGHTS)
    assert weak.reason == "weak_evidence"
    assert weak.signals["sum"] < weak.signals["threshold"]
    good = decide(found("年休假几天？", LEAVE), E5_WEIGHTS)
    assert (good.answerable, good.reason) == (True, "evidence")
    assert good.signals["coverage"] == 0.9


def test_question_is_refused_when_it_names_another_of_the_kind() -> None:
    reports = [
        source("净利润为五千万元。", title=f"{name}有限公司年度报告") for name in ("绿源环保", "蓝天旅游", "华夏娱乐")
    ]
    weights = replace(KEYWORD_WEIGHTS, threshold=6.0)
    assert decide(found("红星钢铁有限公司的净利润是多少？", *reports), weights).reason == "missing_name"
    assert decide(found("绿源环保有限公司的净利润是多少？", *reports), weights).answerable
    assert decide(found("净利润是多少？", *reports), weights).answerable


def test_keywords_decide_when_the_vector_store_did_not_answer() -> None:
    silent = found("年休假几天？", LEAVE, evidence=replace(GOOD, similarity=None, agreement=None))
    assert decide(silent, E5_WEIGHTS) == decide(silent, KEYWORD_WEIGHTS)


def test_cosine_alone_decides_when_question_and_text_share_no_script() -> None:
    far = replace(LEAVE, coverage=0.0)
    near = found("How many days of leave?", far, evidence=replace(BAD, similarity=0.8))
    assert is_answerable(near, "e5")
    assert not is_answerable(near, "none")
    assert not is_answerable(found("Who won the cup?", far, evidence=replace(BAD, similarity=0.7)), "e5")


def test_question_over_several_facts_is_answered_when_one_of_them_is() -> None:
    poor = found("火星移民计划？", replace(LEAVE, coverage=0.02), evidence=BAD)
    good = found("年休假几天？", LEAVE)
    plan = Plan("年休假几天，火星移民计划呢？", ())
    assert decide_found(Found(plan, poor, parts=(poor, good))).answerable
    assert decide_found(Found(plan, poor, rewritten=good)).answerable
    assert not decide_found(Found(plan, poor, parts=(poor,), rewritten=poor)).answerable


def test_collection_decides_by_its_own_weights_when_it_has_some() -> None:
    good = found("年休假几天？", LEAVE)
    strict = Calibration(replace(KEYWORD_WEIGHTS, threshold=99.0), 0.0, 50, 10)
    plan = Plan("年休假几天？", ())
    assert not decide_found(Found(plan, good, calibration=strict.as_json())).answerable
    assert decide_found(Found(plan, good, calibration={**strict.as_json(), "kind": "refusal-0"})).answerable
    assert decide_found(Found(plan, good, calibration={"kind": "refusal-1", "weights": {"coverage": 1}})).answerable
    assert Calibration.from_json(strict.as_json()) == strict


def test_model_is_asked_when_the_evidence_is_not_clearly_poor() -> None:
    assert is_in_doubt(decide(found("年休假几天？", LEAVE), E5_WEIGHTS))
    assert is_in_doubt(decide(found("Who won?", LEAVE, evidence=BAD), E5_WEIGHTS))
    assert not is_in_doubt(decide(found("年休假几天？"), E5_WEIGHTS))
    assert not is_in_doubt(decide(found("火星移民？", replace(LEAVE, coverage=0.2), evidence=BAD), E5_WEIGHTS))
