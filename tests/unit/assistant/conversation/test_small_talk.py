from __future__ import annotations

import json

import pytest

from assistant.conversation.small_talk import Kind, is_small_talk, kind_of, reply_to
from tests.unit.assistant.eval_data import EVAL_DIR, needs_eval_data

SPOKEN: list[tuple[str, Kind]] = [
    ("你好", "greeting"),
    ("您好！", "greeting"),
    ("早上好", "greeting"),
    ("你好呀😊", "greeting"),
    ("ＨＥＬＬＯ", "greeting"),
    ("Hi there!", "greeting"),
    ("哈囉～", "greeting"),
    ("活字，你好", "greeting"),
    ("谢谢！", "thanks"),
    ("謝謝你", "thanks"),
    ("好的，谢谢🙏", "thanks"),
    ("谢谢您的耐心解答！", "thanks"),
    ("Thank you very much!", "thanks"),
    ("再见👋", "goodbye"),
    ("没问题了，再见", "goodbye"),
    ("bye bye", "goodbye"),
    ("OK", "praise"),
    ("你真厉害", "praise"),
    ("你是谁", "identity"),
    ("您好，請問你是誰？", "identity"),
    ("你是真人还是机器人", "identity"),
    ("Hello, who are you?", "identity"),
    ("你能做什么", "ability"),
    ("你能幫我做什麼？", "ability"),
    ("What can you do for me?", "ability"),
]
ASKED = [
    "你好，年假有几天？",
    "谢谢你，年假几天",
    "谢谢制度",
    "感谢信怎么写",
    "《你好，李焕英》的导演是谁",
    "再见爱人第三季",
    "你能帮我查年假吗",
    "你可以休几天年假",
    "你是谁的儿子",
    "早上好公司地址",
    "history",
    "hi-fi是什么",
    "who are you to judge",
    "老师",
    "？？？",
    "",
    "𠮷䶮",
    "你好" * 30,
]


@pytest.mark.parametrize(("message", "kind"), SPOKEN)
def test_small_talk_is_told_when_it_is_the_whole_message(message: str, kind: Kind) -> None:
    assert kind_of(message) == kind


@pytest.mark.parametrize("message", ASKED)
def test_a_message_is_a_question_when_any_of_it_is(message: str) -> None:
    assert not is_small_talk(message)


def test_reply_is_in_the_language_asked_for_when_there_is_one() -> None:
    assert reply_to("谢谢", "zh") == "不客气！还有别的问题，请直接提问。"
    assert reply_to("thanks", "en") == "You are welcome! If there is anything else, just ask."
    assert reply_to("年假", "zh") is None


@needs_eval_data
@pytest.mark.parametrize(
    "name",
    ["cmrc", "drcd", "rgb", "dureader", "dragonball", "regulations", "chatgpt_book", "documents", "conversations"],
)
def test_no_question_is_small_talk_when_it_is_one_of_a_development_set(name: str) -> None:
    lines = (EVAL_DIR / name / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    asked = [json.loads(line)["question"] for line in lines]

    assert asked
    assert [question for question in asked if is_small_talk(question)] == []
