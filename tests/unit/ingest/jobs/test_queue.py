import pytest

from ingest.errors import BrokenFileError, FileVanishedError, NeedsOcrError
from ingest.jobs.queue import LONGEST_DELAY_S, attempts_within, delay_s, may_try_again, next_collection, told
from ingest.settings import JobSettings
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


@pytest.mark.parametrize(("attempts", "seconds"), [(1, 1.0), (2, 2.0), (3, 4.0), (6, 32.0)])
def test_delay_doubles_with_each_attempt(attempts, seconds):
    assert delay_s(attempts) == seconds


@pytest.mark.parametrize("attempts", [7, 100, 10**6])
def test_delay_ends_at_a_minute(attempts):
    assert delay_s(attempts) == LONGEST_DELAY_S == 60


@pytest.mark.parametrize("hours", [0.0, 0.01, 0.5, 2, 24])
def test_delays_of_the_attempts_fill_the_hours_and_no_more(hours):
    delays = [delay_s(number) for number in range(1, attempts_within(hours))]
    assert sum(delays) >= hours * 3600
    assert delays == [] or sum(delays[:-1]) < hours * 3600


@pytest.mark.parametrize("error", [CatalogError(SAID), VectorStoreError(SAID), EmbedderError(SAID), OSError(28, "x")])
def test_outage_is_waited_for_by_the_hour_and_not_by_attempts(error):
    settings = JobSettings(attempts=2, outage_hours=1)
    assert may_try_again(error, 50, settings) and not may_try_again(error, 100, settings)


@pytest.mark.parametrize("error", [RuntimeError("x"), FileVanishedError("甲")])
def test_trouble_of_one_job_is_tried_again_a_few_times(error):
    settings = JobSettings(attempts=8, outage_hours=1)
    assert may_try_again(error, 7, settings) and not may_try_again(error, 8, settings)


@pytest.mark.parametrize(
    "error", [BrokenFileError("甲", "pdf", "x"), NeedsOcrError("甲", 3), EmbedderMismatchError(SAID)]
)
def test_trouble_stays_when_another_attempt_would_see_the_same(error):
    assert not may_try_again(error, 1, JobSettings())


def test_unforeseen_error_is_told_without_its_words():
    error = told(RuntimeError("/secret/path"))
    assert "RuntimeError" in error.message.en and "secret" not in error.render("en") + error.render("zh")
