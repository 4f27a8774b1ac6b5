from __future__ import annotations

import json
import os
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as ReferenceTokenizer
from tokenizers import models, pre_tokenizers

from retrieval.embedders import default_embedder
from retrieval.embedders.e5_tokenizer import Tokenizer
from retrieval.embedders.e5_weights import Vocabulary, WeightsFile, find_weights

pytestmark = pytest.mark.skipif(default_embedder() == "none", reason="the weights of e5 are not installed")

EVAL_DIR = Path(os.environ.get("HUOZI_EVAL_DIR", "../shared/eval"))
SCRIPTS = st.one_of(
    st.sampled_from("的一是年假天第条章办法员工公司保修期限合同付款"),
    st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF),
    st.characters(min_codepoint=0x3040, max_codepoint=0x30FF),
    st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3),
    st.characters(min_codepoint=0x20, max_codepoint=0x7E),
    st.characters(min_codepoint=0xA0, max_codepoint=0x24F),
    st.characters(min_codepoint=0x370, max_codepoint=0x6FF),
    st.characters(min_codepoint=0xE00, max_codepoint=0xE7F),
    st.characters(min_codepoint=0x2000, max_codepoint=0x303F),
    st.characters(min_codepoint=0xFF00, max_codepoint=0xFFEF),
    st.characters(min_codepoint=0x1F300, max_codepoint=0x1FAFF),
    st.characters(min_codepoint=0x20000, max_codepoint=0x2FFFF),
    st.sampled_from(
        ["word ", " international", "embedding", "한국어 ", "ありがとう", "  ", "\n", "<s>", "</s>", "<mask>"]
    ),
)


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return WeightsFile(find_weights()).vocabulary()


@pytest.fixture(scope="module")
def tokenizer(vocabulary: Vocabulary) -> Tokenizer:
    return Tokenizer(vocabulary)


@pytest.fixture(scope="module")
def reference(vocabulary: Vocabulary) -> ReferenceTokenizer:
    # Text is normalised before; what reads like a control token is text, so those pieces are blanked.
    specials = {vocabulary.bos, vocabulary.eos, vocabulary.pad, len(vocabulary.scores) - 1}
    pieces = [
        (f"\x00{index}" if index in specials else piece, score)
        for index, (piece, score) in enumerate(zip(vocabulary.pieces(), vocabulary.scores.tolist(), strict=True))
    ]
    reference = ReferenceTokenizer(models.Unigram(pieces, vocabulary.unk, False))
    reference.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    return reference


def expected(tokenizer: Tokenizer, reference: ReferenceTokenizer, text: str) -> list[int]:
    # Empty text is one bare mark, as it is for SentencePiece behind a prefix.
    ids: list[int] = reference.encode(tokenizer.normalize(text) or " ").ids
    return [tokenizer.bos, *ids, tokenizer.eos]


@settings(max_examples=300, deadline=None)
@given(text=st.lists(SCRIPTS, max_size=60).map("".join))
def test_ids_equal_the_reference_when_text_is_random(
    tokenizer: Tokenizer, reference: ReferenceTokenizer, text: str
) -> None:
    assert tokenizer.encode(text) == expected(tokenizer, reference, text)


@pytest.mark.skipif(not EVAL_DIR.is_dir(), reason=f"no data sets at {EVAL_DIR}; set HUOZI_EVAL_DIR")
@pytest.mark.parametrize("name", ["cmrc", "drcd", "dureader", "dragonball", "regulations", "rgb"])
def test_ids_equal_the_reference_when_text_is_real(
    tokenizer: Tokenizer, reference: ReferenceTokenizer, name: str
) -> None:
    with (EVAL_DIR / name / "corpus.jsonl").open(encoding="utf-8") as lines:
        texts = [json.loads(line)["text"][:800] for line in islice(lines, 200)]
    assert texts
    for text in texts:
        assert tokenizer.encode(text, max_tokens=2_000) == expected(tokenizer, reference, text)


@pytest.mark.parametrize(
    ("text", "normalized"),
    [
        ("ＡＢＣ１２３，（甲）", "ABC123,(甲)"),
        ("一行\n二行\r\n\t三行", "一行 二行 三行"),
        ("  两端  空格　", "两端 空格"),
        ("cafe\u0301 ㎏ ﾊﾝｶｸ", "café kg ハンカク"),
        ("\u1112\u1161\u11ab\u1100\u1173\u11af", "한글"),
        ("零\u200b宽", "零 宽"),
        ("控\x07制", "控制"),
        ("𠮷野家 䶮 😀", "𠮷野家 䶮 😀"),
        ("", ""),
    ],
)
def test_text_is_normalized_when_encoded(tokenizer: Tokenizer, text: str, normalized: str) -> None:
    assert tokenizer.normalize(text) == normalized


def test_pieces_are_the_likeliest_when_text_is_chinese(tokenizer: Tokenizer, vocabulary: Vocabulary) -> None:
    pieces = vocabulary.pieces()
    ids = tokenizer.encode("query: 年假有多少天")
    assert [pieces[index] for index in ids] == ["<s>", "▁que", "ry", ":", "▁", "年", "假", "有多少", "天", "</s>"]


def test_run_of_unknown_characters_is_one_token_when_encoded(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("\U000f0001\U000f0002\U000f0003")
    assert ids.count(tokenizer.unk) == 1


def test_control_tokens_are_text_when_a_document_spells_them(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("<s>甲</s><pad><mask><unk>")
    assert ids.count(tokenizer.bos) == ids.count(tokenizer.eos) == 1
    assert not {1, 250_001} & set(ids)


@pytest.mark.parametrize("text", ["长文本，" * 5_000, "word " * 5_000, "a" * 10_000, "\U000f0001甲" * 5_000])
def test_end_is_cut_off_when_text_is_long(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text)
    assert len(ids) == 512
    assert (ids[0], ids[-1]) == (tokenizer.bos, tokenizer.eos)
    assert ids[:-1] == tokenizer.encode(text, max_tokens=600)[:511]


def test_ids_are_as_many_as_allowed_when_text_is_longer(tokenizer: Tokenizer) -> None:
    assert [len(tokenizer.encode("一二三四五六七八九十。" * 9, max_tokens=n)) for n in (3, 10, 20)] == [3, 10, 20]
