"""Pictures through the real models: what stands in them, in which order."""

import pytest

from ingest.errors import EmptyFileError, NeedsOcrError
from ingest.loaders import load
from ingest.settings import LoadSettings, OcrSettings
from scripts.make_pictures import COLUMNS, NOTICE, TABLE, TRADITIONAL
from tests.pdf_files import make_pdf
from tests.picture_files import (
    docx_with,
    joined_pdf,
    pdf_with_picture,
    png,
    pptx_with,
    scanned_pdf,
    sheet,
    turned,
    xlsx_with,
)

OFF = LoadSettings(ocr=OcrSettings(mode="off"))
NOTICE_TEXT = "".join(text for _, _, _, text in NOTICE)
TEXT_PAGE = [(60, 740, 10, "这一页有文字层，写着第一段。"), (60, 300, 10, "图下面还有一段。")]


def read(data, name="图.png", settings=None):
    return load(data, source=name, settings=settings)


def folded(text):
    """Return text without spaces, full-width signs as ASCII: a reader cannot tell one width from the other."""
    widths = str.maketrans("（），：；。？", "(),:;.?")
    return "".join(text.split()).translate(widths)


def test_text_of_a_picture_is_read_when_it_is_print():
    loaded = read(sheet("notice"))

    assert folded(loaded.document.text) == folded(NOTICE_TEXT)
    assert (loaded.loader, loaded.media_type, loaded.document.page_starts) == ("image", "image/png", ())
    assert loaded.document.title == "停水通知"


def test_lines_are_joined_to_paragraphs_when_they_are_full():
    [paragraph] = [line for line in read(sheet("notice")).document.text.split("\n") if line.startswith("因市政")]

    assert paragraph.endswith("消防水箱不受影响。")


def test_traditional_text_is_read_when_a_picture_holds_it():
    assert folded(read(sheet("traditional")).document.text) == folded("".join(one[3] for one in TRADITIONAL))


def test_columns_are_read_one_after_the_other_when_a_picture_has_two():
    assert folded(read(sheet("columns")).document.text) == folded("".join(COLUMNS))


@pytest.mark.parametrize("degrees", [0, -2])
def test_table_rows_stay_together_when_a_picture_has_a_table(degrees):
    document = read(turned("table", degrees)).document

    [block] = document.blocks
    rows = document.text[block.start : block.end].split("\n")
    assert block.kind == "table"
    assert [[folded(cell) for cell in row.split(" | ")] for row in rows] == [
        [folded(cell) for cell in row] for row in TABLE
    ]


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_text_is_read_when_the_picture_lies_on_its_side_or_head(degrees):
    assert folded(read(turned("notice", degrees)).document.text) == folded(NOTICE_TEXT)


def test_picture_is_empty_when_nothing_is_written_on_it():
    from PIL import Image

    with pytest.raises(EmptyFileError):
        read(png(Image.new("L", (400, 300), "white")))


def test_pages_keep_their_numbers_when_some_are_scanned():
    pages = [make_pdf([TEXT_PAGE]), scanned_pdf("notice", "table")]
    loaded = read(joined_pdf(pages), "混合.pdf")

    starts = [*loaded.document.page_starts, len(loaded.document.text)]
    texts = [loaded.document.text[a:b] for a, b in zip(starts, starts[1:], strict=False)]
    assert len(texts) == 3 and loaded.warnings == () and not loaded.needs_ocr
    assert "这一页有文字层" in texts[0] and "停水通知" in texts[1] and "空气压缩机 | GA37 | 2 | 128000" in texts[2]


def test_scanned_pages_are_named_when_ocr_is_off():
    loaded = read(joined_pdf([make_pdf([TEXT_PAGE]), scanned_pdf("notice")]), "混合.pdf", OFF)

    assert loaded.needs_ocr and "第 2 页" in loaded.warnings[0].zh
    with pytest.raises(NeedsOcrError):
        read(scanned_pdf("notice"), "扫描.pdf", OFF)


def test_text_of_a_picture_stands_where_it_does_when_the_page_has_text():
    data = pdf_with_picture(make_pdf([TEXT_PAGE]), "notice", left=60, bottom=400, width=450)
    text = folded(read(data, "图文.pdf").document.text)

    assert text.index("写着第一段") < text.index("停水通知") < text.index("图下面还有一段")
    assert read(data, "图文.pdf", OFF).needs_ocr


@pytest.mark.parametrize(
    ("lines", "width"),
    [
        (TEXT_PAGE, 60),  # A logo.
        ([*TEXT_PAGE, (80, 460, 10, "图上已经有文字层了")], 450),
    ],
)
def test_picture_on_a_page_is_left_alone_when_it_is_small_or_has_its_text(lines, width):
    data = pdf_with_picture(make_pdf([lines]), "notice", left=60, bottom=400, width=width)
    loaded = read(data, "图文.pdf", OFF)

    assert not loaded.needs_ocr


@pytest.mark.parametrize(
    ("name", "data", "before", "after"),
    [
        ("a.docx", docx_with("notice"), "前文", "后文"),
        ("a.pptx", pptx_with("notice", title="标题页"), "标题页", ""),
        ("a.xlsx", xlsx_with("notice", cell="D4"), "A1|水泵台账!D4图片:", ""),
    ],
)
def test_text_of_a_picture_stands_in_its_place_when_an_office_file_shows_it(name, data, before, after):
    loaded = read(data, name)
    text = folded(loaded.document.text)

    assert not loaded.needs_ocr
    assert text.index(before) < text.index(folded(NOTICE_TEXT)) < (text.index(after) if after else len(text))
    unread = read(data, name, OFF)
    assert unread.needs_ocr and "停水" not in unread.document.text


def test_picture_is_read_once_when_it_is_shown_twice():
    assert read(docx_with("notice", "notice"), "a.docx").document.text.count("停水通知") == 1


@pytest.mark.parametrize(
    ("name", "data"),
    [("a.docx", docx_with("notice", before="", after="")), ("a.pptx", pptx_with("notice", title=""))],
)
def test_file_needs_ocr_when_it_holds_nothing_but_pictures(name, data):
    with pytest.raises(NeedsOcrError, match="holds pictures alone"):
        read(data, name, OFF)


@pytest.mark.parametrize(
    "ocr", [OcrSettings(embedded=False), OcrSettings(min_pixels=2_000_000), OcrSettings(max_pictures=0)]
)
def test_pictures_in_files_are_left_alone_when_settings_say_so(ocr):
    loaded = read(docx_with("notice"), "a.docx", LoadSettings(ocr=ocr))

    assert (loaded.document.text, loaded.needs_ocr) == ("前文。\n后文。", False)


def test_document_is_read_when_a_picture_in_it_is_damaged():
    loaded = read(docx_with("notice", damaged=True), "a.docx")

    assert loaded.document.text.startswith("前文。") and loaded.document.text.endswith("后文。")
