"""Who is served first: an answer that shows nothing yet goes before one that is being read.

Python works for one answer at a time. When many ask at once, each first word would wait for the sentences of all the
others to be checked, though nobody waits for those as one waits for a sign of life. So the way to the model is walked
in the order of the questions, few at a time, and what comes after the first words waits while anybody is on that way;
not for ever: after `PATIENCE_S` it takes its turn like all.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar
from weakref import WeakKeyDictionary

_P = ParamSpec("_P")
_T = TypeVar("_T")

PATIENCE_S = 1.0
"""Longest wait of an answer that is being read, in seconds."""

SEARCHES = max(2, min(4, os.cpu_count() or 1))
"""Searches at a time: most of one holds Python's lock, so more would only make all of them late together."""


class Precedence:
    """Lets answers that show nothing yet go first; knows each event loop by itself. Safe to share."""

    def __init__(self) -> None:
        self._queues: WeakKeyDictionary[asyncio.AbstractEventLoop, _Queue] = WeakKeyDictionary()
        self._searches = ThreadPoolExecutor(SEARCHES, thread_name_prefix="huozi-search")

    async def search(self, call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run what an answer begins with in a thread, behind those asked for before it."""
        context, queue = contextvars.copy_context(), self._queue()
        queue.n_urgent += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._searches, lambda: context.run(call, *args, **kwargs)
            )
        finally:
            queue.n_urgent -= 1
            queue.pass_on()

    def reader(self, *, wants_drafts: bool) -> Reader:
        """Return who reads one answer."""
        return Reader(self._queue(), wants_drafts=wants_drafts)

    def _queue(self) -> _Queue:
        loop = asyncio.get_running_loop()
        queue = self._queues.get(loop)
        if queue is None:
            queue = self._queues[loop] = _Queue()
        return queue


class _Queue:
    """The answers of one event loop: how many show nothing yet, and which others wait for them."""

    def __init__(self) -> None:
        self.n_urgent = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_passing = False

    @property
    def is_free(self) -> bool:
        return not self.n_urgent and not self._waiting

    async def wait(self, seconds: float) -> None:
        """Wait until nobody urgent is left, behind those that wait already, for so many seconds at most."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self.pass_on()
        try:
            async with asyncio.timeout(seconds):
                await turn
        except TimeoutError:
            pass
        finally:
            if not turn.done() or turn.cancelled():
                self._waiting = deque(one for one in self._waiting if one is not turn)

    def pass_on(self) -> None:
        """Give one that waits its turn, and the next one only when new questions have been heard."""
        if self._waiting and not self.n_urgent and not self._is_passing:
            self._is_passing = True
            asyncio.get_running_loop().call_soon(self._next)

    def _next(self) -> None:
        self._is_passing = False
        while self._waiting and not self.n_urgent:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                break
        self.pass_on()


class Reader:
    """Who reads an answer, whose words already shown give time for others'; see `Precedence.reader`.

    Args:
        queue: The answers of the event loop.
        wants_drafts: Whether words are shown before they are checked.
    """

    def __init__(self, queue: _Queue, *, wants_drafts: bool) -> None:
        self.wants_drafts = wants_drafts
        self._queue = queue
        self._since: float | None = None

    def may_wait(self) -> bool:
        """Whether others should go first: somebody who sees nothing yet, and not for too long."""
        if self._queue.is_free:
            self._since = None
            return False
        now = time.monotonic()
        self._since = self._since or now
        return now - self._since < PATIENCE_S

    async def wait(self) -> None:
        """Let others go first."""
        if self.may_wait():
            assert self._since is not None  # when it began to wait
            await self._queue.wait(self._since + PATIENCE_S - time.monotonic())
