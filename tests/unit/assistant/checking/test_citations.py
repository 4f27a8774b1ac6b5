from __future__ import annotations

import pytest

from assistant.checking.citations import CitationStream, is_supported, without_markers
from assistant.sources.source import number_chunks
from tests.unit.assistant.builders import source

LEAVE = source("第一条 总则。年休假为5天。病假另算。", start=100, page=3)
TRAVEL = source("出差住宿费每天不超过400元。", name="差旅.docx")


def stream(text: str, *, size: int = 1) -> tuple[str, CitationStream]:
    cited = CitationStream(number_chunks([LEAVE, TRAVEL]))
    shown = "".join(cited.feed(text[i : i + size]) for i in range(0, len(text), size)) + cited.finish()
    return shown, cited


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("年休假为5天。[1]", "年休假为5天。[1]"),
        ("年休假为5天[1]。", "年休假为5天[1]。"),
        ("年休假为5天。【1】", "年休假为5天。[1]"),
        ("年休假为5天。［１］", "年休假为5天。[1]"),
        ("年休假为5天。[资料1]", "年休假为5天。[1]"),
        ("年休假为5天，住宿费每天400元。[1][2]", "年休假为5天，住宿费每天400元。[1][2]"),
        ("年休假为5天，住宿费每天400元。[1, 2]", "年休假为5天，住宿费每天400元。[1][2]"),
        ("年休假为5天，住宿费每天400元。【1、2】", "年休假为5天，住宿费每天400元。[1][2]"),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 100])
def test_markers_are_written_alike_when_the_model_varies(written: str, shown: str, size: int) -> None:
    assert stream(written, size=size)[0] == shown


def test_numbers_vanish_when_no_source_has_them() -> None:
    shown, cited = stream("年休假为5天。[1][7] 住宿费每天400元。[0][2,99]")
    assert shown == "年休假为5天。[1] 住宿费每天400元。[2]"
    assert [citation.index for citation in cited.citations()] == [1, 2]


def test_marker_vanishes_when_the_source_says_nothing_of_it() -> None:
    shown, cited = stream("公司总部在哈尔滨西大直街。[2]")
    assert shown == "公司总部在哈尔滨西大直街。"
    assert cited.citations() == ()


@pytest.mark.parametrize("text", ["国发[2023]5号", "数组[a]和[", "《通知》【重要】", "［待定］", "a[1.5]b"])
def test_brackets_stay_when_they_are_no_markers(text: str) -> None:
    assert stream(text)[0] == text


def test_only_the_possible_marker_is_held_when_text_streams() -> None:
    cited = CitationStream(number_chunks([LEAVE]))
    assert cited.feed("年休假为5天。[") == "年休假为5天。"
    assert cited.feed("1") == ""
    assert cited.feed("] 完") == "[1] 完"


def test_quote_is_the_supporting_sentence_when_a_chunk_has_many() -> None:
    (citation,) = stream("年休假是5天。[1]")[1].citations()
    assert (citation.quote, citation.start, citation.end, citation.page) == ("年休假为5天。", 107, 114, 3)


def test_quote_is_found_when_script_and_width_differ() -> None:
    (citation,) = stream("年休假爲５天。[1]")[1].citations()
    assert citation.quote == "年休假为5天。"


def test_following_sentence_is_the_claim_when_the_marker_leads() -> None:
    shown, cited = stream("[1] 年休假为5天。住宿另算。")
    assert shown.startswith("[1] ")
    assert [citation.quote for citation in cited.citations()] == ["年休假为5天。"]


def test_citation_stays_when_languages_cannot_be_compared() -> None:
    assert is_supported("The annual leave is long.", LEAVE.chunk)
    assert not is_supported("总部在哈尔滨。", LEAVE.chunk)


def test_same_quote_is_cited_once_when_a_marker_repeats() -> None:
    assert len(stream("年休假为5天。[1] 年休假为5天。[1]")[1].citations()) == 1


def test_markers_go_when_plain_text_is_wanted() -> None:
    assert without_markers("甲。[1][2]乙[12]。") == "甲。乙。"
