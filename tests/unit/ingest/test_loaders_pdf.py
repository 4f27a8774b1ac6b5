import pytest

from ingest.errors import BrokenFileError, EncryptedError, IngestError, NeedsOcrError
from ingest.loaders import load
from ingest.loaders.pdf_page import readable
from ingest.loaders.pdf_rules import Rule
from ingest.loaders.pdf_tables import grids_of
from ingest.settings import LoadSettings, OcrSettings
from retrieval.models import Document
from tests.pdf_files import TextAt, locked, make_pdf, ruled

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


GRID = ruled([60, 160, 260, 400], [720, 700, 670, 650])
CELLS: list[TextAt] = [
    *((65, 705, 10, "岗位"), (165, 705, 10, "补贴"), (265, 705, 10, "说明")),
    *((65, 685, 10, "经理"), (165, 685, 10, "800元"), (265, 685, 10, "每月随工资发放，不"), (265, 673, 10, "得折算")),
    *((65, 655, 10, "主管"), (165, 655, 10, "500元"), (265, 655, 10, "同上")),
]


def test_ruled_table_keeps_its_cells_when_their_text_is_wrapped_and_near():
    document = load(
        make_pdf([[(60, 760, 10, "补贴标准："), *CELLS, (60, 600, 10, BODY)]], drawn=GRID), source="a.pdf"
    ).document

    assert blocks(document) == [
        ("paragraph", 0, "补贴标准："),
        ("table", 0, "岗位 | 补贴 | 说明\n经理 | 800元 | 每月随工资发放，不得折算\n主管 | 500元 | 同上"),
        ("paragraph", 0, BODY),
    ]


def test_merged_cells_are_filled_when_a_table_has_some():
    rules = b"".join(
        b"%g %g m %g %g l S\n" % ends
        for ends in [
            (60, 720, 360, 720), (160, 700, 360, 700), (60, 680, 360, 680), (160, 660, 360, 660), (60, 640, 360, 640),
            (60, 640, 60, 720), (160, 640, 160, 720), (260, 640, 260, 700), (360, 640, 360, 720),
        ]
    )  # fmt: skip
    lines: list[TextAt] = [
        *((65, 695, 10, "职级"), (210, 705, 10, "住宿标准"), (165, 685, 10, "一线"), (265, 685, 10, "其他")),
        *(
            (65, 655, 10, "总监"),
            (165, 665, 10, "800"),
            (265, 665, 10, "500"),
            (165, 645, 10, "700"),
            (265, 645, 10, "400"),
        ),
    ]
    text = load(make_pdf([lines], drawn=rules), source="a.pdf").document.text

    assert text == "职级 | 住宿标准/一线 | 住宿标准/其他\n总监 | 800 | 500\n总监 | 700 | 400"


def test_table_names_its_columns_again_when_it_goes_on_over_the_page():
    more: list[TextAt] = [
        (x, y, 10, f"第{number}项{x}") for number, y in enumerate((705, 685, 655)) for x in (65, 165, 265)
    ]
    document = load(make_pdf([CELLS, more], drawn=GRID), source="a.pdf").document

    second = document.text[document.page_starts[1] :].strip()
    assert second.startswith("岗位 | 补贴 | 说明\n第0项65 | 第0项165 | 第0项265\n")


def test_backgrounds_and_frames_are_no_table_when_text_stands_in_them():
    frame = b"0.9 g 50 640 400 100 re f 0 g 50 640 400 100 re S 55 700 380 14 re f 55 680 380 14 re f\n"
    document = load(make_pdf([[(60, 705, 10, BODY), (60, 690, 10, BODY)]], drawn=frame), source="a.pdf").document

    assert [kind for kind, _, _ in blocks(document)] == ["paragraph"]


def test_grid_is_none_when_rules_do_not_make_rows_and_columns():
    across = [Rule(False, y, 0, 100) for y in (0, 20, 40)]

    assert grids_of(across) == []
    assert grids_of([*across, Rule(True, 0, 0, 40), Rule(True, 100, 0, 40)]) == []
    (grid,) = grids_of([*across, *(Rule(True, x, 0, 40) for x in (0, 50, 100))])
    assert (grid.cell_at(10, 30), grid.cell_at(60, 10), grid.cell_at(60, 50)) == ((0, 0), (1, 1), None)


def test_table_across_columns_stands_between_them_when_text_goes_on_below():
    left = [f"左栏第{n}行文字一直写到栏的右边" for n in "一二三四五六七八"]
    right = [f"右栏第{n}行文字一直写到栏的右边" for n in "一二三四五六七八"]
    lines: list[TextAt] = []
    for top in (820, 640):
        for row, (a, b) in enumerate(zip(left, right, strict=True)):
            lines += [(60, top - 10 * row, 10, a), (310, top - 10 * row, 10, b)]
    document = load(make_pdf([[*lines, *CELLS]], drawn=GRID), source="a.pdf").document

    kinds = [(kind, text[:2]) for kind, _, text in blocks(document)]
    assert kinds == [("paragraph", "左栏"), ("table", "岗位"), ("paragraph", "左栏")]
    assert blocks(document)[0][2] == "".join(left) + "".join(right)


