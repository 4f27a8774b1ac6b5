import pytest

from ingest.loaders import load
from ingest.settings import SplitSettings
from ingest.split import split
from ingest.split.articles import ArticleCounter
from ingest.split.numbers import number_of
from ingest.split.sentences import sentence_spans
from retrieval.models import Block, Chunk, Document

SENTENCE = "本办法适用于公司全体员工的年假管理。"  # 18 characters.


def pieces(document: Document, max_chars: int = 100, min_chars: int = 0) -> list[str]:
    spans = split(document, SplitSettings(max_chars=max_chars, min_chars=min_chars))
    return [document.text[span.start : span.end] for span in spans]


def document_of(*blocks: tuple[str, int, str], page_starts: tuple[int, ...] = ()) -> Document:
    text, built = "", []
    for kind, level, content in blocks:
        start = len(text) + bool(text)
        text = f"{text}\n{content}" if text else content
        built.append(Block(kind, start, len(text), level))
    return Document("标题", text, page_starts, tuple(built))


def test_document_is_one_span_when_it_fits():
    document = Document("t", "  第一句。第二句。\n\n第三句。 \n")

    assert pieces(document) == ["第一句。第二句。\n\n第三句。"]


@pytest.mark.parametrize("text", ["", " \n\t\u3000\n"])
def test_there_are_no_spans_when_there_is_no_text(text):
    assert split(Document("t", text)) == ()


def test_cut_falls_between_paragraphs_when_both_fit():
    paragraphs = [SENTENCE * 4, SENTENCE * 3, SENTENCE * 4]

    assert pieces(Document("t", "\n".join(paragraphs))) == paragraphs


def test_cut_falls_between_sentences_when_a_paragraph_is_long():
    found = pieces(Document("t", SENTENCE * 12))

    assert "".join(found) == SENTENCE * 12
    assert all(piece.endswith("。") for piece in found)


def test_pieces_are_even_when_a_paragraph_is_cut():
    assert [len(piece) for piece in pieces(Document("t", SENTENCE * 8))] == [72, 72]


def test_long_sentence_is_cut_after_a_clause():
    found = pieces(Document("t", ("员工应当在每年年底以前提出申请，" * 20)[:-1] + "。"))

    assert all(piece.endswith(("，", "。")) for piece in found)
    assert max(map(len, found)) <= 100


def test_text_without_any_mark_is_cut_at_the_limit():
    assert [len(piece) for piece in pieces(Document("t", "字" * 250))] == [100, 100, 50]


def test_heading_goes_with_the_text_after_it():
    document = document_of(
        ("heading", 1, "第一章 总则"),
        ("heading", 2, "第一节 目的"),
        ("paragraph", 0, SENTENCE * 5),
        ("heading", 2, "第二节 范围"),
        ("paragraph", 0, SENTENCE * 5),
    )

    spans = split(document, SplitSettings(max_chars=120))

    assert [document.text[span.start : span.end].split("\n")[0] for span in spans] == ["第一章 总则", "第二节 范围"]
    assert [span.heading for span in spans] == [("第一章 总则", "第一节 目的"), ("第一章 总则", "第二节 范围")]


def test_path_is_what_all_text_shares_when_short_sections_share_a_span():
    document = document_of(
        ("heading", 1, "第一章"),
        ("paragraph", 0, "甲。"),
        ("heading", 2, "一"),
        ("paragraph", 0, "乙。"),
        ("heading", 2, "二"),
        ("paragraph", 0, "丙。"),
    )

    (span,) = split(document)

    assert span.heading == ("第一章",)


def test_headings_are_seen_when_plain_text_numbers_them():
    text = "\n".join(
        [
            "# 规定",
            "第一章　总则",
            SENTENCE * 4,
            "第一节 目的",
            SENTENCE * 4,
            "第二章 假期",
            "一、年假",
            SENTENCE * 4,
            "（一）申请",
            SENTENCE * 4,
            "二、病假",
            SENTENCE * 4,
        ]
    )

    headings = [span.heading for span in split(Document("t", text), SplitSettings(max_chars=100, min_chars=0))]

    assert headings == [
        ("规定", "第一章 总则"),
        ("规定", "第一章 总则", "第一节 目的"),
        ("规定", "第二章 假期", "一、年假"),
        ("规定", "第二章 假期", "一、年假", "（一）申请"),
        ("规定", "第二章 假期", "二、病假"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "第一章规定的情形，适用本条。",
        "一、会议决定将项目的上线时间推迟。",
        "三、跳过了前两个号",
        "第二章 总则 …… 12",
        "2024.5 年度",
        "3.5 万元",
    ],
)
def test_line_is_no_heading_when_it_is_prose(line):
    spans = split(Document("t", f"{line}\n{SENTENCE}"))

    assert [span.heading for span in spans] == [()]


@pytest.mark.parametrize(
    "start", ["第一条 ", "第一条　", "第十二条：", "**第三条** ", "第二十条之一 ", "第五條 ", "第３条 "]
)
def test_article_starts_a_span_when_two_do_not_fit(start):
    text = f"{SENTENCE * 4}\n{start}{SENTENCE * 4}"

    assert pieces(Document("t", text))[1].startswith(start.strip())


