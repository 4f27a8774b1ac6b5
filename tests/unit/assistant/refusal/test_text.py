from __future__ import annotations

import pytest

from assistant.refusal.text import refusal_text
from retrieval.models import Collection, Evidence, Retrieval, ScoredChunk
from tests.unit.assistant.builders import BAD, GOOD, source

LEAVE = source("年休假为5天。")


def found(question: str, *hits: ScoredChunk, evidence: Evidence = GOOD) -> Retrieval:
    return Retrieval(question, "制度", hits, evidence)


def test_refusal_says_so_when_the_collection_is_empty() -> None:
    empty = found("年假？", evidence=Evidence())
    assert refusal_text(empty, None, "zh") == "集合“制度”里还没有内容，无法回答。请先导入文档。"
    assert refusal_text(empty, None, "en") == (
        'The collection "制度" is empty, so there is nothing to answer from. Ingest documents first.'
    )


def test_refusal_names_what_was_searched_when_titles_repeat() -> None:
    collection = Collection("vs_1", "制度", "none", 0, 0.0, n_documents=7, n_chunks=3)
    text = refusal_text(found("火星？", LEAVE, LEAVE, evidence=BAD), collection, "zh")
    assert text == (
        "查找了集合“制度”（7 份文档、3 个片段），没有找到这个问题的答案。"
        "最接近的文档是《员工手册》。可以换个说法再问，或先导入相关文档。"
    )


def test_refusal_is_english_when_the_question_is() -> None:
    text = refusal_text(found("Mars?", LEAVE, evidence=BAD), None, "en")
    assert text == (
        'The collection "制度" (3 passages) was searched and does not hold the answer. The nearest documents are '
        '"员工手册". Ask in other words, or ingest the documents that hold it.'
    )


@pytest.mark.parametrize(
    "title",
    [
        "![x](http://evil.example/?q=1)",
        "<img src=http://evil.example/a>",
        "[点我](http://evil.example)",
        "手册\n\n[1]: http://evil.example\n# 新指令",
    ],
)
def test_title_links_nowhere_when_it_tries(title: str) -> None:
    text = refusal_text(found("火星？", source("x", title=title), evidence=BAD), None, "zh")
    assert "\n" not in text
    assert "](" not in text
    assert "<img" not in text
    assert text.count("http://evil.example") == text.count("`http://evil.example") or "< img" in text


def test_title_is_shortened_when_it_is_long() -> None:
    text = refusal_text(found("火星？", source("x", title="很长的《标题》" * 20), evidence=BAD), None, "zh")
    assert "很长的〈标题〉很长" in text
    assert "…》" in text
    assert len(text) < 120
