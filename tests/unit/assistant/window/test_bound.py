from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from assistant.window.bound import token_bound

RARE = "𠮷野家、䶮、龘、鿫、㍿、ﷺ、😀👨‍👩‍👧、é、ａｂｃ，臺灣的憂鬱\n\t  x"


def test_bound_counts_bytes_when_a_character_may_fall_apart() -> None:
    assert [token_bound(text) for text in ("年假", "abc", "𠮷", "😀", "é", "")] == [6, 3, 4, 4, 2, 0]


def test_bound_is_wide_enough_when_a_tokenizer_normalises_first() -> None:
    assert token_bound("ﷺ") == 33
    assert token_bound("㍿") == 12


def test_bound_takes_a_lone_surrogate_when_a_client_sent_one() -> None:
    assert token_bound("甲\ud800") == 4


@pytest.fixture(scope="module")
def trained(tokenizer: Path) -> Tokenizer:
    return Tokenizer.from_file(str(tokenizer))


@pytest.fixture(scope="module")
def bytes_alone() -> Tokenizer:
    """A byte-level tokenizer that never learnt to join two bytes: the most tokens that any can need."""
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer = Tokenizer(models.BPE(vocab={char: number for number, char in enumerate(alphabet)}, merges=[]))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizer


@given(st.text(max_size=60) | st.text(alphabet=RARE, max_size=60))
def test_no_tokenizer_needs_more_when_it_falls_back_to_bytes(
    trained: Tokenizer, bytes_alone: Tokenizer, text: str
) -> None:
    # One more for the space that it puts in front.
    assert len(trained.encode(text, add_special_tokens=False).ids) <= token_bound(text) + 1
    assert len(bytes_alone.encode(text).ids) <= token_bound(text)
