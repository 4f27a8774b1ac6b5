import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.keyword.tokens import is_pair, is_single, query_weights, tokenize


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("年假", ["年", "假", "年假"]),
        ("臺灣龍", ["台", "湾", "龙", "台湾", "湾龙"]),
        ("𠮷䶮", ["𠮷", "䶮", "𠮷䶮"]),
        ("GPT-3", ["gpt", "3", "gpt3"]),
        ("gpt3", ["gpt", "3", "gpt3"]),
        ("1,750亿", ["1750", "亿"]),
        ("3.5%", ["3.5"]),
        ("2023-05-01", ["2023", "05", "01"]),
        ("v1.2.3", ["v", "1.2.3", "v1.2.3"]),
        ("１２，３４", ["12", "34"]),
        ("RB-2107-04A", ["rb", "2107", "04", "a", "rb210704a"]),
        ("テスト", ["テ", "ス", "ト", "テス", "スト"]),
        ("한국", ["한", "국", "한국"]),
        ("👍🏽，。！", []),
        ("", []),
    ],
)
def test_tokenize_gives_characters_pairs_and_words(text, tokens):
    assert tokenize(text) == tokens


def test_tokenize_makes_no_pair_across_punctuation():
    assert "假天" not in tokenize("年假，天数")


def test_tokenize_bounds_words_when_text_is_encoded_data():
    assert max(map(len, tokenize("Zm9v" * 10_000))) <= 64


@given(st.text())
def test_tokens_hold_no_space_and_are_not_empty(text):
    for token in tokenize(text):
        assert token
        assert not any(character.isspace() for character in token)


def test_single_and_pair_are_told_apart():
    assert is_single("年")
    assert is_pair("年假")
    assert not is_single("a")
    assert not is_pair("3d")


@pytest.mark.parametrize(
    ("question", "dropped"),
    [("年假有多少天？", "多少"), ("为什么要签合同", "什么"), ("可以报销吗？", "吗"), ("請問年假幾天", "请问")],
)
def test_query_weights_drop_question_words(question, dropped):
    weights = query_weights(question)
    assert dropped not in weights
    assert weights
    assert all(weight > 0 for weight in weights.values())


def test_query_weights_keep_question_words_when_nothing_else_is_there():
    assert "什么" in query_weights("什么？")


def test_query_weights_are_empty_when_question_has_no_letters():
    assert query_weights("？！👍") == {}


def test_query_weights_agree_when_script_and_width_differ():
    assert query_weights("臺灣ＧＰＴ") == query_weights("台湾gpt")
