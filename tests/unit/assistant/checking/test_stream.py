from __future__ import annotations

import pytest

from assistant.checking.check import SentenceCheck
from assistant.checking.stream import CheckedStream, Mode
from assistant.sources.source import Source, number_chunks
from tests.unit.assistant.builders import source

LEAVE = source("第一条 总则。年休假为5天。病假另算。", start=100, page=3)
TRAVEL = source(
    "出差住宿费每天不超过400元。机票凭据报销。", name="差旅.docx", metadata={"url": "https://a.example/travel"}
)
SOURCES = number_chunks([LEAVE, TRAVEL])


def run(text: str, mode: Mode = "strict", *, size: int = 3, question: str = "年休假有几天？") -> CheckedStream:
    checked = CheckedStream(SentenceCheck(SOURCES, question), mode)
    shown = ""
    for i in range(0, len(text), size):
        for written in checked.feed(text[i : i + size]):
            shown += checked.settle(written)
    for written in checked.finish():
        shown += checked.settle(written)
    shown += checked.end()
    assert shown == checked.text
    return checked


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("年休假为5天。[1]", "年休假为5天。[1]"),
        ("年休假为5天[1]。", "年休假为5天[1]。"),
        ("年休假为5天。【1】", "年休假为5天。[1]"),
        ("年休假为5天。［１］", "年休假为5天。[1]"),
        ("年休假为5天。[资料1]", "年休假为5天。[1]"),
        ("年休假为5天，住宿费每天不超过400元。[1][2]", "年休假为5天，住宿费每天不超过400元。[1][2]"),
        ("年休假为5天，住宿费每天不超过400元。【1、2】", "年休假为5天，住宿费每天不超过400元。[1][2]"),
        ("年休假为5天[1]，住宿费每天不超过400元。[2]", "年休假为5天[1]，住宿费每天不超过400元。[2]"),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 100])
def test_markers_are_written_alike_when_the_model_varies(written: str, shown: str, size: int) -> None:
    assert run(written, size=size).text == shown


def test_number_vanishes_when_no_source_has_it() -> None:
    checked = run("年休假为5天。[1][7]住宿费每天不超过400元。[0][2,99]")
    assert checked.text == "年休假为5天。[1]住宿费每天不超过400元。[2]"
    assert [citation.index for citation in checked.citations] == [1, 2]
    assert {(one.index, one.reason) for one in checked.dropped} == {(n, "no_such_source") for n in (7, 0, 99)}


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("年休假为15天。[1]", "number"),
        ("年休假为5天，自2021年3月起。[1]", "date"),
        ("年休假由赵钱孙批准。[1]", "name"),
        ("病假不另算。[1]", "negation"),
        ("第一条规定“年休假为五天且病假照常发放工资”。[1]", "quote"),
    ],
)
def test_sentence_is_dropped_when_its_source_does_not_say_it(written: str, reason: str) -> None:
    checked = run(f"年休假为5天。[1]{written}机票凭据报销。[2]")
    assert checked.text == "年休假为5天。[1]机票凭据报销。[2]"
    assert [(one.index, one.sentence, one.reason) for one in checked.dropped] == [(1, written[:-3], reason)]


def test_sentence_gets_its_citation_when_the_model_wrote_none_or_a_wrong_one() -> None:
    checked = run("年休假为5天。机票凭据报销。[1]")
    assert checked.text == "年休假为5天。[1]机票凭据报销。[2]"
    assert [(one.index, one.quote) for one in checked.citations] == [(1, "年休假为5天。"), (2, "机票凭据报销。")]
    assert [(one.index, one.reason) for one in checked.dropped] == [(1, "name")]


def test_short_answer_gets_a_citation_when_the_question_fits_too() -> None:
    assert run("5天。").text == "5天。[1]"
    assert run("5天。", question="哈尔滨的冬季奥运村有几栋楼？").text == ""


def test_sentence_is_labelled_when_mode_is_helpful() -> None:
    checked = run("您好！年休假为15天。[1]The hotel costs 500 yuan.[2]", "helpful")
    assert (
        checked.text == "您好！年休假为15天。（未获资料支持）The hotel costs 500 yuan. (not supported by the documents)"
    )
    assert [checked.text[start:end] for start, end in checked.unsupported] == [
        "年休假为15天。",
        "The hotel costs 500 yuan.",
    ]


