import pytest

from ingest.errors import BrokenFileError, FileVanishedError, NeedsOcrError
from ingest.jobs.queue import LONGEST_DELAY_S, delay_s, is_passing, next_collection, told
from retrieval.errors import CatalogError, EmbedderError, EmbedderMismatchError, Message, VectorStoreError

SAID = Message("No.", "否。")


def test_collection_served_longest_ago_comes_next():
    assert next_collection(["甲", "乙", "丙"], {"甲": 5, "乙": 3, "丙": 4}) == "乙"


def test_collection_never_served_comes_first():
    assert next_collection(["甲", "乙"], {"甲": 1}) == "乙"


def test_collections_take_turns_however_much_each_has():
    served: dict[str, int] = {}
    turns = []
    for turn in range(6):
        chosen = next_collection(["大", "小", "中"], served)
        served[chosen] = turn
        turns.append(chosen)
    assert turns[:3] == turns[3:] and set(turns[:3]) == {"大", "小", "中"}


@pytest.mark.parametrize(("attempts", "seconds"), [(1, 1.0), (2, 2.0), (3, 4.0), (8, 128.0), (9, 256.0)])
def test_delay_doubles_with_each_attempt(attempts, seconds):
    assert delay_s(attempts) == seconds


@pytest.mark.parametrize("attempts", [10, 100, 10**6])
def test_delay_ends_at_five_minutes(attempts):
    assert delay_s(attempts) == LONGEST_DELAY_S == 300


@pytest.mark.parametrize(
    "error",
    [CatalogError(SAID), VectorStoreError(SAID), EmbedderError(SAID), OSError(28, "x"), FileVanishedError("甲")],
)
def test_trouble_passes_when_it_is_not_the_files(error):
    assert is_passing(error)


@pytest.mark.parametrize(
    "error", [BrokenFileError("甲", "pdf", "x"), NeedsOcrError("甲", 3), EmbedderMismatchError(SAID)]
)
def test_trouble_stays_when_another_attempt_would_see_the_same(error):
    assert not is_passing(error)


def test_unforeseen_error_is_told_without_its_words():
    error = told(RuntimeError("/secret/path"))
    assert "RuntimeError" in error.message.en and "secret" not in error.render("en") + error.render("zh")
