import pytest

from ingest.errors import BrokenFileError, EncryptedError, IngestError, NeedsOcrError
from ingest.loaders import load
from ingest.settings import LoadSettings, OcrSettings
from retrieval.models import Document
from tests.pdf_files import TextAt, make_pdf

BODY = "员工每年可以休五天年假，满十年的可以休十天，满二十年的可以休十五天，须提前一"  # 38 characters, 10 points each.
WITHOUT_OCR = LoadSettings(ocr=OcrSettings(mode="off"))


def load_pdf(*pages: list[TextAt], title: str = "") -> Document:
    return load(make_pdf(pages, title=title), source="制度.pdf").document


def blocks(document: Document) -> list[tuple[str, int, str]]:
    return [(block.kind, block.level, document.text[block.start : block.end]) for block in document.blocks]


def test_lines_are_joined_to_paragraphs_when_they_are_full():
    document = load_pdf(
        [
            (80, 740, 10, BODY),
            (60, 725, 10, BODY + "个工"),
            (60, 710, 10, "作日申请。"),
            (80, 695, 10, "第二段。"),
        ]
    )

    assert document.text == BODY + BODY + "个工作日申请。\n第二段。"


@pytest.mark.parametrize(
    ("first", "second", "joined"),
    [
        ("满十年的可以休十天，见 Super", "vised learning 一节。", "见 Super vised learning 一节。"),
        ("满十年的可以休十天，见 super-", "vised learning 一节。", "见 supervised learning 一节。"),
        ("满十年的可以休十天，共计 6,00", "0万元。", "共计 6,000万元。"),
        ("满十年的可以休十天，见 GPT", "一节。", "见 GPT一节。"),
    ],
)
def test_words_are_joined_as_they_are_written_when_a_line_breaks_them(first, second, joined):
    assert load_pdf([(60, 740, 10, first), (60, 725, 10, second)]).text.endswith(joined)


def test_larger_lines_are_headings_when_the_body_is_smaller():
    document = load_pdf(
        [
            (60, 780, 24, "员工手册"),
            (60, 740, 16, "第一章 考勤"),
            (60, 720, 10, BODY),
            (60, 690, 12, "1.1 迟到"),
            (60, 670, 10, BODY),
            (60, 655, 10, BODY),
        ]
    )

    assert blocks(document) == [
        ("heading", 1, "员工手册"),
        ("heading", 2, "第一章 考勤"),
        ("paragraph", 0, BODY),
        ("heading", 3, "1.1 迟到"),
        ("paragraph", 0, BODY + BODY),
    ]
    assert document.title == "员工手册"


def test_title_comes_from_the_metadata_when_it_is_sensible():
    page = [(60, 700, 10, BODY)]

    assert load_pdf(page, title="年度报告").title == "年度报告"
    assert load_pdf(page, title="untitled").title == "制度"


def test_each_page_knows_where_it_starts():
    document = load_pdf([(60, 740, 10, "第一页的内容。")], [], [(60, 740, 10, "第三页的内容。")])

    assert [document.text[start:].strip()[:3] for start in document.page_starts] == ["第一页", "第三页", "第三页"]
    assert document.page_starts == (0, 8, 8)


def test_paragraph_is_joined_over_pages_and_the_page_starts_inside_it():
    document = load_pdf([(60, 740, 10, BODY), (60, 725, 10, BODY)], [(60, 740, 10, "个工作日申请。")])

    assert document.text == BODY + BODY + "个工作日申请。"
    assert document.page_starts == (0, 2 * len(BODY))


def test_heads_feet_and_page_numbers_are_dropped_when_they_repeat():
    pages = [
        [
            (60, 800, 9, "星河智造 内部资料"),
            (60, 740, 10, f"第{name}部分的内容。"),
            (60, 720, 10, f"{name}部结束。"),
            (60, 30, 9, f"第 {number} 页 共 4 页"),
        ]
        for number, name in enumerate("甲乙丙丁", 1)
    ]

    assert load_pdf(*pages).text == "\n".join(f"第{name}部分的内容。\n{name}部结束。" for name in "甲乙丙丁")


def test_columns_are_read_one_after_the_other_when_the_file_mixes_them():
    left = [f"左栏第{n}行文字一直写到栏的右边为止" for n in "一二三四五六七八九"]
    right = [f"右栏第{n}行文字一直写到栏的右边为止" for n in "一二三四五六七八九"]
    lines: list[TextAt] = [(60, 780, 14, "双栏文件的标题写得很长一直横跨过两个栏目之间的空白")]
    for row, (a, b) in enumerate(zip(left, right, strict=True)):
        lines += [(60, 740 - 15 * row, 10, a), (310, 740 - 15 * row, 10, b)]

    text = load_pdf(lines).text.split("\n")[-1]

    assert text == "".join(left) + "".join(right)


def test_table_rows_are_lines_of_cells():
    document = load_pdf(
        [
            (60, 740, 10, BODY),
            (60, 700, 10, "业务板块"),
            (250, 700, 10, "收入"),
            (60, 680, 10, "视觉检测"),
            (250, 680, 10, "7.42"),
        ]
    )

    assert blocks(document)[-1] == ("table", 0, "业务板块 | 收入\n视觉检测 | 7.42")


def test_pages_without_text_are_reported_when_others_have_it():
    loaded = load(make_pdf([[(60, 740, 10, "有文字的一页。")], [], []]), source="a.pdf", settings=WITHOUT_OCR)

    assert [warning.en for warning in loaded.warnings] == [
        "2 of 3 pages have no text layer and were not read (pages 2, 3): install the extra 'ocr' "
        "(pip install 'huozi-assistant[ocr]') and run `huozi ingest --ocr`."
    ]
    assert [warning.zh for warning in loaded.warnings] == [
        "3 页中有 2 页没有文字层，未读取（第 2, 3 页）："
        "请安装 ocr 组件（pip install 'huozi-assistant[ocr]'），再运行 `huozi ingest --ocr`。"
    ]
    assert loaded.needs_ocr
    assert (loaded.media_type, loaded.loader) == ("application/pdf", "pdf")


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (make_pdf([[], []]), NeedsOcrError, "'a.pdf' has no text layer on any of its 2 pages: it is scanned"),
        (make_pdf([[(60, 740, 10, "薪酬")]], encrypted=True), EncryptedError, "'a.pdf' is encrypted."),
        (b"%PDF-1.4\nnothing after it", BrokenFileError, "'a.pdf' is damaged and cannot be read as pdf ("),
        (make_pdf([[(60, 740, 10, "薪酬")]])[:300], BrokenFileError, "'a.pdf' is damaged and cannot be read as pdf ("),
    ],
)
def test_pdf_is_refused_when_it_cannot_be_read(data, error, message):
    with pytest.raises(IngestError) as caught:
        load(data, source="a.pdf", settings=WITHOUT_OCR)

    assert type(caught.value) is error
    assert message in str(caught.value)
