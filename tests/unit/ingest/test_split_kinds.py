"""Questions with their answers, mails, laws and manuals: what belongs together stays so, and says where it stands."""

from __future__ import annotations

import pytest

from ingest.loaders import load
from ingest.settings import SplitSettings
from ingest.split import split
from ingest.split.faq import pairs_of
from ingest.split.mails import message_starts
from retrieval.models import Block, Document, Span


def spans_of(text: str, max_chars: int = 120, name: str = "a.txt") -> tuple[Document, tuple[Span, ...]]:
    document = load(text.encode(), source=name).document
    return document, split(document, SplitSettings(max_chars=max_chars, min_chars=20))


def pieces(text: str, max_chars: int = 120, name: str = "a.txt") -> list[str]:
    document, spans = spans_of(text, max_chars, name)
    return [document.text[span.start : span.end] for span in spans]


def asked(lines: list[str]) -> list[tuple[int, int]]:
    none = [False] * len(lines)
    return [(pair.first, pair.end) for pair in pairs_of(lines, none, none)]


ANSWER = "入职满一年可以休五天，满十年可以休十天，须提前一周在系统中申请，由直属主管批准后生效。"


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("问：年假第{}条怎么算？", "答："),
        ("Q{}: 年假怎么算", "A{}: "),
        ("Q：年假怎么算（{}）", "A："),
        ("问题{}：年假怎么算", "答案："),
        ("【问题】年假怎么算{}", "【答案】"),
        ("{}. 问：年假怎么算？", "答："),
        ("Question {}. How is leave counted?", "Answer {}. "),
        ("{}、年假怎么算？", ""),
        ("{}. 年假怎么算？", ""),
        ("（{}）年假怎么算？", ""),
        ("## 年假怎么算{}？", ""),
    ],
)
def test_answers_stay_with_their_questions_however_they_are_marked(question: str, answer: str) -> None:
    text = "\n".join(f"{question.format(n)}\n{answer.format(n)}{ANSWER}\n{ANSWER}" for n in range(1, 7))

    found = pieces(text, 150, name="a.md" if question.startswith("#") else "a.txt")

    assert len(found) > 3
    for piece in found:
        assert piece.count("年假怎么算") + piece.count("年假第") + piece.count("How is") == piece.count(ANSWER) / 2
        assert not piece.startswith((ANSWER, "答", "A"))


def test_answer_stays_with_its_question_over_a_page_when_both_fit() -> None:
    text = f"问：年假怎么算？\n答：{ANSWER}\n{ANSWER}\n问：病假怎么算？\n答：{ANSWER}\n{ANSWER}"
    page = text.index(ANSWER, 40)
    document = Document("t", text, page_starts=(0, page))

    found = [text[span.start : span.end] for span in split(document, SplitSettings(max_chars=120, min_chars=20))]

    assert [piece[:4] for piece in found] == ["问：年假", "问：病假"]


def test_pieces_of_a_long_answer_name_their_question() -> None:
    text = f"问：年假怎么算？\n答：{ANSWER * 4}\n{ANSWER * 3}\n问：病假怎么算？\n答：{ANSWER}"

    document, spans = spans_of(text)

    assert document.text[spans[0].start :].startswith("问：年假怎么算？\n答：入职")
    assert "五天" in document.text[spans[0].start : spans[0].end]
    assert [span.heading for span in spans] == [("问：年假怎么算？",)] * (len(spans) - 1) + [()]


@pytest.mark.parametrize(
    "lines",
    [
        ["他问我：去哪里？", "我没有回答。", "我们就走了。"],
        ["这样做对吗？不对。", "应当先申请。", "再由主管批准。", "最后归档。"],
        ["1. 你在哪个部门？", "2. 你满意吗？", "3. 有什么建议？"],  # A questionnaire: nobody answers.
        ["A. 五天", "B. 十天", "C. 十五天"],
        ["问题：接口超时", "现象是页面打不开。", "原因是连接数不够。"],
    ],
)
def test_no_pair_is_seen_when_nothing_is_answered(lines: list[str]) -> None:
    assert asked(lines) == []


def test_only_questions_with_answers_are_pairs_when_prose_stands_before() -> None:
    lines = ["欢迎使用本系统。", "问：怎么登录？", "答：用工号。", "问：怎么退出？", "答：点右上角。"]

    assert asked(lines) == [(1, 3), (3, 5)]


def test_rows_of_questions_and_answers_stay_whole_when_a_table_holds_them() -> None:
    rows = "\n".join(f"年假第{n}问怎么算,{ANSWER}" for n in range(1, 20))

    document, spans = spans_of(f"问题,答案\n{rows}", 200, "faq.csv")

    lines = [line for span in spans for line in document.text[span.start : span.end].split("\n")]
    assert lines[1:] == [f"问题: 年假第{n}问怎么算 | 答案: {ANSWER}" for n in range(1, 20)]


REPLIES = """王经理您好：

样品已经收到，测试结果合格。

发件人：王敏 <wang@example.com>
发送时间：2024年1月9日 10:20
收件人：张伟
主题：回复：样品

样品今天寄出，请注意查收。

On Mon, Jan 8, 2024 at 9:30 AM Zhang Wei <zhang@example.com> wrote:
> 请问样品什么时候可以寄出？
> 我们急着测试。
>
> 在 2024年1月5日，李娜 <li@example.com> 写道：
>> 附上询价单，请报价。
"""


