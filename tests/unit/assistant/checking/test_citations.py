from __future__ import annotations

from assistant.checking.citations import cite, without_markers
from tests.unit.assistant.builders import source

LEAVE = source("第一条 总则。年休假为5天。病假另算。", start=100, page=3)


def test_offsets_are_the_documents_when_a_chunk_is_cited() -> None:
    citation = cite(2, LEAVE, 7, 14)
    assert (citation.index, citation.quote, citation.start, citation.end) == (2, "年休假为5天。", 107, 114)
    assert (citation.page, citation.source.chunk.version_id) == (3, "ver_手册.pdf")


def test_page_is_the_quotes_own_when_it_can_be_found() -> None:
    assert cite(1, LEAVE, 7, 14, lambda chunk, offset: offset // 10).page == 10


def test_markers_go_when_plain_text_is_wanted() -> None:
    assert without_markers("甲。[1][2]乙[12]。") == "甲。乙。"
