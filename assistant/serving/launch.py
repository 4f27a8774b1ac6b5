"""Start an engine, wait until it is ready, stay with it, and end it with all its children."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from assistant.serving.engines import Command
from assistant.serving.errors import EngineFailedError, PortTakenError
from assistant.serving.failures import cannot_run, ended_early, tail, too_slow
from retrieval.errors import Message

POLL_S = 0.25
GRACE_S = 30.0
"""Seconds that an engine may take to end once it is told to."""
INTERRUPTED = 130

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""This machine is asked directly, whatever proxy is set for the rest of the world."""


@dataclass(frozen=True)
class Waiting:
    """How far an engine has come.

    Args:
        seconds: Since its start.
        line: The last line of its log.
    """

    seconds: float
    line: str


def check_port(host: str, port: int) -> None:
    """Make sure that an engine can listen there.

    Raises:
        PortTakenError: If somebody listens there already, or the address is not this machine's.
    """
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except OSError as exc:
        if exc.errno == errno.EADDRINUSE:
            raise PortTakenError(
                Message(en=f"Port {port} on {host!r} is in use.", zh=f"{host!r} 的端口 {port} 已被占用。"),
                hint=Message(
                    en=f"Stop what listens there, or choose another one: --port {port + 1}.",
                    zh=f"请停止占用它的程序，或换一个端口：--port {port + 1}。",
                ),
            ) from exc
        reason = exc.strerror or str(exc)
        raise PortTakenError(
            Message(en=f"Cannot listen on {host!r}, port {port}: {reason}.",
                    zh=f"无法监听 {host!r} 的端口 {port}：{reason}。"),
            hint=Message(en="Give an address of this machine as --host.", zh="--host 请写本机的地址。"),
        ) from exc  # fmt: skip


def answers(url: str) -> bool:
    """Whether a URL answers with success."""
    try:
        with _DIRECT.open(url, timeout=5) as reply:
            return bool(reply.status == 200)
    except (OSError, ValueError, urllib.error.URLError):
        return False


class Engine:
    """A running engine, with its children in a process group of its own; use it with `with`.

    Args:
        command: How it is started.
        environment: Of this process; the command's own is added.
        log: File for its output; what is there is replaced.
    """

    def __init__(self, command: Command, *, environment: Mapping[str, str], log: Path) -> None:
        self.command = command
        self.log = log
        self._environment = command.environment(environment)
        log.parent.mkdir(parents=True, exist_ok=True)
        self.process = self._start(command.argv)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def log_text(self) -> str:
        """What the engine wrote so far."""
        return self.log.read_text("utf-8", errors="replace")

    def wait_ready(self, *, deadline_s: float, progress: Callable[[Waiting], None] | None = None) -> None:
        """Wait until it answers, then run what the command wants done then.

        Raises:
            EngineFailedError: If it ends before, or takes longer.
        """
        started = time.monotonic()
        while not answers(self.command.ready_url):
            if (code := self.process.poll()) is not None:
                raise ended_early(self.command.engine, code, self.log_text, str(self.log))
            seconds = time.monotonic() - started
            if seconds > deadline_s:
                raise too_slow(self.command.engine, deadline_s, self.log_text, str(self.log))
            if progress is not None:
                progress(Waiting(seconds, tail(self.log_text, 1)))
            time.sleep(POLL_S)
        for argv in self.command.then:
            run_step(argv, engine=self.command.engine, environment=self._environment)

    def wait(self) -> int:
        """Wait until it ends; return its exit code, negative for a signal."""
        return self.process.wait()

    def signal(self, number: int) -> None:
        """Send a signal to the engine and all its children."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    def stop(self, grace_s: float = GRACE_S) -> None:
        """End it and its children: politely, then not."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(grace_s)
        # Also after a clean end: vLLM's worker processes may outlive it.
        self.signal(signal.SIGKILL)
        self.process.wait()

    def _start(self, argv: tuple[str, ...]) -> subprocess.Popen[bytes]:
        with self.log.open("wb") as output:
            try:
                return subprocess.Popen(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=self._environment,
                    cwd=self.command.cwd,
                    start_new_session=True,
                    preexec_fn=_end_with_parent if sys.platform == "linux" else None,
                )
            except OSError as exc:
                raise cannot_run(argv[0], exc) from exc


def _end_with_parent() -> None:
    """Have Linux end the engine also where this process is killed and can pass nothing on."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


def run_step(argv: tuple[str, ...], *, engine: str, environment: Mapping[str, str]) -> None:
    """Run a command to its end.

    Raises:
        EngineFailedError: If it fails, with its last lines.
        EngineMissingError: If it cannot be started.
    """
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, env=dict(environment), check=False)
    except OSError as exc:
        raise cannot_run(argv[0], exc) from exc
    if done.returncode:
        said = tail((done.stdout + done.stderr).decode("utf-8", "replace"))
        shown = " ".join(argv)
        raise EngineFailedError(
            Message(
                en=f"{engine}: {shown!r} failed with exit code {done.returncode}:\n{said}",
                zh=f"{engine}：{shown!r} 失败，退出码 {done.returncode}：\n{said}",
            )
        )


@contextlib.contextmanager
def signals_passed_to(engine: Engine) -> Iterator[list[int]]:
    """Pass SIGINT and SIGTERM on to an engine while the block runs; the second one, or 30 s later, kills it.

    Yields:
        The signals received so far.
    """
    received: list[int] = []

    def pass_on(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        if len(received) > 1:
            engine.signal(signal.SIGKILL)
            return
        engine.signal(signal.SIGTERM)
        killer = threading.Timer(GRACE_S, engine.signal, [signal.SIGKILL])
        killer.daemon = True
        killer.start()

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def exit_code(code: int, received: list[int]) -> int:
    """Return the exit code of this process for an engine's, negative for a signal.

    Ctrl-C is 130; an end that was asked for by SIGTERM is a success; what a signal of others ended is 128 + it.
    """
    if signal.SIGINT in received:
        return INTERRUPTED
    if received:
        return 0
    return 128 - code if code < 0 else code
