"""Whatever stands in an answer, and wherever it is cut: no reader of Markdown finds anything active in it."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from assistant.checking.active_text import address_key
from assistant.checking.links import defuse
from tests.markdown_readers import active

ALLOWED = ("https://intranet.example/制度?id=7", "http://ok.example/")

BYPASSES = (
    "[a](http://evil.example)",
    "![a](http://evil.example/x.png)",
    "[![a](http://evil.example/x.png)](http://evil.example)",
    "[a]( <http://evil.example> 'title')",
    '[a](http://evil.example "t\nt")',
    "[a\nb](http://evil.example)",
    "[a](\nhttp://evil.example\n)",
    "[a](http://evil.example/(b)(c))",
    "[a](javascript:alert(1))",
    "[a](JaVaScRiPt&#58;alert(1))",
    "[a](data:text/html;base64,PHNjcmlwdD4=)",
    "[a](//evil.example/x)",
    "[a](evil)",
    "[1](evil)",
    "[a](<b c>)",
    "[a]()",
    "![](x)",
    "![a][b]\n\n[b]: http://evil.example",
    "年假为5天。[1]\n\n[1]: http://evil.example",
    "[1]\n\n> - [1]:\n> http://evil.example\n> 'x'",
    "[a\nb]\n\n[a\nb]: evil",
    "[a]\n\n1. [a]: <evil>",
    "[^1]\n\n[^1]: http://evil.example",
    "[a]\n\n[A]:evil",
    "[a\\]b]\n\n[a\\]b]: evil",
    "<http://evil.example>",
    "<a@evil.example>",
    "<javascript:alert(1)>",
    "<img src=x onerror=alert(1)>",
    "<img\nsrc=x\nonerror=alert(1)>",
    "<img/src=x>",
    "<ScRiPt>alert(1)</sCrIpT>",
    "<script\n",
    "<div",
    "</div>",
    "<!-- x -->",
    "<!DOCTYPE html>",
    "<?php x ?>",
    "<![CDATA[x]]>",
    "x<y and y>z",
    "&lt;img src=x&gt;",
    "&#60;img src=x&#62;",
    "&amp;lt;script&amp;gt;",
    "&#x5b;a&#93;(evil)",
    "http&#58;//evil.example",
    "http&colon;&sol;&sol;evil.example",
    "http://evil.example/?q=年假",
    "HTTP://EVIL.EXAMPLE",
    "hhttp://evil.example",
    "1http://evil.example",
    "-http://evil.example",
    "1.http://evil.example",
    "ftp://evil.example",
    "www.evil.example",
    "WWW.evil.com",
    "evil.com",
    "evil.com/x?y",
    "a.b.evil.md",
    "公司.com/x",
    "公司.com.cn",
    "evil.рф",
    "mailto:a@evil.com",
    "a@evil.com",
    "a.b+c@evil.example.com",
    "//evil.com/x",
    "http://user:pw@evil.example",
    "http://ok.example@evil.example",
    "http://ok.example.evil.example",
    "http://ok.example/?q=1",
    "http://[::1]/x",
    "http://1.2.3.4/x",
    "http:\\\\evil.com",
    "\\http://evil.example",
    "\\[a](evil)",
    "[a\\](evil)",
    "[a](evil\\)",
    "`http://evil.example",
    "a ` b http://evil.example",
    "`a` ` http://evil.example",
    "`` a ` http://evil.example ` b",
    "\\`http://evil.example`",
    "`a\\` http://evil.example`",
    "``` http://evil.example",
    "```\nhttp://evil.example\n```\nhttp://evil.example",
    "- ```\n  a\nhttp://evil.example",
    "> ```\nhttp://evil.example",
    "~~~\n```\n~~~\nhttp://evil.example",
    "  ```\n```\nhttp://evil.example\n",
    "```\n~~~\n```\nhttp://evil.example",
    "````\n```\nhttp://evil.example\n````\nhttp://evil.example",
    "p\n     ``` x\n` ```  http://evil.example `",
    "| a | b |\n|---|---|\n| ` | http://evil.example ` |",
    "| a | b |\n|---|---|\n| `a|b` `http://evil.example` |",
    "| a |\n|---|\n| http://evil.example/x|y |",
    "$ ` $ http://evil.example `",
    "$\\href{javascript:alert(1)}{x}$",
    "http://evil.example`code`",
    "`a`http://evil.example`b`",
    "http://a.example，http://b.example。evil.com/x",
    "[a](ht\u200btp://evil.example)",
    "<\u200bimg src=x>",
    "]\u2060(",
    "<\x00img src=x>",
    "ht\x00tp://evil.example",
    "http://ok.example/",
    "[官网](http://ok.example)",
    "![官网](http://ok.example)",
    "http://ok.example/，见上",
    "[a](http://ok.example 'http://evil.example')",
    "[http://evil.example](http://ok.example)",
    "a@b@c.com",
    "*[a](evil)*",
    "**http://evil.example**",
    "~~http://evil.example~~",
    "a\r[b]: evil\r\n\r\n[b]",
    "a\u2028[b]: evil\n\n[b]",
)
FRAGMENTS = (
    *"[]()<>!`|\\/:@#&;.=\"'*_~-$ \n\t",
    *("[a]", "](", "]:", "![", "http://", "https:", "//", "www.", "evil", ".com", ".md", "evil.example", "x@y.cn"),
    *("```", "~~~", "``", "\n\n", "> ", "- ", "1. ", "    ", "| a |\n|---|\n", "<img ", "<a", "</", "<!--", "-->"),
    *("javascript:", "data:text/html,", "&lt;", "&#60;", "&amp;", "&#x5b;", "\u200b", "\u202e", "\x00", "\r"),
    *(
        "年假为5天。",
        "[1]",
        "[2][3]",
        "http://ok.example/",
        "https://intranet.example/制度?id=7",
        "$$",
        "\\(",
        "𠮷",
        "👨‍👩‍👧",
    ),
)
answers = st.lists(st.sampled_from(FRAGMENTS) | st.sampled_from(BYPASSES), max_size=14).map("".join)


@pytest.mark.parametrize("text", BYPASSES)
def test_nothing_is_active_when_a_known_bypass_is_defused(text: str) -> None:
    once = defuse(text, ALLOWED)
    assert active(once, ALLOWED) == []
    assert defuse(once, ALLOWED) == once


@pytest.mark.parametrize("text", BYPASSES)
def test_nothing_is_active_when_a_bypass_is_cut_anywhere(text: str) -> None:
    for at in range(1, len(text)):
        shown = defuse(text[:at], ALLOWED)
        shown += defuse(text[at:], ALLOWED, before=shown)
        assert active(shown, ALLOWED) == [], (at, shown)
    shown = ""
    for character in text:
        shown += defuse(character, ALLOWED, before=shown)
    assert active(shown, ALLOWED) == [], shown


@settings(max_examples=300, deadline=None)
@given(answers)
@example("`" * 3 + "\n" + "`" * 3)
def test_nothing_is_active_and_twice_is_once_when_any_answer_is_defused(text: str) -> None:
    once = defuse(text, ALLOWED)
    assert active(once, ALLOWED) == []
    assert defuse(once, ALLOWED) == once


@settings(max_examples=300, deadline=None)
@given(st.lists(answers, min_size=1, max_size=5))
def test_no_seam_makes_anything_active_when_pieces_are_defused_one_by_one(pieces: list[str]) -> None:
    shown = ""
    for piece in pieces:
        shown += defuse(piece, ALLOWED, before=shown)
    assert active(shown, ALLOWED) == []


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=60))
def test_nothing_fails_when_the_answer_is_any_text(text: str) -> None:
    assert active(defuse(text)) == []


def test_the_check_would_see_them_when_nothing_is_defused() -> None:
    assert len(active("[a](javascript:x) ![b](c) <img> http://evil.com")) >= 7
    assert address_key("javascript:alert(1)") is None
