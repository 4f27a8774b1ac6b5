from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from api.source_window import page_at, source_window


@given(
    st.text("ab\n页𠮷", max_size=200),
    st.lists(st.integers(0, 200)),
    st.integers(0, 250),
    st.integers(0, 250),
    st.integers(0, 80),
)
def test_segments_join_to_text_and_quote(text: str, pages: list[int], start: int, end: int, context: int):
    page_starts = (0, *sorted({page for page in pages if 0 < page < len(text)}))
    window = source_window(text, page_starts, start, end, context=context)
    assert "".join(segment.text for segment in window.segments) == text[window.start : window.end]
    assert "".join(segment.text for segment in window.segments if segment.quoted) == text[start : max(start, end)]


def test_window_begins_and_ends_with_a_line_when_one_is_near():
    text = "一二三\n四五六\n七八九\n十"
    window = source_window(text, (), 5, 6, context=4)
    assert text[window.start : window.end] == "四五六"


def test_each_segment_knows_its_page_when_the_quote_crosses_pages():
    window = source_window("甲乙丙丁", (0, 2), 1, 3, context=10)
    assert [(one.text, one.page, one.quoted) for one in window.segments] == [
        ("甲", 1, False),
        ("乙", 1, True),
        ("丙", 2, True),
        ("丁", 2, False),
    ]


def test_page_is_none_when_the_format_has_none():
    assert page_at((), 5) is None
    assert page_at((0, 10), 9) == 1
    assert page_at((0, 10), 10) == 2
