"""How much memory does the service take: idle, with `e5` loaded, after many questions?

python -m benchmarks.memory [--questions 100]

Resident memory (RSS) of `huozi serve` with the samples ingested by an earlier process, as after a second `make run`.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from benchmarks.measure import machine, report
from benchmarks.startup import HUOZI, ROOT, get, post, wait
from tests.processes import free_port

TARGETS_MB = {"idle": 350, "first question": 700}
SETTLE_S = 2.0


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.memory", description=__doc__)
    parser.add_argument("--questions", type=int, default=100)
    options = parser.parse_args(argv)
    about = machine()
    with tempfile.TemporaryDirectory(prefix="huozi-bench-") as folder:
        environment = {**os.environ, "HUOZI_DATA_DIR": folder, "HUOZI_EMBEDDER": "e5"}
        subprocess.run([HUOZI, "ingest", "samples"], env=environment, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        found = measure(environment, options.questions)
    rows: list[list[Any]] = [[name, f"{size:.0f}", TARGETS_MB.get(name, "")] for name, size in found.items()]
    report("memory", {**about, "mb": found, "targets_mb": TARGETS_MB}, ["", "RSS, MB", "target, below"], rows)


def measure(environment: dict[str, str], n_questions: int) -> dict[str, float]:
    """Start the service, ask, and look at its memory in between."""
    port = free_port()
    process = subprocess.Popen(
        [HUOZI, "serve", "--port", str(port)],
        env=environment,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        wait(lambda: get(f"{url}/healthz"), process)
        found = {"idle": resident_mb(process.pid)}
        get(f"{url}/")
        get(f"{url}/v1/models")
        found["page and model list"] = resident_mb(process.pid)
        questions = read_questions()
        for number in range(n_questions):
            post(f"{url}/v1/chat/completions", ask(questions[number % len(questions)]))
            if number == 0:
                found["first question"] = resident_mb(process.pid)
        found[f"{n_questions} questions"] = resident_mb(process.pid)
        return found
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def ask(question: str) -> dict[str, Any]:
    """Return a request."""
    return {"model": "huozi-rag", "messages": [{"role": "user", "content": question}]}


def read_questions() -> list[str]:
    """Return the questions that come with the samples."""
    lines = (Path(ROOT) / "samples" / "questions.jsonl").read_text("utf-8").splitlines()
    return [str(row.get("question") or row["query"]) for row in map(json.loads, lines)]


def resident_mb(pid: int) -> float:
    """Return the resident memory, in 10^6 bytes, of a process and all that it started, once it has settled."""
    time.sleep(SETTLE_S)
    process = psutil.Process(pid)
    return round(sum(one.memory_info().rss for one in (process, *process.children(recursive=True))) / 1e6, 1)


if __name__ == "__main__":
    main()
