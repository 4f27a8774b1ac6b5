"""Who shows nothing yet goes first; who is being read waits, but not for ever."""

from __future__ import annotations

import asyncio
import threading

import pytest

from assistant import precedence
from assistant.precedence import Precedence


@pytest.fixture
def gate() -> threading.Event:
    return threading.Event()


async def test_a_reader_need_not_wait_when_nobody_searches() -> None:
    reader = Precedence().reader(wants_drafts=True)
    assert not reader.may_wait()
    await asyncio.wait_for(reader.wait(), 5)


async def test_a_reader_waits_until_the_search_ends_when_somebody_searches(gate: threading.Event) -> None:
    order = Precedence()
    reader = order.reader(wants_drafts=True)
    search = asyncio.create_task(order.search(gate.wait, 10))
    await asyncio.sleep(0)
    assert reader.may_wait()
    waiting = asyncio.create_task(reader.wait())
    await asyncio.sleep(0.02)
    assert not waiting.done()
    gate.set()
    assert await search is True
    await asyncio.wait_for(waiting, 0.9)


async def test_readers_take_turns_in_their_order_when_the_search_ends(gate: threading.Event) -> None:
    order, came = Precedence(), []

    async def read(name: str) -> None:
        await order.reader(wants_drafts=True).wait()
        came.append(name)

    search = asyncio.create_task(order.search(gate.wait, 10))
    await asyncio.sleep(0)
    readers = [asyncio.create_task(read(name)) for name in "甲乙丙"]
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(search, *readers)
    assert came == ["甲", "乙", "丙"]


async def test_a_reader_waits_no_longer_when_its_patience_ends(
    gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precedence, "PATIENCE_S", 0.02)
    order = Precedence()
    reader = order.reader(wants_drafts=True)
    search = asyncio.create_task(order.search(gate.wait, 10))
    await asyncio.sleep(0)
    await asyncio.wait_for(reader.wait(), 5)
    assert not search.done()
    assert not reader.may_wait()
    gate.set()
    await search


async def test_others_are_served_when_a_reader_that_waits_leaves(gate: threading.Event) -> None:
    order = Precedence()
    search = asyncio.create_task(order.search(gate.wait, 10))
    await asyncio.sleep(0)
    gone = asyncio.create_task(order.reader(wants_drafts=True).wait())
    stays = asyncio.create_task(order.reader(wants_drafts=True).wait())
    await asyncio.sleep(0)
    gone.cancel()
    gate.set()
    await asyncio.gather(search, asyncio.wait_for(stays, 0.9))
    assert gone.cancelled() or gone.cancelling()


async def test_searches_are_made_in_their_order_when_there_are_more_than_threads(
    gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precedence, "SEARCHES", 1)
    order, made = Precedence(), []
    blocked = asyncio.create_task(order.search(gate.wait, 10))
    await asyncio.sleep(0)
    others = [asyncio.create_task(order.search(made.append, name)) for name in "甲乙丙"]
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(blocked, *others)
    assert made == ["甲", "乙", "丙"]


async def test_the_error_arrives_and_the_others_go_on_when_a_search_fails() -> None:
    order = Precedence()
    with pytest.raises(ZeroDivisionError):
        await order.search(divmod, 1, 0)
    assert not order.reader(wants_drafts=False).may_wait()


def test_each_event_loop_stands_for_itself_when_there_are_several() -> None:
    order = Precedence()
    for _ in range(2):
        assert asyncio.run(order.search(str, 5)) == "5"
