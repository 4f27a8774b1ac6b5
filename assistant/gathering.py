"""A stream read ahead: what came while its reader was busy is handed over as one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypeVar

_T = TypeVar("_T")

MOST_HELD = 256
"""Items read ahead; the sender waits for a reader that is slower."""


async def gathered(batches: AsyncGenerator[list[_T], None]) -> AsyncGenerator[list[_T], None]:
    """Yield what has come since the last time, as soon as there is any; closing this closes the stream.

    Under load, ten tokens that wait are one event instead of ten; without load each goes out as it comes.

    Args:
        batches: The stream.

    Raises:
        Exception: What the stream raises, after all that came before.
    """
    held: list[_T] = []
    changed, room = asyncio.Event(), asyncio.Event()

    async def read() -> None:
        async with aclosing(batches):
            async for batch in batches:
                held.extend(batch)
                changed.set()
                if len(held) >= MOST_HELD:
                    room.clear()
                    await room.wait()

    reading = asyncio.create_task(read())
    reading.add_done_callback(lambda _: changed.set())
    try:
        while not reading.done() or held:
            await changed.wait()
            changed.clear()
            found = held[:]
            held.clear()
            room.set()
            if found:
                yield found
        reading.result()
    finally:
        reading.cancel()
        await asyncio.wait([reading])
        if not reading.cancelled():
            reading.exception()  # whoever left early does not want it
