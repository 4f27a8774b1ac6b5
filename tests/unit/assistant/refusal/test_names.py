from __future__ import annotations

import pytest

from assistant.refusal.names import Name, is_held, names_in, subject_of
from assistant.refusal.words import words_of
from retrieval.keyword.folding import fold


def texts(question: str, kind: str) -> set[str]:
    return {name.text for name in names_in(question) if name.kind == kind}


@pytest.mark.parametrize(
    ("question", "kind", "expected"),
    [
        ("《捉鬼男》是哪个国家的电视剧？", "quoted", {"捉鬼男"}),
        ("「龍貓」的導演是誰？", "quoted", {"龙猫"}),
        ("创新科技有限公司的员工满意度是多少？", "organisation", {"创新科技有限公司"}),
        (
            "根据银杏市紫陌区人民法院和香山市夕照区人民法院的判决书，谁的刑期更长？",
            "organisation",
            {"银杏市紫陌区人民法院", "香山市夕照区人民法院"},
        ),
        ("芙蓉洞以什么而著称？", "place", {"芙蓉洞"}),
        ("華堡是哪個品牌的招牌食品？", "unknown", {"华堡"}),
        ("银纹笛鲷分布在哪个大洋区？", "unknown", {"银纹笛鲷"}),
        ("2021年的净利润比 3 月多多少？", "number", {"2021"}),
        ("ＧＰＴ－４ 的参数量是多少？", "letters", {"gpt-4"}),
        ("Who is the chief of Acme and of gpt4?", "letters", {"acme", "gpt4"}),
    ],
)
def test_names_are_found_when_they_look_like_names(question: str, kind: str, expected: set[str]) -> None:
    assert texts(question, kind) == expected


@pytest.mark.parametrize(
    "question",
    [
        "参加工作六年了，每年能休几天年假？",
        "公司半年都没跟我签合同，可以要求什么赔偿？",
        "香港下午三点才取消八号风球，当天还要回公司吗？",
        "上海哪个医院骨科比较好",
        "怎么做好工作？",
        "How many days of leave do I have?",
        "？？",
        "😀",
    ],
)
def test_no_name_is_found_when_words_are_everyday(question: str) -> None:
    assert not [name for name in names_in(question) if name.kind != "place"]


def test_things_are_no_places_when_the_dictionary_says_so() -> None:
    assert names_in("韓國的什麼東西有九成是進口而來的？") == (Name("韩国", "place", "韩国"),)


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("北京航空航天大学在哪里？", "北航位于海淀区。"),
        ("北京航空航天大學在哪裡？", "北京航空航天大学"),
        ("喜乐娱乐集团公司的注册地是哪里？", "喜乐娱乐集团年度报告"),
        ("舟山群岛有多少机场？", "舟山有一座机场。"),
        ("《佛國記》的作者是誰?", "法显著《佛国记》。"),
        ("濑胜久演过哪些电影？", "生濑胜久，演员。"),
        ("1750元的补贴怎么领？", "补贴为１，７５０元。"),
    ],
)
def test_name_is_held_when_the_text_says_it_another_way(question: str, text: str) -> None:
    named = [name for name in names_in(question) if name.text in fold(question)]
    assert named
    assert all(is_held(name, fold(text)) for name in named)


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("创新科技有限公司的净利润是多少？", "智慧教育科技有限公司重视创新，云翼科技亦然。"),
        ("银纹笛鲷分布在哪里？", "交叉笛鲷，又称银色笛鲷，体侧有纹。"),
        ("2021年的净利润是多少？", "2019年的净利润为21元。"),
        ("《炽道》的主演是谁？", "《心居》的主演"),
        ("𠮷䶮的作者是谁？", "吉野的作者"),
    ],
)
def test_name_is_missing_when_the_text_holds_only_its_kind(question: str, text: str) -> None:
    assert not all(is_held(name, fold(text)) for name in names_in(question))


def test_subject_is_the_first_thing_when_a_question_names_several() -> None:
    assert [word.text for word in subject_of(words_of("死亡蛇的捕猎方式与其它蛇类有什么不同？"))] == ["死亡", "蛇"]
    assert subject_of(words_of("为什么？")) == ()
    assert subject_of(words_of("???")) == ()
