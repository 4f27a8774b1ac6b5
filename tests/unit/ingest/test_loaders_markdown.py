import pytest

from ingest.loaders import load
from retrieval.models import Document


def blocks(document: Document) -> list[tuple[str, int, str]]:
    return [(block.kind, block.level, document.text[block.start : block.end]) for block in document.blocks]


def load_md(text: str, source: str = "说明.md") -> Document:
    return load(text.encode(), source=source).document


def test_blocks_have_their_roles_when_markdown_has_structure():
    document = load_md(
        "---\ntitle: 接口说明\nversion: 1.4\n---\n\n"
        "# 检测接口\n\n密钥每 **90 天**[轮换](http://x)一次，\n见 `key`。\n\n"
        "```sh\n# 不是标题\ncurl x\n```\n\n"
        "| 参数 | 说明 |\n|---|---|\n| line | 产线\\|编号 |\n\n## 小节\n\n- 一\n- 二\n\n3. 三\n4. 四\n"
    )

    assert blocks(document) == [
        ("heading", 1, "检测接口"),
        ("paragraph", 0, "密钥每 90 天轮换一次，\n见 key。"),
        ("paragraph", 0, "# 不是标题\ncurl x"),
        ("table", 0, "参数 | 说明\nline | 产线|编号"),
        ("heading", 2, "小节"),
        ("paragraph", 0, "- 一"),
        ("paragraph", 0, "- 二"),
        ("paragraph", 0, "3. 三"),
        ("paragraph", 0, "4. 四"),
    ]
    assert document.title == "接口说明"
    assert document.metadata == {"encoding": "UTF-8", "version": "1.4"}


@pytest.mark.parametrize(
    ("text", "title"),
    [("# 员工手册\n\n正文", "员工手册"), ("## 第一节\n\n正文", "说明"), ("正文\n\n---\n\n更多", "说明")],
)
def test_title_is_the_first_top_heading_or_the_files_name(text, title):
    assert load_md(text).title == title


def test_html_in_markdown_is_read_as_html():
    document = load_md(
        "前文\n\n<table><tr><th>项目</th><th>金额</th></tr><tr><td>餐补</td><td>25元</td></tr></table>\n\n"
        "<!-- 不应出现 -->\n\n后文<br>换行<script>也不应出现</script>尾"
    )

    assert blocks(document) == [
        ("paragraph", 0, "前文"),
        ("table", 0, "项目 | 金额\n餐补 | 25元"),
        ("paragraph", 0, "后文\n换行尾"),
    ]


def test_rows_name_their_columns_when_a_table_is_long():
    rows = "".join(f"| 项目{i} | 说明文字{i}说明文字说明文字 |\n" for i in range(40))
    document = load_md(f"| 名称 | 说明 |\n|---|---|\n{rows}")

    lines = document.text.split("\n")
    assert lines[0] == "名称 | 说明"
    assert lines[7] == "名称: 项目6 | 说明文字6说明文字说明文字"


def test_picture_gives_its_description():
    assert load_md("见图：![组织结构图](a.png)").text == "见图：组织结构图"


@pytest.mark.parametrize("text", ["[" * 5000 + "文", ">" * 5000 + "\n\n文", "*a " * 5000 + "文", "- " * 500 + "\n\n文"])
def test_hostile_nesting_still_gives_the_text(text):
    assert load_md(text).text.endswith("文")
