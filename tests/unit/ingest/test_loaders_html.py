import pytest

from ingest.errors import BrokenFileError
from ingest.loaders import load
from retrieval.models import Document


def blocks(document: Document) -> list[tuple[str, int, str]]:
    return [(block.kind, block.level, document.text[block.start : block.end]) for block in document.blocks]


def load_body(body: str) -> Document:
    return load(f"<html><head><title>页面</title></head><body>{body}</body></html>".encode(), source="a.html").document


def test_blocks_have_their_roles_when_a_page_has_structure():
    document = load_body(
        "<nav>首页</nav><h1>采购 <i>管理</i>办法</h1>"
        "<div>本办法<b>适用于</b>公司&nbsp;采购。<p>第二段<br>换行</p>尾文</div>"
        "<ul><li>甲<li>乙<ol start=3><li>丙</li><li>丁</li></ol></ul><pre>a\n  b</pre><h3>附则</h3>"
    )

    assert blocks(document) == [
        ("heading", 1, "采购 管理办法"),
        ("paragraph", 0, "本办法适用于公司 采购。"),
        ("paragraph", 0, "第二段\n换行"),
        ("paragraph", 0, "尾文"),
        ("paragraph", 0, "- 甲"),
        ("paragraph", 0, "- 乙"),
        ("paragraph", 0, "3. 丙"),
        ("paragraph", 0, "4. 丁"),
        ("paragraph", 0, "a\n  b"),
        ("heading", 3, "附则"),
    ]
    assert document.title == "采购 管理办法"


@pytest.mark.parametrize(
    "hidden",
    [
        "<script>var a='藏'</script>",
        "<style>.藏{}</style>",
        "<!-- 藏 -->",
        "<p hidden>藏</p>",
        "<p style='color:red; DISPLAY : none'>藏</p>",
        "<div style='visibility:hidden'><p>藏</p></div>",
        "<noscript>藏</noscript>",
        "<template><p>藏</p></template>",
        "<select><option>藏</select>",
        "<textarea>藏</textarea>",
        "<?xml 藏 ?>",
        "<table><tr><td>甲</td><td style='display:none'>藏</td><td>乙<script>藏</script></td></tr></table>",
    ],
)
def test_text_is_left_out_when_a_reader_never_sees_it(hidden):
    text = load_body(f"<p>看得见</p>{hidden}<p>也看得见</p>").text

    assert "藏" not in text
    assert text.startswith("看得见")
    assert text.endswith("也看得见")


def test_table_gives_a_line_for_each_row():
    document = load_body(
        "<table><caption>审批表</caption><tr><th>金额</th><th colspan=2>审批人</th></tr>"
        "<tr><td rowspan=2>不足五千</td><td>经理</td><td>总监</td></tr><tr><td>助理</td><td><br></td></tr></table>"
    )

    assert blocks(document) == [
        ("table", 0, "审批表\n金额 | 审批人\n不足五千 | 经理 | 总监\n不足五千 | 助理"),
    ]


def test_table_inside_a_cell_stays_in_its_row():
    inner = "<table><tr><td>餐补</td><td>25元</td></tr><tr><td>交通</td><td>300元</td></tr></table>"
    document = load_body(f"<table><tr><td>补贴</td><td>{inner}</td></tr></table>")

    assert document.text == "补贴 | 餐补 25元；交通 300元"


@pytest.mark.parametrize(
    "table",
    [
        "<table><tr><td><h2>标题</h2><p>正文</p></td><td>栏</td></tr></table>",
        "<table><tr><td><p>标题</p><p>正文</p></td></tr></table>",
        f"<table><tr><td><p>标题</p><p>正文{'很长' * 400}</p></td><td>栏</td></tr></table>",
    ],
)
def test_table_is_read_as_paragraphs_when_it_only_lays_out_the_page(table):
    document = load_body(table)

    assert "table" not in {kind for kind, _, _ in blocks(document)}
    assert document.text.split("\n")[0] == "标题"


def test_declared_charset_is_honoured_and_a_false_one_is_noticed():
    text = "员工每年可以休五天年假，须提前申请，由部门经理审批。"
    page = f"<html><head><meta charset=%s></head><body>{text}</body></html>"

    honest = load((page % "gb2312").encode("gbk"), source="a.html")
    false = load((page % "utf-8").encode("gbk"), source="a.html")

    assert honest.document.text == false.document.text == text
    assert honest.warnings == ()
    assert [warning.en for warning in false.warnings] == [
        "The page declares 'utf-8', but its bytes are GB18030; read as GB18030."
    ]
    assert [warning.zh for warning in false.warnings] == [
        "网页声明的编码是 'utf-8'，实际内容是 GB18030；已按 GB18030 读取。"
    ]


@pytest.mark.parametrize(
    "head",
    ['<?xml version="1.0" encoding="gbk"?>', '<meta http-equiv="Content-Type" content="text/html; charset=GBK">'],
)
def test_short_page_is_read_when_it_declares_its_charset(head):
    assert load(f"{head}<html><body>学校</body></html>".encode("gbk"), source="a.html").document.text == "学校"


def test_page_is_refused_when_its_elements_are_nested_without_end():
    with pytest.raises(BrokenFileError, match="nested more than 200 levels deep"):
        load(b"<html><body>" + b"<div>" * 50_000 + b"x", source="a.html")


def test_reader_is_warned_when_a_part_is_nested_too_deep():
    loaded = load("<html><body><p>正文</p>".encode() + b"<div>" * 300 + b"x", source="a.html")

    assert loaded.document.text == "正文"
    assert [warning.en for warning in loaded.warnings] == ["Elements nested more than 200 deep were not read."]


def test_entities_of_a_document_type_are_not_expanded():
    page = b'<!DOCTYPE html [<!ENTITY a SYSTEM "file:///etc/passwd">]><html><body>&a; end</body></html>'

    assert "root" not in load(page, source="a.html").document.text


def test_page_is_read_when_its_tags_are_broken():
    document = load_body("<p>甲<div>乙</span><b>丙<table><tr><td>丁<td>戊</b>")

    assert document.text == "甲\n乙丙\n丁 | 戊"


def test_author_is_kept_as_metadata():
    loaded = load('<html><meta name="Author" content="王敏"><body>正文'.encode(), source="a.html")

    assert loaded.document.metadata == {"encoding": "UTF-8", "author": "王敏"}