def test_lead_in_waits_when_nothing_holds_yet() -> None:
    checked = CheckedStream(SentenceCheck(SOURCES))
    (lead,) = checked.feed("根据资料：\n1.")
    assert checked.settle(lead) == "" and checked.unsettled == "根据资料：\n1."
    (fact,) = checked.feed(" 年休假为5天。[1]\n2")
    assert checked.settle(fact) == "根据资料：\n1. 年休假为5天。[1]"
    assert checked.unsettled == "\n2"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("规定如下：\n1. 年休假为15天。\n2. 病假另算。", "规定如下：\n2. 病假另算。[1]"),
        ("1. 总部在哈尔滨。年休假为5天。", "1. 年休假为5天。[1]"),
        ("总部在哈尔滨。\n\n年休假为5天。", "年休假为5天。[1]"),
        ("年休假为5天。具体如下：\n- 总部在哈尔滨。", "年休假为5天。[1]"),
        ("住宿规定：\n- 总部在哈尔滨。\n\n休假规定：\n- 年休假为5天。", "休假规定：\n- 年休假为5天。[1]"),
        ("年休假为5天。希望对您有帮助！", "年休假为5天。[1]希望对您有帮助！"),
        ("年休假为30天，具体如下：\n- 年休假为5天。", "- 年休假为5天。[1]"),
        ("资料中没有找到答案。", ""),
        ("您好！年休假为15天。", ""),
    ],
)
def test_text_stays_whole_when_sentences_are_dropped(written: str, shown: str) -> None:
    assert run(written).text == shown


def test_row_keeps_its_cells_when_it_is_cited() -> None:
    table = "| 项目 | 天数 |\n|---|---|\n| 年休假 | 5天 |\n| 病假 | 10天 |[1]\n\n机票凭据报销。"
    assert run(table).text == "| 项目 | 天数 |\n|---|---|\n| 年休假 | 5天 [1] |\n\n机票凭据报销。[2]"


def test_header_goes_when_no_row_of_its_table_holds() -> None:
    assert run("| 项目 | 天数 |\n|---|---|\n| 病假 | 10天 |\n\n机票凭据报销。").text == "机票凭据报销。[2]"


def test_code_is_one_sentence_when_it_is_fenced() -> None:
    assert run("```\n年休假为5天。\n病假另算。\n```\n完").text == "```\n年休假为5天。\n病假另算。\n```\n[1]"


def test_link_is_text_when_no_cited_source_has_its_address() -> None:
    said = "机票凭据报销，见 {}。[2]"
    assert run(said.format("https://a.example/travel"), "helpful").text.count("`") == 2
    checked = run("机票凭据报销 <https://a.example/travel>。[2]", "helpful")
    assert "<https://b.example" not in checked.text


def test_marker_stands_for_what_follows_when_it_leads() -> None:
    checked = run("[1] 年休假为5天。")
    assert checked.text == "[1] 年休假为5天。"
    assert [one.quote for one in checked.citations] == ["年休假为5天。"]


def test_same_quote_is_cited_once_when_a_marker_repeats() -> None:
    assert len(run("年休假为5天。[1]年休假为5天。[1]").citations) == 1


def test_quote_lies_in_one_chunk_when_a_source_has_several() -> None:
    second = source("机票凭据报销。", start=100 + len(LEAVE.chunk.text), name="手册.pdf")
    checked = CheckedStream(SentenceCheck([Source(4, (LEAVE, second))]))
    for written in [*checked.feed("年休假为5天，机票凭据报销。[4]"), *checked.finish()]:
        checked.settle(written)
    (citation,) = checked.citations
    assert checked.text == "年休假为5天，机票凭据报销。[4]"
    assert citation.source in (LEAVE, second) and citation.quote in citation.source.chunk.text


def test_doubts_name_what_the_rules_are_unsure_of() -> None:
    checked = CheckedStream(SentenceCheck(SOURCES))
    assert checked.doubts("年休假为5天。[1]") == ()
    assert checked.doubts("年休假为15天。[1]") == ()
    assert checked.doubts("The annual leave is 5 days.[1]")[0] == ("The annual leave is 5 days.", 1)


@pytest.mark.parametrize(("said", "shown"), [(True, "病假不另算。[1]"), (False, "")])
def test_model_decides_when_the_rules_are_unsure(said: bool, shown: str) -> None:
    checked = CheckedStream(SentenceCheck(SOURCES))
    assert checked.feed("病假不另算。[1]") == []
    (written,) = checked.finish()
    assert checked.settle(written, {("病假不另算。", 1): said}) == shown
    assert [one.reason for one in checked.dropped] == ([] if said else ["verdict"])
