from __future__ import annotations

import random

import pytest

from assistant.checking.kinds import kind_of, says_nothing_found
from assistant.checking.sentences import MAX_CHARS, SentenceCutter, read_sentence


def cut(text: str, *, size: int = 10_000) -> list[str]:
    cutter = SentenceCutter()
    found = [one for i in range(0, len(text), size) for one in cutter.feed(text[i : i + size])]
    return found + cutter.finish()


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("年假为5天。[1]病假另算。[2]", ["年假为5天。[1]", "病假另算。[2]"]),
        ("年假为3.5天[1]。完", ["年假为3.5天[1]。", "完"]),
        ("年假为5天。 [1] 【2】完", ["年假为5天。 [1] 【2】", "完"]),
        ("年假为5天。\n[1]\n病假另算。", ["年假为5天。\n[1]", "\n病假另算。"]),
        ("年假为5天。\n[1] 病假另算。", ["年假为5天。", "\n[1] 病假另算。"]),
        ("根据资料：\n1. 年假5天。\n2. 病假3天。", ["根据资料：", "\n1. 年假5天。", "\n2. 病假3天。"]),
        ("“他说。好。”[1]是的！！完", ["“他说。好。”[1]", "是的！！", "完"]),
        ("《你好！李焕英》是电影。完", ["《你好！李焕英》是电影。", "完"]),
        ("**年假为5天。**[1]**完**", ["**年假为5天。**[1]", "**完**"]),
        ("| a。b | c |\n|---|---|\n| 1 | 2 |[1]\n完", ["| a。b | c |", "\n|---|---|", "\n| 1 | 2 |[1]", "\n完"]),
        ("```py\nprint('a。b')\nx[1]\n```\n[2]\n完", ["```py\nprint('a。b')\nx[1]\n```\n[2]", "\n完"]),
        ("It takes 3.5 days. [1] See e.g. Mr. Li. Done!", ["It takes 3.5 days. [1]", " See e.g. Mr. Li.", " Done!"]),
        ("见 http://a.b/c?d=e。完", ["见 http://a.b/c?d=e。", "完"]),
        ("他说（未完。\n下一行。", ["他说（未完。", "\n下一行。"]),
        ("", []),
        ("没有句号", ["没有句号"]),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 10_000])
def test_sentences_end_where_they_should_when_cut(text: str, sentences: list[str], size: int) -> None:
    assert cut(text, size=size) == sentences


def test_sentence_is_cut_anywhere_when_it_does_not_end() -> None:
    text = "啊" * (MAX_CHARS * 2 + 700)
    assert [len(one) for one in cut(text, size=97)] == [MAX_CHARS, MAX_CHARS, 700]
    assert cut(text, size=97) == cut(text)


def test_sentence_waits_when_a_marker_may_follow() -> None:
    cutter = SentenceCutter()
    assert cutter.feed("年假为5天。") == cutter.feed("[") == cutter.feed("1]") == []
    assert cutter.feed("病") == ["年假为5天。[1]"]
    assert cutter.pending == "病"


def test_cuts_are_the_same_when_pieces_are_random() -> None:
    pieces = [*"年假5天。，\n []<·|“”（）a1.!?：😀𠮷", "[1]", "【2】", "```", "**", "| ", "- ", "1. ", "http://a.b/"]
    chance = random.Random(7)
    for _ in range(2_000):
        text = "".join(chance.choices(pieces, k=chance.randint(0, 30)))
        whole = cut(text)
        assert "".join(whole) == text
        assert cut(text, size=chance.randint(1, 6)) == whole


@pytest.mark.parametrize(
    ("written", "prefix", "parts"),
    [
        ("\n1. 年假5天。[1][3]", "\n1. ", (("年假5天。", (1, 3)),)),
        ("甲[1]，乙。[2, 3]", "", (("甲", (1,)), ("，乙。", (2, 3)))),
        ("[1] 甲。", "", (("", (1,)), (" 甲。", ()))),
        ("甲【资料２】。", "", (("甲", (2,)), ("。", ()))),
        ("## 甲", "## ", (("甲", ()),)),
        ("国发[2023]5号", "", (("国发[2023]5号", ()),)),
    ],
)
def test_markers_are_taken_out_when_a_sentence_is_read(
    written: str, prefix: str, parts: tuple[tuple[str, tuple[int, ...]], ...]
) -> None:
    sentence = read_sentence(written)
    assert (sentence.prefix, sentence.parts) == (prefix, parts)


@pytest.mark.parametrize(
    "text",
    [
        *("根据资料：", "您好！", "希望对您有帮助。", "您想问哪一年的？", "资料中没有找到答案。", "**年假**", "……"),
        *("|---|---|", "The sources do not mention it."),
    ],
)
def test_frame_is_told_when_a_sentence_states_nothing(text: str) -> None:
    assert kind_of("", text) == "frame"


@pytest.mark.parametrize(
    "text", ["年假为5天。", "您好，年假为5天。", "资料中没有提到年假，但病假为3天。", "公司没有年假。", "**年假**为5天"]
)
def test_fact_is_told_when_a_sentence_states_one(text: str) -> None:
    assert kind_of("", text) == "fact"


def test_kind_is_the_tables_or_codes_when_it_is_one() -> None:
    assert (kind_of("", "| 1 | 2 |"), kind_of("", "甲 | 乙"), kind_of("\n", "```\nx\n```")) == ("row", "row", "code")
    assert kind_of("## ", "年假") == "frame"


def test_absence_is_told_when_nothing_else_is_said() -> None:
    assert says_nothing_found("资料中没有找到答案。") and says_nothing_found("文档未提及此事。")
    assert not says_nothing_found("资料没有说明，但年假为30天。")
