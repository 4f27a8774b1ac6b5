import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.keyword.folding import fold, fold_with_offsets, original_span, script_map

TRICKY = "aÁe\u0301ｶﾞ台灣㎏ﬁ①\u200b\U000e0100ßİΣς각\u1100\u1161\u11a8𠮷䶮👨‍👩\u0327ﾟ\u0345，。２０ "
texts = st.text(alphabet=st.sampled_from(TRICKY) | st.characters(exclude_categories=["Cs"]), max_size=24)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("年假有多少天", "年假有多少天"),
        ("臺灣的龍門", "台湾的龙门"),
        ("２０２３年，ＧＰＴ－３", "2023年,gpt-3"),
        ("GPT-3 Ärger", "gpt-3 ärger"),
        ("ｶﾞｲﾄﾞ", "ガイド"),
        ("葛\U000e0100城\u200b市\ufeff", "葛城市"),
        ("𠮷野家䶮👍🏽", "𠮷野家䶮👍🏽"),
        ("e\u0301", "é"),
        ("", ""),
    ],
)
def test_fold_makes_spellings_equal(text, folded):
    assert fold(text) == folded


def test_script_map_ends_where_it_leads():
    mapping = script_map()
    assert len(mapping) > 3000
    assert not [other for other in mapping.values() if ord(other) in mapping]


@given(texts)
def test_fold_with_offsets_agrees_with_fold(text):
    folded, offsets = fold_with_offsets(text)
    assert folded == fold(text)
    assert len(offsets) == len(folded) + 1
    assert list(offsets) == sorted(offsets)
    assert offsets[-1] == len(text)


@given(texts, st.integers(0, 30), st.integers(0, 30))
def test_original_span_holds_what_was_folded(text, first, length):
    folded, offsets = fold_with_offsets(text)
    start = min(first, len(folded))
    end = min(start + length, len(folded))
    low, high = original_span(offsets, start, end)
    assert 0 <= low <= high <= len(text)
    assert folded[start:end] in fold(text[low:high])


def test_original_span_keeps_whole_characters_when_one_became_two():
    folded, offsets = fold_with_offsets("重５㎏整")
    assert folded == "重5kg整"
    assert original_span(offsets, 1, 3) == (1, 3)
    assert original_span(offsets, 2, 2) == (2, 2)
