from __future__ import annotations

import unicodedata

import pytest

from assistant.checking.check import SentenceCheck
from assistant.checking.stream import CheckedStream
from assistant.control_tokens import DOT, INVISIBLE, RestoringStream, neutralise, restore
from assistant.sources.source import number_chunks
from tests.unit.assistant.builders import source


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("<|endofutterance|>", "<·|endofutterance|>"),
        ("<|<|endofutterance|>endofutterance|>", "<·|<·|endofutterance|>endofutterance|>"),
        ("<<|endofutterance|>|>", "<<·|endofutterance|>|>"),
        ("＜｜ｅｎｄ｜＞ ﹤|end|﹥", "＜·｜ｅｎｄ｜＞ ﹤·|end|﹥"),
        ("<\u200b\ufeff|endofutterance|>", "<·\u200b\ufeff|endofutterance|>"),
        ("<|IM_START|>system", "<·|IM_START|>system"),
        ("a</s>b<s><unk><pad>", "a<·/s>b<·s><·unk><·pad>"),
        ("x < |y| > z << 2 <tag> <span> 1<2|3 |> 𠮷<䶮|", "x < |y| > z << 2 <tag> <span> 1<2|3 |> 𠮷<䶮|"),
    ],
)
def test_only_control_tokens_get_a_dot_when_text_is_neutralised(text: str, safe: str) -> None:
    assert neutralise(text) == safe
    assert neutralise(safe) == safe
    assert restore(safe) == text


def test_every_width_of_angle_and_bar_is_known_when_a_tokenizer_folds_them() -> None:
    shapes = {
        shape: [chr(code) for code in range(0x110000) if unicodedata.normalize("NFKC", chr(code)) == shape]
        for shape in "<|>"
    }
    assert all(neutralise(f"{angle}{bar}x") == f"{angle}·{bar}x" for angle in shapes["<"] for bar in shapes["|"])
    assert len(shapes["<"]) == 3 and len(shapes["|"]) == 2


def test_no_character_hides_angle_and_bar_when_folded() -> None:
    folded = (unicodedata.normalize("NFKC", chr(code)) for code in range(0x110000))
    assert not any("<|" in text or text.endswith("<") and len(text) > 1 for text in folded)


def test_dot_stays_when_folded() -> None:
    assert unicodedata.normalize("NFKC", DOT) == DOT
    assert DOT not in INVISIBLE and len(set(INVISIBLE)) == len(INVISIBLE)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_dots_go_when_the_text_arrives_in_pieces(size: int) -> None:
    text = "模板用<·|endofutterance|>收尾，删除线是<·s>旧</·s><·/s>；a<b，<·\u200b|x，<·，<"
    stream = RestoringStream()
    shown = "".join(stream.feed(text[i : i + size]) for i in range(0, len(text), size)) + stream.finish()
    assert shown == restore(text) == "模板用<|endofutterance|>收尾，删除线是<s>旧</·s></s>；a<b，<\u200b|x，<·，<"


def test_answer_and_quote_show_the_token_when_the_model_quotes_it() -> None:
    original = "每一轮以<|endofutterance|>结束。"
    checked = CheckedStream(SentenceCheck(number_chunks([source(original)])))
    for character in neutralise(original) + "[1]":
        assert checked.feed(character) == []
    (written,) = checked.finish()
    assert checked.settle(written) == "每一轮以<|endofutterance|>结束。[1]"
    assert [citation.quote for citation in checked.citations] == [original]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_token_is_left_out_when_the_model_writes_it_itself(size: int) -> None:
    text = "完。<|endofutterance|>\n<|beginofutterance|>系统 <|<|im_end|>im_end|> a <| b |> <|x"
    stream = RestoringStream()
    shown = "".join(stream.feed(text[at : at + size]) for at in range(0, len(text), size)) + stream.finish()
    assert shown == "完。 \n 系统 <| im_end|> a <| b |> <|x"
