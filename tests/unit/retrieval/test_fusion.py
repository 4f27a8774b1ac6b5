import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.fusion import fuse
from retrieval.models import Hit

KEYWORD = [Hit("a", 8.0), Hit("b", 4.0)]
VECTORS = [Hit("b", 0.9), Hit("c", 0.8)]
ids = st.sampled_from("abcdefgh")


def ranking(low, high):
    return st.dictionaries(ids, st.floats(low, high)).map(
        lambda scores: sorted((Hit(i, s) for i, s in scores.items()), key=lambda hit: (-hit.score, hit.chunk_id))
    )


def test_fuse_matches_a_hand_worked_table():
    # The unit is 1.5 x 4 = 6. a: 8/6 + 10 x (0.8 - 0.8); b: 4/6 + 10 x (0.9 - 0.8); c: 0 + 0
    fused = fuse(KEYWORD, VECTORS, keyword_mass=4.0, vector_weight=10)
    assert [hit.chunk_id for hit in fused] == ["b", "a", "c"]
    assert [hit.score for hit in fused] == pytest.approx([5 / 3, 4 / 3, 0.0])


def test_fuse_lets_vectors_decide_when_no_chunk_has_the_words():
    weak = [Hit("a", 1.0), Hit("b", 0.9)]
    assert fuse(weak, VECTORS, keyword_mass=1.0, vector_weight=1)[0].chunk_id == "b"
    assert fuse(weak, VECTORS, keyword_mass=0.1, vector_weight=1)[0].chunk_id == "a"


def test_fuse_scores_against_the_best_when_there_are_no_vectors():
    assert fuse(KEYWORD, [], keyword_mass=4.0, vector_weight=10) == [Hit("a", 1.0), Hit("b", 0.5)]


def test_fuse_keeps_the_order_of_the_only_list():
    assert [hit.chunk_id for hit in fuse(KEYWORD, [], vector_weight=15)] == ["a", "b"]
    assert [hit.chunk_id for hit in fuse([], VECTORS, vector_weight=15)] == ["b", "c"]
    assert fuse([], [], vector_weight=15) == []


def test_fuse_refuses_a_negative_weight():
    with pytest.raises(ValueError, match="-1"):
        fuse(KEYWORD, VECTORS, vector_weight=-1)


@given(ranking(0.1, 30), ranking(-1, 1), st.floats(0, 30))
def test_fuse_gives_every_chunk_once_best_first(keyword, vectors, weight):
    fused = fuse(keyword, vectors, vector_weight=weight)
    assert sorted(hit.chunk_id for hit in fused) == sorted({hit.chunk_id for hit in (*keyword, *vectors)})
    assert fused == sorted(fused, key=lambda hit: (-hit.score, hit.chunk_id))
