"""How long do answers stand still while documents are written? Chroma in its own process, and in ours, in turns.

python -m benchmarks.meanwhile [--chunks 4000] [--runs 3]

One thread ingests as a service does. Another looks at the clock every millisecond: the longest gap is how long a stream
of words, a page or a health check stands still. A third asks a question twice a second, by both indexes.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import retrieval.data_folder
from benchmarks.embedder import NAME, register
from benchmarks.ingest import make_records
from benchmarks.measure import machine, median, percentile, report, say
from ingest import Ingestor, TextRecord
from retrieval.chroma import ChromaStore
from retrieval.data_folder import DataFolder
from retrieval.settings import RetrievalSettings

ASK_EVERY_S = 0.5
QUESTIONS = ("年假有几天", "出差住宿费的标准", "谁来审批合同", "系统什么时候上线")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.meanwhile", description=__doc__)
    parser.add_argument("--chunks", type=int, default=4_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args(argv)
    register()
    about = machine()
    records = make_records(options.chunks)
    runs: dict[str, list[dict[str, float]]] = {"own process": [], "this process": []}
    for _ in range(options.runs):
        for where, found in runs.items():
            with tempfile.TemporaryDirectory(prefix="huozi-bench-") as folder:
                found.append(measure(Path(folder), records, here=where == "this process"))
            say(f"Chroma in {where}: {found[-1]}")
    figures = {where: {name: median(run[name] for run in found) for name in found[0]} for where, found in runs.items()}
    rows: list[list[Any]] = [[name, *(figures[where][name] for where in runs)] for name in figures["own process"]]
    report("meanwhile", {**about, "runs": options.runs, "figures": figures}, ["Chroma in", *runs], rows)


def measure(place: Path, records: Sequence[TextRecord], *, here: bool) -> dict[str, float]:
    """Ingest while two threads look at the clock and ask."""
    open_chroma = retrieval.data_folder._open_chroma
    if here:
        retrieval.data_folder._open_chroma = ChromaStore  # type: ignore[assignment]
    try:
        with DataFolder.open(RetrievalSettings(data_dir=place, embedder=NAME)) as data:
            Ingestor(data).ingest_records([TextRecord("first", "", "第一篇。")])
            data.answers_meanwhile = True
            return watched(data, records)
    finally:
        retrieval.data_folder._open_chroma = open_chroma


def watched(data: DataFolder, records: Sequence[TextRecord]) -> dict[str, float]:
    """Return what a run did to those beside it, in milliseconds, and how long it took."""
    gaps: list[float] = []
    searches: list[float] = []
    is_over = threading.Event()

    def look() -> None:
        last = time.perf_counter()
        while not is_over.wait(0.001):
            now = time.perf_counter()
            gaps.append(now - last)
            last = now

    def ask() -> None:
        # Each at its time, also where this thread stood still then: people do not wait with their questions.
        due = time.perf_counter()
        while not is_over.wait(max(0.0, due - time.perf_counter())):
            data.retriever.retrieve(QUESTIONS[len(searches) % len(QUESTIONS)])
            searches.append(time.perf_counter() - due)
            due += ASK_EVERY_S

    threads = [threading.Thread(target=look), threading.Thread(target=ask)]
    for thread in threads:
        thread.start()
    started = time.perf_counter()
    try:
        result = Ingestor(data).ingest_records(records)
    finally:
        seconds = time.perf_counter() - started
        is_over.set()
        for thread in threads:
            thread.join()
    if result.failed:
        raise RuntimeError(f"{len(result.failed)} documents failed, first: {result.failed[0]}")
    return {
        "longest standstill, ms": round(max(gaps) * 1000, 1),
        "share of the time in standstills over 50 ms": round(sum(gap for gap in gaps if gap > 0.05) / seconds, 3),
        "search p50, ms": round(percentile(searches, 0.5) * 1000, 1),
        "search p95, ms": round(percentile(searches, 0.95) * 1000, 1),
        "search max, ms": round(max(searches) * 1000, 1),
        "searches": len(searches),
        "seconds": round(seconds, 1),
    }


if __name__ == "__main__":
    main()
