from __future__ import annotations

import pytest

from assistant.checking.citations import cite
from assistant.checking.code_spans import fence_end
from assistant.checking.links import addresses, defuse
from tests.unit.assistant.builders import source

ORDINARY = (
    "年假为5天。[1][2]",
    "满十年的，享受十天。[1] 试用期没有。[12]\n\n- 甲：见[3]\n- 乙，5>3 且 a < b\n1. 丙",
    "《员工手册.md》第3.2条，README.md、setup.py、v1.2、3.14、ASP.NET、192.168.1.1",
    "| 城市 | 上限 |\n|---|---|\n| 北京 | 500元 |\n| `a` | **b** |",
    "公式 $a_i < b$，$\\frac{1}{2}$，\\(x^2\\)，\\[ \\sum_i x_i \\]，a[i]，f(x)，[0, 1)",
    "运行 `huozi serve --host 0.0.0.0`，`<div>` 是标签，`http://127.0.0.1:8000` 是地址。",
    "```bash\ncurl http://127.0.0.1:8000/v1/models | jq '.data[0]' > out\n# <b> [a](b)\n```\n完。",
    "1. 安装：\n\n   ```\n   pip install huozi\n   ```\n2. 完成",
    "**重点**：_斜体_、~~删去~~、# 井号、> 引用、R&D、AT&T、x&y; 比例 1:2，时间 8:30，if a<3",
    "𠮷野家 䶮 龍 ｆｕｌｌ 👨‍👩‍👧 ❤️ 🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "他说：“见[附件]。”（第5页）http 和 https 是协议，www 是缩写，JavaScript: 一种语言。data: 5",
    "",
    "\n\n",
)


@pytest.mark.parametrize("text", ORDINARY)
def test_text_stays_when_nothing_in_it_is_active(text: str) -> None:
    assert defuse(text) == text
    shown = ""
    for line in text.splitlines(keepends=True):
        shown += defuse(line, before=shown)
    assert shown == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("见[官网](http://evil.example/?q=1)。", "见官网（`http://evil.example/?q=1`）。"),
        ("![图](http://evil.example/x.png)", "图（`http://evil.example/x.png`）"),
        ('[a](http://evil.example "题")', 'a（`http://evil.example` "题"）'),
        ("<http://evil.example>", "`http://evil.example`"),
        ("访问http://evil.example/x，再说。", "访问`http://evil.example/x`，再说。"),
        ("（www.evil.example）", "（`www.evil.example`）"),
        ("写信到 hr@example.com。", "写信到 `hr@example.com`。"),
        ("evil.com 与 公司.com", "`evil.com` 与 公司 .com"),
        ("[1](见附件)", "[1] (见附件)"),
        ("[1]: http://evil.example", "[1] : `http://evil.example`"),
        ("<img src=x onerror=alert(1)>", "< img src=x onerror=alert(1)>"),
        ("&lt;script&gt;", "< script>"),
        ("a ` b", "a ˋ b"),
        ("忽\u200b略\u202e指令\x1b[31m", "忽略指令[31m"),
        ("$\\href{x}{y}$", "$href{x}{y}$"),
        ("行\r\n二\r三\u2028四", "行\n二\n三\n四"),
        # Where a fence is none to some readers, its backticks turn the code behind it inside out.
        (" ``` x\ny `<script>` z", " ``` x\ny `< script>` z"),
    ],
)
def test_words_and_address_are_left_to_read_when_something_is_active(text: str, shown: str) -> None:
    assert defuse(text) == shown
    assert defuse(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "见 http://OK.example:80/a 。",
        "见<http://ok.example/a>。",
        "见[官网](http://ok.example/a)。",
        "见![官网](http://ok.example/a)。",
    ],
)
def test_address_stays_a_link_when_it_is_allowed(text: str) -> None:
    assert "<http://ok.example/a>" in defuse(text, ["http://ok.example/a"])
    assert "<http" not in defuse(text)


@pytest.mark.parametrize(
    "address",
    [
        "http://ok.example/a?q=1",
        "http://ok.example/ab",
        "https://ok.example/a",
        "http://ok.example/a#x",
        "http://x@ok.example/a",
    ],
)
def test_address_is_inert_when_it_is_only_like_an_allowed_one(address: str) -> None:
    assert defuse(address, ["http://ok.example/a"]) == f"`{address}`"


def test_no_scheme_but_web_and_mail_can_be_allowed() -> None:
    allowed = ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "//ok.example", "mailto:a@ok.example"]
    assert defuse("javascript:alert(1)", allowed) == "`javascript:alert(1)`"
    assert defuse("file:///etc/passwd", allowed) == "`file:///etc/passwd`"
    assert defuse("a@ok.example", allowed) == "<mailto:a@ok.example>"


def test_seam_stays_inert_when_the_cut_lies_inside() -> None:
    for text in ("[a](evil)", "[1]: evil", "http://evil.example", "<img src=x>", "evil.com/x", "a@evil.com"):
        for at in range(1, len(text)):
            assert defuse(text[at:], before=text[:at]).lstrip("`") != text[at:] or defuse(text[:at]) != text[:at]


def test_only_metadata_that_somebody_gave_allows_addresses() -> None:
    metadata = {"url": " https://ok.example/a ", "author": "http://evil.example", "note": "x http://evil.example"}
    chunk = source("年假为5天。", metadata=metadata)
    assert addresses(cite(1, chunk, 0, 6)) == ["https://ok.example/a"]


@pytest.mark.parametrize(
    ("text", "end"),
    [("```\nx", "\n```"), ("~~~~py\nx\n", "~~~~"), ("```\nx\n```", ""), ("- ```\nx", ""), ("x", ""), ("`x", "")],
)
def test_open_fence_is_closed_when_the_answer_ends(text: str, end: str) -> None:
    assert fence_end(text) == end


def test_hard_text_is_read_to_its_end_when_it_is_long() -> None:
    for unit in ("<", "[", "![", "](", "`", "a.", "http:", "a@", "//", "<a ", "|", "evil", "公."):
        assert len(defuse(unit * 3000)) >= 3000
    assert defuse("&" + "amp;" * 300 + "lt;b") == "< b"
