from __future__ import annotations

import pytest

from assistant.conversation.leaning import asks_for_more, leans_on_history, needs_subject, speaks_of_answer


@pytest.mark.parametrize(
    "question",
    [
        "那它2008年拿到了多少融资？",
        "他後來去了哪個劇組工作過？",
        "该公司的总部在哪里？",
        "主要有什么作用？",
        "2013年担任什么职务？",
        "作者是谁？",
        "總部呢？",
        "为什么关闭？",
        "What did they decide about it?",
        "who founded it?",
        "what is the price?",
    ],
)
def test_a_subject_is_missing_when_the_question_points_back_or_begins_as_a_predicate(question: str) -> None:
    assert needs_subject(question)
    assert leans_on_history(question)


@pytest.mark.parametrize(
    "question",
    [
        "那北上车站呢？",
        "王金璐是谁的弟子？",
        "什么是约化群？",
        "2022年印度新当选总统是谁",
        "其他原因导致失败的有哪些公司？",
        "这些年公司的营业收入增长了多少？",
        "Who founded Playfish?",
        "How many days of annual leave do employees get?",
    ],
)
def test_no_subject_is_missing_when_the_question_names_one(question: str) -> None:
    assert not needs_subject(question)


@pytest.mark.parametrize("question", ["新中国成立后郝德泉从事什么职业？", "三年期劳动合同的试用期最长是多久？"])
def test_a_question_stands_alone_when_it_is_long_and_points_nowhere(question: str) -> None:
    assert not leans_on_history(question)


@pytest.mark.parametrize(
    "question", ["北上车站呢？", "多少钱？", "还有其它原因导致项目失败吗？", "and the price of the second model?"]
)
def test_a_question_leans_when_it_is_short_or_only_continues(question: str) -> None:
    assert leans_on_history(question)


@pytest.mark.parametrize(
    "question",
    [
        "继续",
        "請繼續。",
        "为什么？",
        "詳細說說",
        "还有吗",
        "能说得更详细些吗？",
        "可以举个例子吗？",
        "Tell me more",
        "why?",
        "go on",
    ],
)
def test_more_is_asked_for_when_the_question_has_no_content(question: str) -> None:
    assert asks_for_more(question)


@pytest.mark.parametrize(
    "question",
    [
        "还有其他费用吗",
        "为什么关闭？",
        "继续教育学时",
        "年假",
        "第二个呢",
        "",
        "？",
        "why Playfish",
        "what",
        "继续" * 50,
    ],
)
def test_more_is_not_asked_for_when_the_question_has_content(question: str) -> None:
    assert not asks_for_more(question)


def test_the_answer_is_spoken_of_when_the_question_points_at_its_kind() -> None:
    assert speaks_of_answer("他是哪里人？", "《无声狂啸》是谁写的？")
    assert speaks_of_answer("那裡有多高？", "第二度開發的地區是哪裡？")
    assert not speaks_of_answer("它的总部在哪里？", "谁创办了Playfish？")
    assert not speaks_of_answer("他是哪里人？", "年假有几天？")
