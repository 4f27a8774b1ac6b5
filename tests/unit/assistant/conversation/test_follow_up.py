from __future__ import annotations

import pytest

from assistant.conversation.follow_up import plan_search, subject_turn
from assistant.conversation.search import Search
from assistant.events import Turn


def talk(*texts: str) -> list[Turn]:
    """Turns of user and assistant, by turns."""
    return [Turn("assistant" if i % 2 else "user", text) for i, text in enumerate(texts)]


PLAYFISH = talk("Playfish的总部在哪里？", "英国伦敦[1]")
SIX_TURNS = talk(
    "Playfish是做什么的？", "开发社交游戏", "总部在哪？", "英国伦敦", "谢谢", "不客气！",
    "谁创办的？", "几位前同事", "继续", "2007年创办", "它有多少员工？", "两百多人",
)  # fmt: skip


def test_the_turn_with_the_subject_and_the_answer_are_added_when_the_question_lacks_a_subject() -> None:
    assert plan_search("那它2008年拿到了多少融资？", PLAYFISH) == Search(
        "那它2008年拿到了多少融资？", ("Playfish的总部在哪里？", "英国伦敦")
    )


@pytest.mark.parametrize("question", ["年假几天", "JAXR呢"])
def test_the_turn_before_weighs_less_when_the_question_may_name_its_own_subject(question: str) -> None:
    assert plan_search(question, talk("北上车站的地址？", "岩手县")).context == ("", "北上车站的地址？")


@pytest.mark.parametrize(
    ("question", "before", "rest"),
    [
        ("那北上车站呢？", "水泽江刺车站所处的位置是哪里？", "所处的位置是哪里？"),
        ("病假呢？", "年假有几天？", "有几天？"),
        ("2022年呢？", "2021年营业收入是多少？", "营业收入是多少？"),
        ("那上海呢", "北京的戶籍政策是什麼？", "的戶籍政策是什麼？"),
        ("what about JAXR?", "Where is Playfish based?", "Where is Playfish based?"),
        ("Playfish呢？", "魏斯可金融公司总部位于哪里？", "魏斯可金融公司总部位于哪里？"),
    ],
)
def test_the_name_before_is_left_out_when_another_replaces_it(question: str, before: str, rest: str) -> None:
    assert plan_search(question, talk(before, "……")).context == ("", rest)


def test_history_is_left_out_when_the_question_stands_alone() -> None:
    question = "三年期劳动合同的试用期最长是多久？"
    assert plan_search(question, PLAYFISH) == Search(question)


def test_the_subject_is_found_when_it_was_named_six_turns_ago() -> None:
    assert subject_turn(SIX_TURNS) == "Playfish是做什么的？"
    assert plan_search("2008年获得多少融资？", SIX_TURNS).context == ("Playfish是做什么的？", "两百多人")


def test_the_new_subject_counts_when_the_topic_was_switched() -> None:
    history = [*SIX_TURNS, *talk("天门冬的根有什么特点？", "稍肉质", "那北上车站呢？", "没有找到")]
    assert subject_turn(history) == "那北上车站呢？"
    assert plan_search("由谁经营？", history[:-2]).context[0] == "天门冬的根有什么特点？"


@pytest.mark.parametrize("question", ["继续", "为什么？", "Tell me more", "詳細說說"])
def test_the_question_before_is_searched_when_only_more_is_asked_for(question: str) -> None:
    history = talk("Playfish是做什么的？", "开发社交游戏", "它的总部在哪？", "伦敦", "谢谢", "不客气！", "继续", "……")
    assert plan_search(question, history) == Search("它的总部在哪？", ("Playfish是做什么的？", "开发社交游戏"))


def test_the_listed_item_is_searched_when_an_ordinal_is_asked_for() -> None:
    history = talk("有哪些公司？", "- Playfish：游戏\n- 魏斯可金融公司：金融")
    assert plan_search("第二个的总部呢？", history) == Search("魏斯可金融公司的总部呢？", ("有哪些公司？",))


def test_the_answer_comes_first_when_the_question_speaks_of_it() -> None:
    history = talk("《无声狂啸》是谁写的？", "哈兰·艾里森")
    assert plan_search("他还写过什么？", history).context == ("哈兰·艾里森", "《无声狂啸》是谁写的？")


@pytest.mark.parametrize("history", [[], talk("你好", "你好！"), talk(" ", "？")])
def test_the_question_is_searched_alone_when_nothing_was_asked_before(history: list[Turn]) -> None:
    assert plan_search("它是什么？", history) == Search("它是什么？")
    assert plan_search("继续", history) == Search("继续")


def test_pasted_texts_are_cut_when_they_are_in_the_history() -> None:
    context = plan_search("它是什么？", talk("Playfish" + "长" * 100_000, "答" * 100_000)).context
    assert [len(text) for text in context] == [200, 60]
    assert len(plan_search("继续", talk("Playfish" + "长" * 100_000, "答")).question) == 1_000
    assert plan_search("第二个呢" * 900, talk("有哪些？", "1. 甲\n2. 乙")).question == "第二个呢" * 900


@pytest.mark.parametrize("question", ["东北方是哪个郡？", "西面毗邻什么地方？", "周边有什么？"])
def test_the_answer_helps_too_when_the_question_asks_what_is_near(question: str) -> None:
    assert plan_search(question, PLAYFISH).context == ("Playfish的总部在哪里？", "英国伦敦")