def test_each_mail_of_a_thread_is_a_chunk_with_its_sender_and_day() -> None:
    heads = "From: 张伟 <zhang@example.com>\nDate: Wed, 10 Jan 2024 09:30:00 +0800\nSubject: 样品\nMIME-Version: 1.0"
    document = load(f"{heads}\n\n{REPLIES}".encode(), source="a.eml").document

    spans = split(document)

    assert [span.heading for span in spans] == [
        ("样品", "张伟 2024-01-10"),
        ("样品", "王敏 2024-01-09"),
        ("样品", "Zhang Wei 2024-01-08"),
        ("样品", "李娜 2024-01-05"),
    ]
    assert "测试结果合格" in document.text[spans[0].start : spans[0].end]
    assert document.text[spans[3].start : spans[3].end].endswith(">> 附上询价单，请报价。")


def test_thread_is_told_by_its_heads_when_it_stands_in_another_document() -> None:
    document = load(f"往来邮件如下。\n\n{REPLIES}".encode(), source="a.txt").document

    assert [span.heading for span in split(document)] == [
        (),
        ("王敏 2024-01-09",),
        ("Zhang Wei 2024-01-08",),
        ("李娜 2024-01-05",),
    ]


@pytest.mark.parametrize(
    ("lines", "label"),
    [
        (
            ["From: Ann Lee [mailto:ann@x.com]", "Sent: Monday, January 8, 2024 9:30 AM", "To: Bob"],
            "Ann Lee 2024-01-08",
        ),
        (["寄件者: 陳小姐 <c@x.tw>", "寄件日期: 2024/1/8 上午 9:30", "收件者: 王"], "陳小姐 2024-01-08"),
        (["**发件人:** 王敏", "**日期:** 2024-01-08", "**主题:** 样品"], "王敏 2024-01-08"),
        (["> From: a@x.com", "> To: b@x.com", "> Subject: hi"], "a@x.com"),
        (["在2024年1月8日，王敏写道："], "王敏 2024-01-08"),
        (["2024-01-08 09:30:11，王敏 <w@x.cn> 写道："], "王敏 2024-01-08"),
    ],
)
def test_mail_is_named_by_sender_and_day_in_any_program_s_words(lines: list[str], label: str) -> None:
    assert message_starts(lines, [False] * len(lines)) == {0: label}


@pytest.mark.parametrize(
    "lines",
    [
        ["时间：2024年1月8日", "地点：三楼会议室", "主题：季度总结"],
        ["发件人：王敏"],
        ["主题：样品", "日期：2024-01-08"],
        ["鲁迅在《故乡》中写道："],
        ["From: here", "we go on"],
    ],
)
def test_no_mail_is_seen_when_heads_lack_who_wrote_it_or_more(lines: list[str]) -> None:
    assert message_starts(lines, [False] * len(lines)) == {}


def test_long_article_names_itself_in_each_of_its_pieces() -> None:
    text = f"第一章 总则\n第一条 {ANSWER}\n第二条之一 {ANSWER * 2}\n（一）{ANSWER}\n（二）{ANSWER}\n第三条 {ANSWER}"

    _, spans = spans_of(text)

    assert [span.heading for span in spans] == [
        ("第一章 总则",),
        *[("第一章 总则", "第二条之一")] * (len(spans) - 2),
        ("第一章 总则",),
    ]


def test_items_of_an_article_are_no_headings_when_they_are_short() -> None:
    text = f"第六条 处分的种类为：\n（一）警告\n（二）记过\n（三）开除\n第七条 {ANSWER}"

    assert {span.heading for span in spans_of(text)[1]} == {()}
    assert {span.heading for span in spans_of(f"（一）适用范围\n{ANSWER}")[1]} == {("（一）适用范围",)}


def test_english_articles_are_articles() -> None:
    long = "The parties shall settle any dispute by negotiation within thirty days of its notice. "
    text = f"Article 1 Scope\n{long}\nArticle II. Term\n{long * 3}\nArticle 3 of the law applies to it.\n{long}"

    _, spans = spans_of(text, 150)

    assert {span.heading for span in spans} == {(), ("Article II",)}


def test_chapters_with_one_figure_are_headings_when_their_sections_are_numbered_under_them() -> None:
    text = f"1 概述\n{ANSWER}\n2. 安装\n2.1 准备工具\n{ANSWER}\n2.2 固定支架\n{ANSWER}\n3 维护\n3.1 清洁\n{ANSWER}"

    assert [span.heading for span in spans_of(text, 60)[1]][-3:] == [
        ("2. 安装", "2.1 准备工具"),
        ("2. 安装", "2.2 固定支架"),
        ("3 维护", "3.1 清洁"),
    ]


def test_steps_are_no_headings_when_nothing_is_numbered_under_them() -> None:
    assert {span.heading for span in spans_of(f"1. 打开电源\n2. 等待启动\n{ANSWER}\n3. 登录系统")[1]} == {()}


def test_kinds_stand_side_by_side_when_a_document_holds_several() -> None:
    asked = "".join(f"问：{name}怎么算？\n答：{ANSWER}\n" for name in ("年假", "病假"))
    text = f"第一条 {ANSWER}\n常见问题\n{asked}姓名 | 天数\n张三 | 5"
    start = text.index("姓名")
    document = Document("t", text, blocks=(Block("paragraph", 0, start - 1), Block("table", start, len(text))))

    found = [text[span.start : span.end] for span in split(document, SplitSettings(max_chars=70, min_chars=20))]

    assert [piece[:4] for piece in found if piece.startswith(("问", "第"))] == ["第一条 ", "问：年假", "问：病假"]
    assert all(piece.count("问：") == piece.count("答：") for piece in found)
