from __future__ import annotations

from assistant.assistant import Assistant
from tests.unit.assistant.builders import FakeRetriever, source


def answer_from(text: str, **fields: object):
    return Assistant(FakeRetriever([source(text, **fields)])).ask("年假多少天？")


def test_link_in_a_quote_is_inert_and_the_citation_keeps_it() -> None:
    text = "年假为5天，详见[官网](http://evil.example/年假)。"
    answer = answer_from(text)
    assert answer.text == "年假为5天，详见官网（`http://evil.example/年假`）。[1]"
    assert [one.quote for one in answer.citations] == [text]


def test_link_in_a_quote_stays_when_the_document_came_from_there() -> None:
    text = "年假为5天，见 https://ok.example/a 。"
    assert "<https://ok.example/a>" in answer_from(text, metadata={"url": "https://ok.example/a"}).text


def test_numbers_in_a_quote_pass_for_no_citation() -> None:
    answer = answer_from("年假为5天。[1][2] 年假另有规定[99]。")
    assert answer.text.count("[1]") == len(answer.citations)
    assert "［99］" in answer.text or "99" not in answer.text
    assert "[2]" not in answer.text and "[99]" not in answer.text


def test_each_fact_is_quoted_when_the_question_is_over_several() -> None:
    hits = [source("年假为5天。年假天数另有补充说明。", name="a"), source("病假为12天。", name="b")]
    answer = Assistant(FakeRetriever(hits)).ask("年假和病假分别为几天？")
    assert {one.quote for one in answer.citations} >= {"年假为5天。", "病假为12天。"}
