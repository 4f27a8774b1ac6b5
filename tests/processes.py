"""Real server processes for tests: a free loopback port, a deadline, their output when they die, ended by handle."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self


def free_port() -> int:
    """Return a loopback port that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ServerProcess:
    """A process that serves HTTP; use it with `with`.

    Args:
        command: Its arguments.
        port: Where it listens on 127.0.0.1.
        health: Path that answers 200 when it is ready.
        log: File for its output, shown when it fails.
        env: Added to the environment.
        deadline_s: How long it may take to be ready.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        port: int,
        health: str,
        log: Path,
        env: Mapping[str, str] | None = None,
        deadline_s: float = 60,
    ) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.log = log
        self._health = health
        self._deadline_s = deadline_s
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                cwd=Path(__file__).parents[1],
            )

    def __enter__(self) -> Self:
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the process: politely, then not."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()

    def _wait(self) -> None:
        end = time.monotonic() + self._deadline_s
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(self.url + self._health, timeout=5):
                    return
            except (OSError, urllib.error.URLError):
                time.sleep(0.1)
        raise RuntimeError(f"{self.process.args!r} is not ready:\n{self.log.read_text(errors='replace')[-4000:]}")


def chroma_server(folder: Path, *, port: int | None = None) -> ServerProcess:
    """Return a real Chroma server on a folder."""
    chosen = port or free_port()
    command = [
        str(Path(sys.executable).with_name("chroma")),
        "run",
        "--path",
        str(folder / "store"),
        "--host",
        "127.0.0.1",
    ]
    folder.mkdir(parents=True, exist_ok=True)
    return ServerProcess(
        [*command, "--port", str(chosen)], port=chosen, health="/api/v2/heartbeat", log=folder / "chroma.log"
    )
