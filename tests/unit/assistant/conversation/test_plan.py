from __future__ import annotations

import pytest

from assistant.conversation.plan import Planner, language_of
from assistant.conversation.search import Search
from assistant.events import Turn
from retrieval.errors import QuestionError
from retrieval.retriever import check_question


async def test_nothing_is_searched_when_the_question_is_small_talk() -> None:
    plan = await Planner().plan("谢谢！", ())
    assert (plan.question, plan.searches, plan.reply) == ("谢谢！", (), "不客气！还有别的问题，请直接提问。")


async def test_the_reply_is_english_when_the_message_is() -> None:
    plan = await Planner("zh").plan("Thanks!", ())
    assert plan.reply == "You are welcome! If there is anything else, just ask."


async def test_history_helps_when_the_question_leans_on_it() -> None:
    history = [Turn("user", "Playfish的总部在哪里？"), Turn("assistant", "伦敦"), Turn("user", " ")]
    plan = await Planner().plan("它有多少员工？", history)
    assert plan.reply is None
    assert plan.searches == (Search("它有多少员工？", ("Playfish的总部在哪里？", "伦敦")),)


async def test_each_part_leans_on_what_the_whole_leans_on_when_it_is_split() -> None:
    history = [Turn("user", "Playfish的总部在哪里？"), Turn("assistant", "伦敦")]
    plan = await Planner().plan("它的导演和编剧分别是谁？", history)
    context = ("Playfish的总部在哪里？", "伦敦")
    assert plan.searches == (
        Search("它的导演和编剧分别是谁？", context),
        Search("它的导演是谁", context),
        Search("它的编剧是谁", context),
    )


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
