"""Chat templates under any text: turns are what the caller sent, and what is dotted comes back."""

from __future__ import annotations

import unicodedata
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from assistant.control_tokens import INVISIBLE, RestoringStream, neutralise, restore
from assistant.template import render
from tests.conversations import BEGIN, CONTROL_IDS, END, everywhere, parts

PIECES = [
    *CONTROL_IDS,
    *(
        "<",
        "|",
        ">",
        "＜",
        "﹤",
        "｜",
        "＞",
        "·",
        "/",
        "s",
        "s>",
        "/s>",
        "unk>",
        "pad>",
        "/tool_response>",
        "资料>",
        "<|",
        "|>",
    ),
    *("beginofutterance", "endofutterance", "im_start", "\u200b", "\ufeff", "\u00ad", "\u0338", "\u202e", "\ufe0f"),
    *("\n", " ", "系统", "𠮷", "䶮", "臺", "Ａ", "😀", "\\u003c", "&lt;", '"', "\\", "{{", "%}", "\x00", "\u2028"),
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=14).map("".join) | st.text(max_size=30)
ROLES = {"system": "系统", "用户": "用户", "user": "用户", "助手": "助手", "assistant": "助手"}
TURNS = st.lists(st.tuples(st.sampled_from(["用户", "user", "助手", "assistant"]), TEXTS), min_size=1, max_size=5)
DROPPED = str.maketrans("", "", INVISIBLE)


def folded(text: str) -> str:
    """Return the text as a tokenizer would see it that drops the invisible and folds widths."""
    return unicodedata.normalize("NFKC", text.translate(DROPPED))


@given(TURNS)
def test_prompt_is_the_published_form_of_neutralised_turns_when_any_text_is_sent(turns: list[tuple[str, str]]) -> None:
    text = render([{"role": role, "content": content} for role, content in turns])
    expected = "".join(f"{BEGIN}{ROLES[role]}\n{neutralise(content)}{END}\n" for role, content in turns)
    assert text == expected + f"{BEGIN}助手\n"


@given(TEXTS, st.lists(st.integers(0, 40), max_size=4))
def test_no_field_forms_a_token_when_any_text_stands_in_all(text: str, cuts: list[int]) -> None:
    def opened(messages: Any, tools: Any) -> tuple[int, ...]:
        rendered = render(messages, tools=tools)
        exact = [rendered.count(token) for token in CONTROL_IDS]
        return (*exact, folded(rendered).count("<|"))

    harmless = opened(*everywhere("甲"))
    assert opened(*everywhere(text)) == harmless
    bounds = [0, *sorted(cuts), len(text)]
    assert opened(*everywhere("甲", in_parts=[text[a:b] for a, b in zip(bounds, bounds[1:], strict=False)])) == harmless


@given(TEXTS)
def test_text_reads_the_same_when_neutralised_twice_and_restored(text: str) -> None:
    safe = neutralise(text)
    assert neutralise(safe) == safe
    assert safe.replace("·", "") == text.replace("·", "")
    if restore(text) == text:
        assert restore(safe) == text


@given(TEXTS, st.integers(1, 6))
def test_restored_text_is_the_same_when_it_arrives_in_pieces(text: str, size: int) -> None:
    def shown(given: str, step: int) -> str:
        stream = RestoringStream()
        return "".join(stream.feed(given[i : i + step]) for i in range(0, len(given), step)) + stream.finish()

    assert shown(text, size) == shown(text, max(1, len(text)))
    safe = neutralise(text)
    assert shown(safe, size) == restore(safe)


@given(st.lists(TEXTS, max_size=5))
def test_parts_are_lines_when_content_is_a_list(texts: list[str]) -> None:
    listed = render([{"role": "user", "content": parts(*texts)}])
    assert listed == render([{"role": "user", "content": "\n".join(texts)}])
