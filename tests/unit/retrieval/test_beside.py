"""A call on a thread of its own."""

import gc
import threading
import time
import weakref

import pytest

from retrieval.beside import Beside, beside


def test_call_runs_while_the_maker_goes_on():
    may_end, ended = threading.Event(), []

    call = Beside(lambda: (may_end.wait(), ended.append(True)))
    assert ended == []
    may_end.set()
    call.join()

    assert ended == [True]


def test_error_is_raised_by_join_and_not_by_wait():
    def fail():
        raise OSError(28, "No space left on device")

    call = Beside(fail)
    call.wait()

    with pytest.raises(OSError, match="No space left"):
        call.join()


def test_error_keeps_nothing_alive_when_the_call_has_failed():
    class Writer:
        def commit(self):
            raise ValueError("full")

    writer = Writer()
    known = weakref.ref(writer)
    call = Beside(writer.commit)
    call.wait()
    del writer
    gc.collect()

    assert known() is None


def test_block_ends_after_its_call():
    done = []
    with beside(lambda: (time.sleep(0.05), done.append("call"))):
        done.append("block")
    assert done == ["block", "call"]


def test_block_raises_what_its_call_raised():
    with pytest.raises(ZeroDivisionError), beside(lambda: 1 / 0):
        pass


def test_block_that_raises_is_what_is_told_and_its_call_ends_first():
    done = []
    with pytest.raises(KeyError), beside(lambda: (time.sleep(0.05), done.append("call"), 1 / 0)):
        raise KeyError
    assert done == ["call"]
