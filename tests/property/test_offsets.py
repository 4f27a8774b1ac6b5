"""Whatever text comes in, spans slice it without loss."""

import re
from contextlib import suppress

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from ingest.encoding import DISGUISED_CHARS, decode
from ingest.errors import IngestError
from ingest.loaders import load
from ingest.settings import SplitSettings
from ingest.split import split
from retrieval.models import Block, Document

PHRASES = st.sampled_from(
    [
        "第一章 总则",
        "第一条 ",
        "第二条之一 ",
        "Article 3. ",
        "问：几天？\n",
        "答：五天。\n",
        "Q1: how?\nA1: so.\n",
        "\n1. 几天？\n",
        "\n发件人：王敏 <w@x.cn>\n日期：2024-01-08\n",
        "\n> On Mon, Jan 8, 2024, Ann wrote:\n> ",
        "\n2.1 安装\n",
        "一、范围",
        "（一）",
        "1.1 Scope",
        "# 标题",
        "年假五天。",
        "他说：“好。”",
        "value 3.14, e.g. x. ",
        "𠮷田䶮",
        "👩\u200d👩\u200d👧🇨🇳",
        "臺灣資料庫",
        "ＡＢＣ１２３",
        "列 | 值",
        "……",
        "\n",
        "\n\n",
        " ",
        "\u3000",
        "\u2028",
        "，",
        "；",
    ]
)
TEXTS = st.lists(st.one_of(PHRASES, st.text(max_size=30)), max_size=60).map("".join)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """Return a document with disjoint blocks in order and pages that start in order."""
    text = draw(TEXTS)
    ends = sorted(draw(st.sets(st.integers(0, len(text)), max_size=12)))
    blocks = []
    for start, end in zip(ends[::2], ends[1::2], strict=False):
        kind = draw(st.sampled_from(["heading", "paragraph", "table"]))
        blocks.append(Block(kind, start, end, draw(st.integers(1, 6)) if kind == "heading" else 0))
    pages = sorted(draw(st.lists(st.integers(0, len(text)), max_size=5)))
    return Document("标题", text, (0, *pages) if pages else (), tuple(blocks))


@settings(deadline=None)
@given(documents(), st.integers(20, 200), st.integers(0, 60))
def test_spans_are_ordered_trimmed_and_leave_out_white_space_only(document, max_chars, min_chars):
    spans = split(document, SplitSettings(max_chars=max_chars, min_chars=min_chars))

    position = 0
    for span in spans:
        piece = document.text[span.start : span.end]
        assert position <= span.start < span.end <= len(document.text)
        assert piece == piece.strip()
        assert not document.text[position : span.start].strip()
        position = span.end
    assert not document.text[position:].strip()


@settings(deadline=None)
@given(documents())
def test_page_is_where_the_span_starts(document):
    for span in split(document, SplitSettings(max_chars=50)):
        if not document.page_starts:
            assert span.page is None
        else:
            assert span.page is not None
            assert document.page_starts[span.page - 1] <= span.start
            assert span.page == len(document.page_starts) or document.page_starts[span.page] > span.start


@settings(deadline=None)
@given(documents())
def test_splitting_is_the_same_every_time(document):
    assert split(document) == split(document)


@settings(deadline=None)
@given(TEXTS, st.sampled_from(["txt", "md", "html"]))
def test_loaded_blocks_lie_in_order_in_the_text(text, suffix):
    try:
        document = load(text.encode("utf-8", "ignore"), source=f"a.{suffix}").document
    except IngestError:
        return
    position = 0
    for block in document.blocks:
        assert position <= block.start < block.end <= len(document.text)
        assert not document.text[position : block.start].strip()
        position = block.end
    if document.blocks:
        assert not document.text[position:].strip()
    assert document.title
    assert not re.search(r"[\x00-\x08\r]", document.text)


CHINESE = st.text(
    st.sampled_from("的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着，。"),
    min_size=12,
)


CODECS = ["gb18030", "utf-8", "utf-16-le", "utf-16-be", "utf-8-sig", "utf-16", "utf-32"]


@settings(max_examples=500)
@given(CHINESE, st.sampled_from(CODECS))
@example("子子大你这" * 4, "utf-16-le")
@example("有有是是这大你" * 3, "utf-16-be")
@example("到就不就我个中" * 12, "utf-16-le")
@example("你这中你大这大大大中你中", "utf-16-le")
@example("和地子不" * 15, "utf-16-be")
def test_text_comes_back_when_encoded(text, codec):
    # 个个个个 in UTF-16 without a mark is *N*N*N*N too, and nothing tells which of them was meant.
    assume("16-" not in codec or len(set(text) - set("，。")) >= DISGUISED_CHARS)
    try:
        decoded = decode(text.encode(codec), source="a.txt")
    except IngestError:
        # A few characters over and over may be GB18030 as well.
        assert codec in ("utf-16-le", "utf-16-be") and (len(text) < 40 or len(set(text)) < 12)
    else:
        assert decoded.text == text


@given(st.lists(st.sampled_from(["N\n", "Y\n", "0\r\n", "*N", "----", "a,b;", "ok ", "    ", "<p>"]), max_size=200))
def test_ascii_is_ascii_when_its_bytes_could_be_utf16(pieces):
    text = "".join(pieces)
    if text.strip():
        assert decode(text.encode(), source="a.txt").text == text


@settings(deadline=None)
@given(
    st.text(
        st.sampled_from("的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著，。"),
        min_size=12,
    )
)
def test_text_comes_back_when_encoded_in_big5(text):
    assert decode(text.encode("big5"), source="a.txt").text == text


@settings(deadline=None)
@given(st.text(min_size=0, max_size=200))
def test_utf8_is_never_read_as_another_encoding(text):
    with suppress(IngestError):  # A few letters of a rare script may be refused.
        assert decode(text.encode("utf-8", "ignore"), source="a.txt").encoding in ("UTF-8", "UTF-16LE", "UTF-16BE")


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_load_or_are_refused(data):
    for suffix in ("txt", "md", "html", "pdf", "docx"):
        try:
            assert load(data, source=f"a.{suffix}").document.text.strip()
        except IngestError as error:
            assert "'a." in str(error)
