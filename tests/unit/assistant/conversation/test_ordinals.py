from __future__ import annotations

import pytest

from assistant.conversation.ordinals import listed_items, resolve_ordinal

NUMBERED = "有三个车站：\n1. 盛冈车站：县厅所在地[1]\n2. **北上车站**（北上市）：1890年设站\n3、水泽江刺车站，在奥州市"
ENUMERATED = "主要城市包括巴黎、里昂和马赛等。[2]它们人口最多。"


@pytest.mark.parametrize(
    ("question", "answer", "resolved"),
    [
        ("第二个呢？", NUMBERED, "北上车站呢？"),
        ("那第3個在哪裡？", NUMBERED, "水泽江刺车站在哪裡？"),
        ("最后一个的地址是什么", NUMBERED, "水泽江刺车站的地址是什么"),
        ("第一个人口多少", ENUMERATED, "巴黎人口多少"),
        ("第三個呢", ENUMERATED, "马赛呢"),
        ("What about the second one?", "1. Playfish, games\n2. JAXR, an API", "JAXR?"),
        ("第二点是什么意思", "一、按时申请；二、逐级审批；三、财务复核。", "逐级审批是什么意思"),
    ],
)
def test_the_item_is_named_when_the_answer_lists_it(question: str, answer: str, resolved: str) -> None:
    assert resolve_ordinal(question, answer) == resolved


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("第四个呢？", NUMBERED),
        ("第二个呢？", "资料中没有找到答案。"),
        ("第二个呢？", ""),
        ("第二章规定了什么？", NUMBERED),
        ("年假有几天？", NUMBERED),
    ],
)
def test_nothing_is_named_when_there_is_no_such_item(question: str, answer: str) -> None:
    assert resolve_ordinal(question, answer) is None


def test_versions_and_dates_are_no_points_when_they_hold_dots() -> None:
    assert listed_items("3.5 是新版本。\n2.1 是旧版本。") == []
