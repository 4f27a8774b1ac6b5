"""What comes while the reader is busy comes at once; errors and the end come in their place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from assistant import gathering
from assistant.gathering import gathered


async def sent(*steps: list[str] | float | Exception, closed: asyncio.Event) -> AsyncGenerator[list[str], None]:
    try:
        for step in steps:
            if isinstance(step, Exception):
                raise step
            if isinstance(step, list):
                yield step
            else:
                await asyncio.sleep(step)
    finally:
        closed.set()


async def test_batches_are_one_when_they_came_while_nobody_read() -> None:
    closed = asyncio.Event()
    got = [batch async for batch in gathered(sent(["一"], ["二", "三"], 0.02, ["四"], closed=closed))]
    assert got == [["一", "二", "三"], ["四"]]
    assert closed.is_set()


async def test_the_error_comes_after_what_came_before_it_when_the_stream_breaks() -> None:
    got: list[list[str]] = []
    closed = asyncio.Event()
    with pytest.raises(ValueError, match="断了"):
        async for batch in gathered(sent(["一"], ["二"], ValueError("断了"), closed=closed)):
            got.append(batch)
    assert got == [["一", "二"]]
    assert closed.is_set()


async def test_the_stream_is_closed_when_its_reader_leaves() -> None:
    closed = asyncio.Event()
    batches = gathered(sent(["一"], 60.0, ["二"], closed=closed))
    assert await anext(batches) == ["一"]
    await batches.aclose()
    assert closed.is_set()


async def test_the_stream_is_closed_when_its_reader_is_cancelled() -> None:
    closed = asyncio.Event()

    async def read() -> None:
        async for _ in gathered(sent(60.0, closed=closed)):
            pass

    reading = asyncio.create_task(read())
    await asyncio.sleep(0.01)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert closed.is_set()


async def test_the_sender_waits_when_the_reader_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "MOST_HELD", 2)
    n_sent = 0

    async def endless() -> AsyncGenerator[list[int], None]:
        nonlocal n_sent
        while True:
            n_sent += 1
            yield [n_sent]

    batches = gathered(endless())
    assert await anext(batches) == [1, 2]
    await asyncio.sleep(0.02)
    assert n_sent <= 4
    assert await anext(batches) == [3, 4]
    await batches.aclose()


async def test_nothing_comes_when_nothing_was_sent() -> None:
    assert [batch async for batch in gathered(sent(closed=asyncio.Event()))] == []