@pytest.mark.parametrize("start", ["第三条规定的情形，", "第三条、第四条所称", "第三条和本条"])
def test_reference_to_an_article_is_no_start_of_one(start):
    assert not ArticleCounter().is_article(start + SENTENCE)


def test_article_without_a_space_is_seen_when_its_number_is_the_next():
    counter = ArticleCounter()

    assert [counter.is_article(line) for line in ("第一条为了加强管理", "第二条本法适用于", "第九条本法")] == [
        True,
        True,
        False,
    ]


def test_rows_stay_whole_when_a_table_is_cut():
    rows = [f"产品{i} | 说明。说明。说明 | {i}元" for i in range(20)]
    document = document_of(("table", 0, "\n".join(rows)))

    found = pieces(document)

    assert "\n".join(found).split("\n") == rows


def test_row_is_cut_between_cells_when_it_is_longer_than_a_span():
    row = " | ".join(f"第{i}格的内容有一点长" for i in range(20))

    found = pieces(document_of(("table", 0, row)))

    assert max(map(len, found)) <= 100
    assert " | ".join(piece.removesuffix(" |") for piece in found) == row


def test_span_stays_on_its_page_when_pages_are_known():
    document = Document("t", f"{SENTENCE}\n{SENTENCE}\n{SENTENCE}", (0, len(SENTENCE), 2 * len(SENTENCE) + 1))

    assert [(span.page, span.end - span.start) for span in split(document)] == [(1, 18), (2, 18), (3, 18)]


def test_sentence_that_runs_over_a_page_belongs_to_the_page_where_it_starts():
    document = Document("t", f"{SENTENCE}{SENTENCE}", (0, len(SENTENCE) + 5))

    assert [(span.page, document.text[span.start : span.end]) for span in split(document)][0] == (1, SENTENCE * 2)


def test_page_counts_blank_pages_before_the_text():
    document = Document("t", SENTENCE, (0, 0, len(SENTENCE)))

    assert [span.page for span in split(document)] == [2]


def test_quote_stays_whole_when_sentences_end_inside_it():
    text = "父亲说：“事已如此，不必难过。天无绝人之路！”我点头。他（见下。）走了。"

    assert [text[s:e] for s, e in sentence_spans(text, 0, len(text))] == [
        "父亲说：“事已如此，不必难过。天无绝人之路！”",
        "我点头。",
        "他（见下。）走了。",
    ]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        (
            "It works. See Fig. 3 for e.g. details. Dr. Li agrees! Really?",
            ["It works.", "See Fig. 3 for e.g. details.", "Dr. Li agrees!", "Really?"],
        ),
        (f"没有结束的引号“引号里。{'很长' * 70}。下一句。", [f"没有结束的引号“引号里。{'很长' * 70}。", "下一句。"]),
        ("营收12.86亿元。同比增长17.4%；利润1.9亿元！", ["营收12.86亿元。", "同比增长17.4%；", "利润1.9亿元！"]),
        ("结束……开始？！是的", ["结束……", "开始？！", "是的"]),
    ],
)
def test_sentences_end_where_a_reader_would_end_them(text, sentences):
    assert [text[s:e] for s, e in sentence_spans(text, 0, len(text))] == sentences


@pytest.mark.parametrize(
    ("numeral", "value"), [("十二", 12), ("一百零五", 105), ("二〇", 20), ("１２", 12), ("两千", 2000), ("甲", 0)]
)
def test_numeral_has_its_value(numeral, value):
    assert number_of(numeral) == value


def test_handbook_is_split_at_its_sections():
    body = SENTENCE * 8
    text = f"# 员工手册\n\n## 第一章 考勤\n\n{body}\n\n## 第二章 假期\n\n### 年假\n\n{body}\n\n### 病假\n\n{body}\n"
    document = load(text.encode(), source="手册.md").document

    spans = split(document, SplitSettings(max_chars=200))

    assert [(span.heading, document.text[span.start : span.end].split("\n")[0]) for span in spans] == [
        (("员工手册", "第一章 考勤"), "员工手册"),
        (("员工手册", "第二章 假期", "年假"), "第二章 假期"),
        (("员工手册", "第二章 假期", "病假"), "病假"),
    ]


def test_sections_name_the_path_at_each_offset_when_a_chunk_holds_several():
    text = "第一章 考勤\n每天打卡两次。\n第二章 休假\n每年七天。"
    (span,) = split(Document("手册", text), SplitSettings(max_chars=500))
    assert span.heading == () and span.sections[0][0] == span.start
    chunk = Chunk("c", "f", "v", 0, "手册", "手册.txt", text, 0, len(text), None, span.heading, {}, span.sections)
    assert chunk.heading_at(text.index("打卡两次")) == ("第一章 考勤",)
    assert chunk.heading_at(text.index("每年七天")) == ("第二章 休假",)


def test_one_section_needs_no_list_of_sections():
    text = "第一章 考勤\n每天打卡两次。"
    (span,) = split(Document("手册", text), SplitSettings(max_chars=500))
    assert (span.heading, span.sections) == (("第一章 考勤",), ())
