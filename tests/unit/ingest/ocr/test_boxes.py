import math

from ingest.loaders.pdf_lines import layout
from ingest.ocr.boxes import TextBox, as_lines, evened, is_sideways, sureness
from ingest.ocr.engine import is_noise


def box(text, left, top, width, height, *, score=0.99, angle=0.0, about=(0.0, 0.0)):
    corners = ((left, top), (left + width, top), (left + width, top + height), (left, top + height))
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    (x0, y0) = about
    turned = tuple((x0 + (x - x0) * cos - (y - y0) * sin, y0 + (x - x0) * sin + (y - y0) * cos) for x, y in corners)
    return TextBox(text, score, turned)


def texts(boxes, height=1000.0):
    return [line.text for line in as_lines(boxes, height=height)]


def test_lines_stand_row_by_row_when_boxes_come_in_any_order():
    boxes = [box("丙", 10, 200, 40, 20), box("乙", 300, 103, 40, 20), box("甲", 10, 100, 40, 20)]

    assert texts(boxes) == ["甲", "乙", "丙"]


def test_rows_stay_apart_when_each_box_is_a_little_lower_than_the_last():
    stairs = [box(str(i), 10 + 60 * i, 100 + 6 * i, 40, 20) for i in range(4)]

    assert len({round(line.bottom) for line in as_lines(stairs, height=1000)}) == 4
    assert texts(stairs) == ["0", "1", "2", "3"]


def test_table_has_its_rows_when_the_sheet_lay_askew():
    cells = [
        box(f"第{row}行第{column}列", 50 + 300 * column, 100 + 60 * row, 160, 30, angle=4, about=(400, 300))
        for row in range(3)
        for column in range(3)
    ]

    paragraphs = layout([as_lines(cells, height=800)])

    assert [paragraph.rows for paragraph in paragraphs] == [
        [[f"第{row}行第{column}列" for column in range(3)] for row in range(3)]
    ]


def test_line_is_placed_in_points_when_its_picture_stands_on_a_page():
    [line] = as_lines([box("印章", 0, 80, 100, 20)], height=100, scale=0.5, left=200, bottom=300)

    assert (line.left, line.right) == (201, 249)  # Without the rim that a box has on each side.
    assert line.bottom <= 310 <= line.bottom + line.height + 2
    assert 6 < line.height < 10


def test_heights_are_evened_when_they_differ_by_letters_alone():
    boxes = [
        box("标题", 10, 10, 80, 40),
        box("一行正文一行正文", 10, 100, 200, 20),
        box("第二行正文ABCDE", 10, 130, 200, 24),
        box("第三行正文正文", 10, 160, 200, 17),
    ]

    [heights] = [[line.height for line in page] for page in evened([as_lines(boxes, height=300)])]

    assert heights[0] > 1.5 * heights[1]
    assert heights[1] == heights[2] == heights[3]


def test_lines_begin_at_one_edge_when_they_were_found_a_little_apart():
    boxes = [box("一行文字", left, 100 + 40 * i, 200, 20) for i, left in enumerate((50, 52, 51, 90, 51))]

    [lefts] = [[line.left for line in page] for page in evened([as_lines(boxes, height=400)])]

    assert lefts == [53, 53, 53, 92, 53]  # An indented line stays so.


def test_heights_stay_when_a_document_has_no_lines():
    assert evened([[], []]) == [[], []]


def test_page_is_sideways_when_most_lines_run_upwards():
    upright, sideways = box("横排的一行", 0, 0, 100, 20), box("竖着的一行", 0, 0, 20, 100)

    assert is_sideways([sideways, sideways, upright])
    assert not is_sideways([sideways, upright, upright])
    assert not is_sideways([box("一", 0, 0, 10, 30)])


def test_sureness_counts_characters_when_lines_differ_in_length():
    assert sureness([box("一", 0, 0, 9, 9, score=0.0), box("二三四", 0, 0, 9, 9, score=1.0)]) == 0.75
    assert sureness([]) == 0.0


def test_reading_is_noise_when_it_is_little_and_unsure():
    assert is_noise([box("マん", 0, 0, 9, 9, score=0.91), box("宁小通知", 0, 20, 9, 9, score=0.84)])
    assert not is_noise([box("出口", 0, 0, 9, 9, score=0.97)])
    assert not is_noise([box("手写的一行字" * 4, 0, 0, 90, 9, score=0.7)])


def test_empty_text_is_left_out_when_a_box_holds_white_space():
    assert texts([box("  ", 0, 0, 10, 10), box(" 䶮𠮷 ", 0, 50, 40, 20)]) == ["䶮𠮷"]
