"""Chroma's process with a step in it at which it dies, or the process that it works for."""

from __future__ import annotations

import json
import os
import signal

from retrieval.chroma_process import host
from tests.kills.steps import STEPS, When, arm, die

ARMED = "HUOZI_TEST_CHROMA_STEP"
"""Which step: what `arming` returns."""


def arming(step: str, when: When, nth: int, *, parent: bool) -> str:
    """Return what a process is told: to die at a border, or to have its parent die there."""
    return json.dumps([step, when, nth, parent], ensure_ascii=False)


def main(*arguments: str) -> None:
    """As the real one; the real one's own end follows its parent's."""
    if told := os.environ.get(ARMED):
        name, when, nth, parent = json.loads(told)
        step = next(step for step in STEPS if step.name == name)
        arm(step, when, nth, (lambda: os.kill(os.getppid(), signal.SIGKILL)) if parent else die)
    host.main(*arguments)