def test_three_columns_are_read_one_after_the_other():
    texts = [[f"第{c}栏的第{n}行写满这一栏的宽" for n in "一二三四五六七八九"] for c in "甲乙丙"]
    lines: list[TextAt] = [
        (left, 760 - 15 * row, 10, column[row])
        for row in range(9)
        for left, column in zip((50, 220, 390), texts, strict=True)
    ]

    assert load_pdf(lines).text == "".join("".join(column) for column in texts)


def test_short_heading_starts_both_columns_anew_when_none_stands_beside_it():
    half = [f"第{n}行文字一直写到这一栏的右边为止" for n in "一二三四五六七"]
    lines: list[TextAt] = []
    for top, name in ((760, "上"), (580, "下")):
        lines.append((60, top + 20, 14, f"{name}半页的题目"))
        for row, text in enumerate(half):
            lines += [(60, top - 15 * row, 10, f"{name}左{text}"), (310, top - 15 * row, 10, f"{name}右{text}")]

    starts = [text[:2] for _, _, text in blocks(load_pdf(lines))]
    assert starts == ["上半", "上左", "下半", "下左"]


def test_heads_are_dropped_when_left_and_right_pages_and_chapters_have_their_own():
    pages: list[list[TextAt]] = []
    for number in range(1, 13):
        head = "员工手册 2024版" if number % 2 else ("第一章 考勤" if number < 7 else "第二章 休假")
        pages.append(
            [
                (60, 800, 9, head),
                (60, 740, 10, f"内容甲{number * 7}。"),
                (60, 722, 10, "每页都有的话。"),
                (290, 30, 9, f"- {number} -"),
            ]
        )

    text = load_pdf(*pages).text
    assert text.split("\n") == [line for n in range(1, 13) for line in (f"内容甲{n * 7}。", "每页都有的话。")]


@pytest.mark.parametrize("foot", ["第 {} 页 共 4 页", "- {} -", "{}/4", "Page {} of 4", "— {} —", "第{}页", "{}"])
def test_page_numbers_are_dropped_however_they_are_written(foot):
    pages = [
        [(60, 740, 10, BODY), (60, 725, 10, f"内容{n}。"), (280, 30, 9, foot.format(i))]
        for i, n in enumerate("甲乙丙丁", 1)
    ]

    assert [line[-4:] for line in load_pdf(*pages).text.split("\n")] == [f"内容{n}。"[-4:] for n in "甲乙丙丁"]


def test_figures_stay_when_they_are_no_page_numbers():
    pages: list[list[TextAt]] = [
        [(60, 740, 10, "编号"), (60, 725, 10, f"{code}"), (60, 710, 10, "这一页的内容。"), (60, 640, 10, f"{code * 3}")]
        for code in (8104, 2957, 6630, 1188)
    ]
    text = load_pdf(*pages).text

    assert all(f"{code}" in text and f"{code * 3}" in text for code in (8104, 2957, 6630, 1188))


@pytest.mark.parametrize("turn", [b"0 1 -1 0 595 0 cm\n", b"-1 0 0 -1 595 842 cm\n", b"0 -1 1 0 0 842 cm\n"])
def test_page_is_read_when_it_lies_on_its_side_or_upside_down(turn):
    lines: list[TextAt] = [(60, 440, 10, BODY), (60, 425, 10, "个工作日申请。"), (60, 400, 10, "第二段。")]

    assert load(make_pdf([lines], drawn=turn), source="a.pdf").document.text == BODY + "个工作日申请。\n第二段。"


def test_vertical_text_is_read_from_the_right():
    columns: list[TextAt] = [
        (500, 780, 12, "右边的一栏先读，"),
        (480, 780, 12, "中间的一栏再读。"),
        (440, 780, 12, "左边最后读。"),
    ]

    assert load(make_pdf([columns], vertical=True), source="a.pdf").document.text.replace("\n", "") == (
        "右边的一栏先读，中间的一栏再读。左边最后读。"
    )


def test_shapes_are_read_as_the_characters_that_people_type():
    assert readable("⼀、⼯作⽇：eﬃcient ﬁle ㎡ ①") == "一、工作日：efficient file ㎡ ①"


def test_text_is_read_when_only_the_owner_has_a_password():
    assert load(locked(make_pdf([[(60, 740, 10, BODY)]])), source="a.pdf").document.text == BODY


def test_page_is_scanned_when_its_font_does_not_say_what_it_shows():
    garbled = "".join(chr(0x0180 + 7 * number % 0xC0) for number in range(60))
    pages: list[list[TextAt]] = [[(60, 740, 10, garbled)], [(60, 740, 10, BODY)]]

    with pytest.raises(NeedsOcrError):
        load(make_pdf(pages[:1]), source="a.pdf", settings=WITHOUT_OCR)
    loaded = load(make_pdf(pages), source="a.pdf", settings=WITHOUT_OCR)
    assert "(pages 1)" in loaded.warnings[0].en
