from __future__ import annotations

import pytest

from assistant.conversation.plan import language_of, leans_on_history, plan_search
from assistant.events import Turn
from retrieval.errors import QuestionError
from retrieval.retriever import check_question

HISTORY = [Turn("user", "Playfish的总部在哪里？"), Turn("assistant", "伦敦"), Turn("user", " ")]


@pytest.mark.parametrize(
    "question",
    [
        "那它2008年拿到了多少融资？",
        "他后来去了哪个剧组工作过？",
        "北上车站呢？",
        "还有其它原因导致失败吗？",
        "多少钱？",
    ],
)
def test_history_helps_when_the_question_leans_on_it(question: str) -> None:
    assert plan_search(question, HISTORY).context == ("Playfish的总部在哪里？",)


@pytest.mark.parametrize("question", ["新中国成立后郝德泉从事什么职业？", "三年期劳动合同的试用期最长是多久？"])
def test_history_is_left_out_when_the_question_stands_alone(question: str) -> None:
    assert not leans_on_history(question)
    assert plan_search(question, HISTORY).context == ()


@pytest.mark.parametrize("question", ["", "  \n\u3000"])
def test_error_says_so_when_the_question_is_empty(question: str) -> None:
    with pytest.raises(QuestionError) as caught:
        check_question(question, 100)
    assert str(caught.value) == "The question is empty. Ask something in a few words."
    assert caught.value.render("zh") == "问题是空的。请用几个字写出要问的内容。"


def test_error_says_how_long_when_the_question_is_too_long() -> None:
    with pytest.raises(QuestionError) as caught:
        check_question("问" * 100_000, 4000)
    assert caught.value.message.en == "The question has 100000 characters; at most 4000 can be asked."
    assert caught.value.message.zh == "问题有 100000 个字符，最多 4000 个。"


def test_language_follows_the_question_when_it_has_letters() -> None:
    assert [language_of(text, "zh") for text in ("年假", "annual leave", "HR 年假", "123?")] == ["zh", "en", "zh", "zh"]
    assert language_of("123?", "en") == "en"
