from itertools import pairwise

import pytest

from assistant.checking.loops import COPIES, LOOP_CHARS, LoopGuard, repeats_itself
from assistant.checking.sentences import SentenceCutter

LEAVE = "员工累计工作满一年的，每年享受五天带薪年休假。"
MARRIAGE = "婚假为三天，陪产假为十五天，产假为一百五十八天。"
ENGLISH = "Every employee has five days of paid leave a year. "
RARE = "𠮷野家在䶮街的店每天营业十二小时🙂，全年无休。"


def passed(text: str, step: int = 7) -> tuple[str, bool]:
    """Return what a guard lets through of a text that comes in small pieces, and whether it is a loop."""
    guard, cutter = LoopGuard(), SentenceCutter()
    shown: list[str] = []
    for i in range(0, len(text), step):
        shown += guard.pass_on(cutter.feed(text[i : i + step]), cutter.pending)
        if guard.is_loop:
            break
    shown += guard.rest(cutter.finish())
    return "".join(shown), guard.is_loop


@pytest.mark.parametrize("step", [1, 7, 10_000])
@pytest.mark.parametrize("unit", [LEAVE, LEAVE + MARRIAGE, ENGLISH, RARE, "是的。", f"- {LEAVE}\n", f"| {LEAVE} |\n"])
def test_one_copy_is_left_when_the_same_comes_again_and_again(unit, step):
    text, is_loop = passed("先说结论。" + unit * 60, step)
    assert is_loop
    assert text.strip() == ("先说结论。" + unit).strip()


@pytest.mark.parametrize(
    "line",
    [
        "{n}. {leave}\n",
        "{n}、{leave}\n",
        "（{n}）{leave}\n",
        "第{n}条：{leave}\n",
        "{leave}[{n}]",
        "**{n}.** {leave}\n",
        "{leave}" + "\n" * 3,
    ],
)
def test_counters_and_markers_do_not_hide_a_loop(line):
    text, is_loop = passed("".join(line.format(n=n, leave=LEAVE) for n in range(1, 61)))
    assert is_loop
    assert text.count(LEAVE) == 1


def test_width_and_case_do_not_hide_a_loop():
    turns = [
        "ＡＢＣ公司的员工每年享受五天带薪年休假，满十年十天。",
        "abc公司的员工，每年享受五天带薪年休假，满十年十天。",
    ]
    assert passed("".join(turns) * 20) == (turns[0], True)


@pytest.mark.parametrize("tail", ["哈哈", "年假，", "a b ", "的", "……", "=-", "啊🙂", "甲乙丙丁戊己庚辛壬癸，" * 3])
def test_unfinished_sentence_is_dropped_when_it_repeats_itself(tail):
    text, is_loop = passed(LEAVE + tail * 1000)
    assert is_loop
    assert text == LEAVE


def test_repeated_sentences_are_shown_when_the_answer_goes_on():
    text = LEAVE + MARRIAGE + LEAVE + "因此答案是五天。" + LEAVE
    assert passed(text) == (text, False)


def test_repeated_sentence_waits_until_a_new_one_follows():
    guard = LoopGuard()
    assert guard.pass_on([LEAVE]) == [LEAVE]
    assert guard.pass_on([LEAVE]) == []
    assert guard.pass_on([MARRIAGE]) == [LEAVE, MARRIAGE]


def test_two_copies_are_no_loop_however_long():
    text = "".join(f"第{i}篇文章讲的是第{i * i}件不同的事情，与别的都不一样。" for i in range(40))
    assert passed(text * (COPIES - 1)) == (text * (COPIES - 1), False)
    assert passed(text * COPIES) == (text, True)


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"| {year}年 | 收入 | {year * 7}万元 | 无 | 无 |\n" for year in range(1990, 2026)),
        "".join(f"{i}. 第{i}条规定的内容另见附件{i}。\n" for i in range(1, 40)),
        "```\n" + "".join(f"print({i})\n" for i in range(60)) + "```\n",
        "|" + "---|" * 30 + "\n",
        "是。不是。是。是。不是。不是。是。",
        "春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。" * 2,
        "A" * (LOOP_CHARS - 1),
        "",
    ],
    ids=["table", "list", "code", "rule", "short answers", "poem twice", "short run", "nothing"],
)
def test_ordinary_text_passes_whole(text):
    assert passed(text) == (text, False)


def test_pieces_make_no_difference():
    texts = [LEAVE * 30, "哈哈" * 500, f"{LEAVE}{MARRIAGE}" * 20, LEAVE * 2 + MARRIAGE]
    for text in texts:
        assert all(one == other for one, other in pairwise(passed(text, step) for step in (1, 3, 50)))


@pytest.mark.parametrize("period", [1, 2, 13, 100, 1_200])
def test_period_is_found_whatever_its_length(period):
    unit = "".join(chr(0x4E00 + 37 * i) for i in range(period))
    copies = COPIES + LOOP_CHARS // period
    assert repeats_itself("前文" + unit * copies)
    assert repeats_itself("前文" + unit * copies + unit[: period // 2])
    assert not repeats_itself(unit * (COPIES - 1))
