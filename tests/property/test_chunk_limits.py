"""No chunk is over its limit, and rows of tables stay whole."""

from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.settings import SplitSettings
from ingest.split import split
from retrieval.models import Block, Document

LINES = st.lists(
    st.text(st.sampled_from("年假天数合规管理办法。，；！“”（） ab1.\U00020bb7"), min_size=1, max_size=300),
    min_size=1,
    max_size=20,
)


@settings(deadline=None)
@given(LINES, st.integers(20, 500), st.integers(0, 100))
def test_no_span_is_over_the_limit(lines, max_chars, min_chars):
    text = "\n".join(lines)

    assert all(
        span.end - span.start <= max_chars
        for span in split(Document("t", text), SplitSettings(max_chars=max_chars, min_chars=min_chars))
    )


@settings(deadline=None)
@given(
    st.lists(st.lists(st.text("甲乙丙。12", min_size=1, max_size=9), min_size=2, max_size=5), min_size=1, max_size=30)
)
def test_no_row_is_cut_when_it_fits(cells):
    rows = [" | ".join(row) for row in cells]
    text = "\n".join(rows)
    document = Document("t", text, blocks=(Block("table", 0, len(text)),))

    spans = split(document, SplitSettings(max_chars=60))

    assert "\n".join(document.text[span.start : span.end] for span in spans) == text


@settings(deadline=None)
@given(st.lists(st.sampled_from(["标题一", "标题二", "很长的正文" * 12]), min_size=2, max_size=12))
def test_no_span_is_a_heading_alone_when_text_follows_that_fits(contents):
    text, blocks = "", []
    for content in contents:
        start = len(text)
        text += content + "\n"
        is_heading = content.startswith("标题")
        blocks.append(Block("heading" if is_heading else "paragraph", start, start + len(content), int(is_heading)))
    document = Document("t", text, blocks=tuple(blocks))

    spans = split(document, SplitSettings(max_chars=300))

    assert all("正文" in document.text[span.start : span.end] for span in spans[:-1])
