from __future__ import annotations

from assistant.evaluation.corpus import Question
from assistant.evaluation.metrics import Passage, Row
from assistant.evaluation.wrong_citations import dropped_citations, wrong_citations

ASKED = Question("q1", "年假几天？", ("5天",), gold_doc_ids=("d1",))
UNANSWERABLE = Question("q2", "火星几人？", is_answerable=False)


def test_cause_is_told_when_a_citation_is_wrong() -> None:
    rows = [
        Row(
            "q1",
            answer="5天",
            citations=(Passage("d1", "年假为5天"), Passage("d1", "病假"), Passage("d2", "年假为5天")),
        ),
        Row("q2", answer="3人", citations=(Passage("d1", "年假为5天"),)),
        Row("q9", answer="?", citations=(Passage("d1", "不在问题里"),)),
    ]
    assert wrong_citations([ASKED, UNANSWERABLE], rows) == {
        "citations": 4,
        "right": 1,
        "wrong_passage": 1,
        "wrong_document": 1,
        "unanswerable": 1,
    }


def test_nothing_is_wrong_when_the_question_was_refused() -> None:
    refused = Row("q2", is_refused=True, citations=(Passage("d1", "年假"),))
    assert wrong_citations([UNANSWERABLE], [refused])["citations"] == 0


def test_reasons_are_counted_when_the_check_dropped_citations() -> None:
    rows = [Row("q1", dropped=("number", "words")), Row("q2", dropped=("number",)), Row("q3")]
    assert dropped_citations(rows) == {"number": 2, "words": 1}
