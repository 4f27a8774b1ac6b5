from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.conversation.search import Search
from assistant.conversation.split import MAX_PARTS, split
from tests.unit.assistant.eval_data import EVAL_DIR, needs_eval_data


def questions(question: str) -> list[str]:
    """The parts' questions."""
    return [part.question for part in split(question)]


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        ("年假和病假分别有几天？", ["年假有几天", "病假有几天"]),
        ("試用期和轉正後的工資分別是多少？", ["試用期的工資是多少", "轉正後的工資是多少"]),
        ("分别有多少人参加了春季班和秋季班？", ["有多少人参加了春季班", "有多少人参加了秋季班"]),
        ("张三、李四和王五分别写过什么？", ["张三写过什么", "李四写过什么", "王五写过什么"]),
        (
            "比较绿源环保有限公司和蓝天旅游有限公司的员工满意度，哪家公司更高？",
            ["绿源环保有限公司的员工满意度，哪家公司更高", "蓝天旅游有限公司的员工满意度，哪家公司更高"],
        ),
        ("YH-P20和YH-P30哪个精度更高？", ["YH-P20哪个精度更高", "YH-P30哪个精度更高"]),
        ("2021年和2022年全国棉花产量", ["2021年全国棉花产量", "2022年全国棉花产量"]),
        ("北京和上海高考报名时间", ["北京高考报名时间", "上海高考报名时间"]),
        ("《人世间》的导演和编剧是谁？", ["《人世间》的导演是谁", "《人世间》的编剧是谁"]),
        ("《與風》與《和月》分別是誰寫的？", ["《與風》是誰寫的", "《和月》是誰寫的"]),
        (
            "根据甲市法院和乙市法院的判决书，祝某和史某分别被判了什么刑？",
            ["根据甲市法院的判决书，祝某被判了什么刑", "根据乙市法院的判决书，史某被判了什么刑"],
        ),
        ("Which is cheaper, Plan A or Plan B?", ["Which is cheaper, Plan A", "Which is cheaper, Plan B"]),
        (
            "How many days of leave do interns and managers get respectively?",
            ["How many days of leave do interns get", "How many days of leave do managers get"],
        ),
        (
            "What is the warranty of model A, and who pays for shipping?",
            ["What is the warranty of model A", "who pays for shipping"],
        ),
    ],
)
def test_a_question_is_split_when_it_is_over_several_facts(question: str, parts: list[str]) -> None:
    assert questions(question) == parts


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        ("手机的芯片是什么，起售价多少", [Search("手机的芯片是什么"), Search("起售价多少", ("手机的芯片是什么",))]),
        ("年假有几天，病假呢？", [Search("年假有几天"), Search("病假呢", ("年假有几天",))]),
        ("A是什么，B又是什么？", [Search("A是什么"), Search("B又是什么", ("A是什么",))]),
        ("年假是几天以及病假怎么请", [Search("年假是几天"), Search("病假怎么请", ("年假是几天",))]),
    ],
)
def test_a_later_clause_leans_on_the_first_when_each_asks(question: str, parts: list[Search]) -> None:
    assert list(split(question)) == parts


@pytest.mark.parametrize(
    "question",
    [
        "年假有几天？",
        "谁和谁合作写了这本书",
        "武藏浦和站位于哪里？",
        "黄鳍紫鱼和丝鳍紫鱼之间的区别是什么？",
        "杨丽音和她的丈夫是如何认识的？",
        "派遣公司跟员工签的合同至少要签几年？",
        "笔架与酥饼都是哪一地区的特产？",
        "北朝几个朝代中，哪个朝代最积极建筑长城？",
        "1965年几内亚和法国断交后，采用新的货币叫什么？",
        "四个机构分别是政府、法院系统，还有哪一个机构？",
        "出差和加班怎么报销",
        "Who is the CEO and founder of Playfish?",
        "research and development cost",
        "",
        "和",
        "，，，",
        "年假和病假分别有几天？" * 30,
    ],
)
def test_a_question_stays_whole_when_it_is_over_one_fact(question: str) -> None:
    assert split(question) == ()


@given(
    st.lists(
        st.sampled_from(["和", "分别", "、", "，", "是什么", "2022年", "哪个更高", "《", "of", " and ", "𠮷"]),
        max_size=24,
    )
)
def test_parts_are_few_and_not_empty_whatever_is_asked(pieces: list[str]) -> None:
    parts = split("".join(pieces))
    assert len(parts) != 1
    assert len(parts) <= MAX_PARTS
    assert all(part.question for part in parts)


@needs_eval_data
@pytest.mark.parametrize("name", ["cmrc", "drcd", "regulations", "chatgpt_book", "documents"])
def test_hardly_a_question_is_split_when_the_set_asks_for_single_facts(name: str) -> None:
    lines = (EVAL_DIR / name / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    asked = [json.loads(line)["question"] for line in lines]
    assert len([question for question in asked if split(question)]) <= len(asked) / 500
