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


@settings(deadline=None)
@given(
    st.lists(
        st.lists(st.text("年假天数，。", min_size=1, max_size=40), min_size=1, max_size=4), min_size=1, max_size=12
    ),
    st.lists(st.integers(0, 600), max_size=3),
)
def test_no_answer_leaves_its_question_when_both_fit(answers, pages):
    pairs = [f"问：第{n}问？\n答：" + "\n".join(lines) for n, lines in enumerate(answers)]
    text = "\n".join(pairs)
    document = Document("t", text, page_starts=(0, *sorted(pages)) if pages else ())

    spans = split(document, SplitSettings(max_chars=250))

    pieces = [text[span.start : span.end] for span in spans]
    assert all(any(pair in piece for piece in pieces) for pair in pairs)


@settings(deadline=None)
@given(st.lists(st.text("样品寄出，。", min_size=1, max_size=60), min_size=1, max_size=8))
def test_no_span_holds_two_mails(bodies):
    text = "\n".join(f"发件人：王{n}\n日期：2024-01-08\n{body}" for n, body in enumerate(bodies))

    spans = split(Document("t", text), SplitSettings(max_chars=500))

    assert [text[span.start : span.end].count("发件人：") for span in spans] == [1] * len(bodies)
    assert [span.heading for span in spans] == [(f"王{n} 2024-01-08",) for n in range(len(bodies))]
