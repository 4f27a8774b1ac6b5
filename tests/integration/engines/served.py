"""`huozi model serve` as a process of its own, with the tiny model."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.integration.cli_process import HUOZI, environment
from tests.processes import free_port

DEADLINE_S = 300


class Served:
    """A model that is served.

    Attributes:
        settings: What the command printed: variable -> value.
        url: The server's root.
        process: The command.
    """

    def __init__(self, data: Path, *words: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._data = data
        self._log = data.parent / "serve.err"
        with self._log.open("wb") as told:
            self.process = subprocess.Popen(
                [HUOZI, "--lang", "en", "model", "serve", "--port", str(self.port), *words],
                env=environment(data),
                cwd=data.parent,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=told,
                encoding="utf-8",
            )
        self.settings: dict[str, str] = {}

    def wait(self) -> None:
        """Read what the command prints once the model is ready."""
        assert self.process.stdout is not None
        end = time.monotonic() + DEADLINE_S
        while "HUOZI_LLM__BASE_URL" not in self.settings:
            line = self.process.stdout.readline()
            if not line or time.monotonic() > end:
                raise RuntimeError(f"{self.process.args!r} is not ready:\n{self.told()}")
            name, _, value = line.strip().partition("=")
            self.settings[name] = value
        # The lines after the address are written at once with it.
        time.sleep(0.2)

    def told(self) -> str:
        """Return what it wrote on stderr, and the engine's log."""
        logs = [self._log, *self._data.glob("logs/*.log")]
        return "\n".join(log.read_text("utf-8", errors="replace")[-4000:] for log in logs)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it by a signal; return its exit code."""
        self.process.send_signal(number)
        assert self.process.stdout is not None
        code = self.process.wait(timeout=60)
        # Not by `communicate`: it would miss lines that came with the first one, which `wait` read.
        rest = self.process.stdout.read()
        self.settings |= dict(line.split("=", 1) for line in rest.splitlines() if "=" in line)
        return code


@contextmanager
def served(data: Path, *words: str) -> Iterator[Served]:
    """Serve for the length of a block."""
    one = Served(data, *words)
    try:
        one.wait()
        yield one
    finally:
        if one.process.poll() is None:
            one.stop()
        assert one.process.stdout is not None
        one.process.stdout.close()
