"""How long until the command line, the service and the first search are there?

python -m benchmarks.startup [--runs 5]
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import machine, median, report, say, stopwatch
from tests.processes import free_port

ROOT = Path(__file__).parents[1]
HUOZI = str(Path(sys.executable).with_name("huozi"))
QUESTION = "年假有多少天"
TARGETS_S = {"huozi --help": 0.3, "serve, second start": 5.0}
DEADLINE_S = 300


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.startup", description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args(argv)
    about = machine()
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="huozi-bench-") as folder:
        environment = {**os.environ, "HUOZI_DATA_DIR": folder}
        for _ in range(options.runs):
            note(times, "python -c pass", command(environment, sys.executable, "-c", "pass"))
            note(times, "import api.cli", command(environment, sys.executable, "-c", "import api.cli"))
            note(times, "huozi --help", command(environment, HUOZI, "--help"))
        first = serve(environment)
        say(f"first start, with the samples ingested: {first['ready']:.1f} s")
        for _ in range(options.runs):
            found = serve(environment)
            note(times, "serve, second start", found["ready"])
            note(times, "first search", found["first search"])
            note(times, "second search", found["second search"])
            note(times, "huozi search, no service", command(environment, HUOZI, "search", QUESTION))
    publish(times, first["ready"], about)


def note(times: dict[str, list[float]], name: str, seconds: float) -> None:
    """Keep a measurement."""
    times.setdefault(name, []).append(seconds)


def command(environment: dict[str, str], *arguments: str) -> float:
    """Return how long a command takes."""
    with stopwatch() as watch:
        subprocess.run(arguments, env=environment, cwd=ROOT, check=True, capture_output=True)
    return watch.seconds


def serve(environment: dict[str, str]) -> dict[str, float]:
    """Start the service as `make run` does; return when it was ready, and what its first two searches took."""
    port = free_port()
    command = [HUOZI, "serve", "--port", str(port), "--ingest", "samples"]
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        wait(lambda: get(f"{url}/healthz"), process)
        found = {"ready": time.perf_counter() - started}
        store = json.loads(get(f"{url}/v1/vector_stores"))["data"][0]["id"]
        for name in ("first search", "second search"):
            with stopwatch() as watch:
                post(f"{url}/v1/vector_stores/{store}/search", {"query": QUESTION})
            found[name] = watch.seconds
        return found
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def wait(probe: Callable[[], Any], process: subprocess.Popen[bytes]) -> None:
    """Return when a probe succeeds."""
    end = time.perf_counter() + DEADLINE_S
    while time.perf_counter() < end:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
        try:
            probe()
        except (urllib.error.URLError, OSError):
            time.sleep(0.01)
        else:
            return
    raise RuntimeError(f"{process.args!r} was not ready in {DEADLINE_S} s")


def get(url: str) -> bytes:
    """GET."""
    with urllib.request.urlopen(url, timeout=60) as reply:
        return bytes(reply.read())


def post(url: str, body: Any) -> bytes:
    """POST JSON."""
    request = urllib.request.Request(
        url, data=json.dumps(body).encode(), headers={"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=60) as reply:
        return bytes(reply.read())


def publish(times: dict[str, list[float]], first_start: float, about: dict[str, Any]) -> None:
    """Print the medians."""
    medians = {name: round(median(values), 3) for name, values in times.items()}
    rows: list[list[Any]] = [[name, seconds, TARGETS_S.get(name, "")] for name, seconds in medians.items()]
    rows.append(["serve, first start with samples", round(first_start, 3), ""])
    figures = {**about, "seconds": medians, "first_start_s": round(first_start, 3), "targets_s": TARGETS_S}
    report("startup", figures, ["", "s, median", "target"], rows)


if __name__ == "__main__":
    main()
