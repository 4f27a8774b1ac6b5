"""A real vLLM on the CPU with the tiny model: one for a whole test run, see the fixture `vllm` in conftest.py.

`VLLM_TEST_URL=http://127.0.0.1:8000` lets the tests use a server that runs already; it must serve the tiny model.
"""

from __future__ import annotations

import os
import platform
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

import prompts
from tests.processes import free_port
from tests.tiny_mixtral import build

HUOZI = str(Path(sys.executable).with_name("huozi"))
PYTHON = Path(__file__).parents[1] / ".venv-vllm" / "bin" / "python"
TEMPLATE = prompts.chat_template_path("huozi")
DEADLINE_S = 300
LOG_TAIL_CHARS = 4_000

# One core is enough for 8 million weights, and leaves the other to the tests; 128 MiB of keys and values are four full
# windows.
ENVIRONMENT = {
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": "1",
}
LIGHT = ("--kv-cache-memory-bytes", str(128 << 20))


def why_unsupported() -> str | None:
    """Return why this platform cannot run the CPU build of vLLM, or None if it can."""
    if sys.platform == "linux" and platform.machine() == "x86_64":
        return None
    return f"the CPU build of vLLM exists for Linux x86_64 alone, this is {platform.system()} {platform.machine()}"


class VllmServer:
    """A vLLM that `huozi model serve` starts, with the tiny model, our template, the hermes parser and the role 助手.

    `start()` returns at once and `wait()` when it is ready, so that other work can fill the time between.

    Args:
        folder: For the model and the log.
        template: Another chat template.
        options: More command line options.

    Attributes:
        log: Its output.
    """

    def __init__(self, folder: Path, *, template: Path = TEMPLATE, options: Sequence[str] = ()) -> None:
        self.log = folder / "vllm.log"
        self._told = folder / "serve.log"
        self.root_url = f"http://127.0.0.1:{free_port()}"
        self._folder = folder
        self._template = template
        self._options = tuple(options)
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0

    @property
    def base_url(self) -> str:
        """Where the OpenAI API is, with `/v1`."""
        return f"{self.root_url}/v1"

    @property
    def is_started(self) -> bool:
        """Whether `start()` was called, and `stop()` was not."""
        return self._process is not None

    def start(self) -> Self:
        """Start the process, in a group of its own."""
        if not PYTHON.exists():
            raise RuntimeError(f"{PYTHON} is missing; `make vllm` installs it.")
        self._started = time.monotonic()
        with self._told.open("ab") as output:
            self._process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**_without_settings(os.environ), **ENVIRONMENT, "HUOZI_DATA_DIR": str(self._folder / "data")},
                start_new_session=True,
            )
        return self

    def wait(self) -> Self:
        """Return when it is ready.

        Raises:
            RuntimeError: If it ended or is not ready in time, with the end of its log.
        """
        assert self._process is not None, "start() comes first"
        while self._process.poll() is None:
            with suppress(httpx.HTTPError):
                if httpx.get(f"{self.root_url}/health", timeout=5).is_success:
                    return self
            # After the question: other tests may have taken longer than the deadline.
            if time.monotonic() > self._started + DEADLINE_S:
                break
            time.sleep(0.2)
        self.stop()
        logs = [log.read_text(errors="replace")[-LOG_TAIL_CHARS:] for log in (self.log, self._told) if log.exists()]
        raise RuntimeError("vLLM is not ready:\n" + "\n".join(logs))

    def stop(self) -> None:
        """End the whole group: politely, then not."""
        if self._process is None:
            return
        for number, patience_s in ((signal.SIGTERM, 30), (signal.SIGKILL, 10)):
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(patience_s)
        self._process = None

    def __enter__(self) -> Self:
        return self.start().wait()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def metric(self, name: str) -> float:
        """Return one of its counters or gauges, e.g. `vllm:num_requests_running`."""
        text = httpx.get(f"{self.root_url}/metrics", timeout=10).text
        values = re.findall(rf"^{re.escape(name)}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE)
        assert values, f"no metric {name}"
        return sum(map(float, values))

    def token_ids(self, body: Mapping[str, Any]) -> list[int]:
        """Return the tokens that it makes of `{"messages": ...}` or `{"prompt": ...}`."""
        reply = httpx.post(f"{self.root_url}/tokenize", json={"model": "huozi", **body}, timeout=60)
        assert reply.is_success, reply.text
        return list(reply.json()["tokens"])

    def _command(self) -> list[str]:
        """Return `huozi model serve`, so that every test of the real server tests that too."""
        named = {
            "engine": "vllm",
            "source": build(self._folder / "tiny-mixtral"),
            "env": PYTHON.parents[1],
            "port": self.root_url.rpartition(":")[2],
            "log": self.log,
        }
        options = [part for name, value in named.items() for part in (f"--{name}", str(value))]
        template = [] if self._template == TEMPLATE else ["--chat-template", str(self._template)]
        return [HUOZI, "model", "serve", "huozi3.5", *options, "--", *LIGHT, *template, *self._options]


class RunningVllm(VllmServer):
    """A server that somebody else started, at this address; it is neither started nor stopped."""

    def __init__(self, folder: Path, root_url: str) -> None:
        super().__init__(folder)
        self.root_url = root_url.rstrip("/")

    def start(self) -> Self:
        """Do nothing."""
        return self

    def wait(self) -> Self:
        """Fail if it does not answer."""
        httpx.get(f"{self.root_url}/health", timeout=10).raise_for_status()
        return self


def _without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Leave out what a user set for a vLLM of their own."""
    return {name: value for name, value in environment.items() if not name.startswith(("VLLM_", "HUOZI_"))}
