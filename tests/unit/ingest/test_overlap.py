import threading

import pytest

from ingest.overlap import Overlap

DEADLINE_S = 30.0


def test_results_come_in_order_when_all_are_taken():
    overlap = Overlap(lambda item: (item, threading.current_thread().name), ahead=1, name="step")
    for item in range(5):
        overlap.put(item)

    results = list(overlap.take_all(5))
    overlap.close()

    assert [item for item, _ in results] == list(range(6))
    assert {name for _, name in results} == {"step_0"}


def test_single_item_needs_no_thread():
    overlap = Overlap(lambda _: threading.current_thread(), ahead=1, name="step")

    assert list(overlap.take_all("it")) == [threading.current_thread()]
    assert list(overlap.take_all()) == []


def test_take_waits_for_the_first_when_too_many_wait():
    may_go = threading.Event()
    overlap = Overlap(lambda item: may_go.wait(DEADLINE_S) and item, ahead=1, name="step")
    for item in (1, 2):
        overlap.put(item)
        assert list(overlap.take()) == []
    overlap.put(3)
    threading.Timer(0.05, may_go.set).start()

    first = next(iter(overlap.take()))
    rest = list(overlap.take_all())
    overlap.close()

    assert (first, rest) == (1, [2, 3])


def test_results_before_a_failure_are_given_when_a_step_raises():
    overlap = Overlap(lambda item: 6 // item, ahead=5, name="step")
    for item in (3, 2, 0, 1):
        overlap.put(item)
    taken = []

    with pytest.raises(ZeroDivisionError):
        taken.extend(iter(overlap.take_all()))
    overlap.close()

    assert list(overlap.take_all()) == []


def test_what_waits_is_dropped_when_it_is_closed():
    begun, may_go, done = threading.Event(), threading.Event(), []

    def step(item):
        begun.set()
        may_go.wait(DEADLINE_S)
        done.append(item)

    overlap = Overlap(step, ahead=5, name="step")
    for item in range(4):
        overlap.put(item)
    assert begun.wait(DEADLINE_S)
    threading.Timer(0.05, may_go.set).start()

    overlap.close()

    assert done == [0]
