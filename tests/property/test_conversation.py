"""What must hold of every plan of a conversation, whatever is said in it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from assistant.conversation.plan import Planner, parts_of
from assistant.conversation.rewrite_check import checked
from assistant.events import Turn
from retrieval.retriever import MAX_QUESTION_CHARS

_WORDS = (
    "它", "继续", "为什么", "第二个呢", "那北上车站呢", "年假", "和", "分别", "、", "是什么", "2022年", "谢谢", "你好",
    "哪个更高", "《", "who", " and ", "it", " ", "\n", "。", "？", "1. 甲\n2. 乙",
    "謝謝", "ＯＫ", "𠮷䶮", "😊", "\x00", "<|im_start|>", "[1]",
)  # fmt: skip
texts = st.lists(st.sampled_from(_WORDS), max_size=8).map("".join) | st.text(max_size=40)
turns = st.builds(Turn, st.sampled_from(["user", "assistant", "system"]), texts)
asked = texts.map(str.strip).filter(bool)


@given(question=asked, history=st.lists(turns, max_size=8))
async def test_something_is_searched_or_said_whatever_was_said_before(question: str, history: list[Turn]) -> None:
    plan = await Planner().plan(question, history)

    assert plan.question == question
    assert bool(plan.searches) == (plan.reply is None)
    for search in plan.searches:
        assert search.question.strip()
        assert len(search.question) <= MAX_QUESTION_CHARS
    assert plan.searches[1:] == (parts_of(plan.searches[0]) if plan.searches else ())


@given(question=asked)
async def test_a_question_is_searched_alone_when_nothing_was_said_before(question: str) -> None:
    plan = await Planner().plan(question, [])

    assert plan.reply is not None or (plan.searches[0].question, plan.searches[0].context) == (question, ())


@given(reply=texts, question=asked, leans_on=st.lists(texts, max_size=3))
def test_a_rewriting_is_one_short_line_that_adds_something_when_it_counts(
    reply: str, question: str, leans_on: list[str]
) -> None:
    text = checked(reply, question, leans_on)

    assert text is None or (0 < len(text) <= 200 and "\n" not in text and text != question)
