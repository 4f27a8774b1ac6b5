"""The real `huozi` command in its own process, with the embedder `none` so that tests are quick."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.processes import ServerProcess, free_port

HUOZI = str(Path(sys.executable).with_name("huozi"))
DEADLINE_S = 120


def environment(data: Path, **settings: str) -> dict[str, str]:
    """Return this process's environment with nothing of ours in it but what a test sets."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HUOZI_")}
    return {**kept, "HUOZI_DATA_DIR": str(data), "HUOZI_EMBEDDER": "none", "PYTHONIOENCODING": "utf-8", **settings}


def huozi(*words: str, data: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, in an empty folder beside the data."""
    return run([HUOZI, *words], data=data, **settings)


def run(command: Sequence[str], *, data: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run any program to its end, with the data and the settings of a test."""
    return subprocess.run(
        command,
        env=environment(data, **settings),
        cwd=data.parent,
        capture_output=True,
        encoding="utf-8",
        timeout=DEADLINE_S,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def start(*words: str, data: Path, **settings: str) -> subprocess.Popen[str]:
    """Start a command."""
    return subprocess.Popen(
        [HUOZI, *words],
        env=environment(data, **settings),
        cwd=data.parent,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


@contextmanager
def service(data: Path, *words: str) -> Iterator[ServerProcess]:
    """Run `huozi serve` for the length of a test."""
    port = free_port()
    clean = environment(data)
    command = [HUOZI, "serve", "--port", str(port), *words]
    with ServerProcess(command, port=port, health="/healthz", log=data.parent / "serve.log", env=clean) as server:
        yield server
