"""What does the trace of an answer cost?

python -m benchmarks.trace [--answers 100] [--runs 5] [--chunks 2000]

Extractive answers, the quickest there are, by an assistant that keeps traces and by one that does not, in turns. What a
trace takes on the disk, to make, and to store, are taken on their own.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from assistant import Assistant
from assistant.events import DoneEvent, TextEvent
from assistant.settings import TraceSettings
from assistant.trace_log import TraceLog
from benchmarks.embedder import NAME, register
from benchmarks.ingest import make_records
from benchmarks.measure import machine, median, median_ratio, report, say
from benchmarks.search import make_questions
from ingest import Ingestor
from retrieval.catalog import TraceRecord
from retrieval.data_folder import DataFolder
from retrieval.settings import RetrievalSettings

KEPT = 10_000
"""Traces in the table when it is swept and asked."""


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.trace", description=__doc__)
    parser.add_argument("--answers", type=int, default=100, help="in a round")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--chunks", type=int, default=2_000)
    options = parser.parse_args(argv)
    about = machine()
    register()
    with tempfile.TemporaryDirectory(prefix="huozi-bench-") as place:
        settings = RetrievalSettings(data_dir=Path(place) / "data", embedder=NAME)
        with DataFolder.open(settings) as data:
            Ingestor(data).ingest_records(make_records(options.chunks))
            questions = make_questions(data, options.answers * (options.runs + 1))
            figures = measure(data, questions, options.answers, options.runs)
    publish(figures | {"machine": about})


def measure(data: DataFolder, questions: Sequence[str], n_answers: int, runs: int) -> dict[str, Any]:
    """Answer with and without traces, then look at what is stored."""
    log = TraceLog(data.catalog.answers, TraceSettings())
    bare, traced = [Assistant(data.retriever, catalog=data.catalog, traces=one) for one in (None, log)]
    rounds = [questions[i * n_answers : (i + 1) * n_answers] for i in range(runs + 1)]
    times: dict[str, list[tuple[float, float]]] = {"bare": [], "traced": []}
    for number, asked in enumerate(rounds):
        for name, assistant in (("bare", bare), ("traced", traced)):
            first, whole = asyncio.run(answer_all(assistant, asked))
            if number:  # the first round warms up
                times[name].append((first, whole))
        log.flush(60)
    figures = {
        f"{name}_{what}_ms": median([pair[i] for pair in pairs]) * 1000
        for name, pairs in times.items()
        for i, what in enumerate(("first_text", "answer"))
    }
    for i, what in enumerate(("first_text", "answer")):
        ratio = median_ratio([pair[i] for pair in times["traced"]], [pair[i] for pair in times["bare"]])
        figures[f"{what}_ratio"] = ratio
    log.close()
    return figures | stored(data, bare, questions[0])


async def answer_all(assistant: Assistant, questions: Sequence[str]) -> tuple[float, float]:
    """Return the median seconds until the first text, and until the end."""
    firsts, wholes = [], []
    for question in questions:
        begin, first = time.perf_counter(), 0.0
        async for event in assistant.astream(question):
            if isinstance(event, TextEvent) and not first:
                first = time.perf_counter() - begin
        firsts.append(first)
        wholes.append(time.perf_counter() - begin)
    return median(firsts), median(wholes)


def stored(data: DataFolder, assistant: Assistant, question: str) -> dict[str, Any]:
    """Return what one trace costs, and how a full table answers."""
    trace = asyncio.run(last_answer(assistant, question)).answer.trace
    table = data.catalog.answers
    one = [seconds(lambda i=i: table.save([record(trace, -i)])) for i in range(20)]  # type: ignore[misc]
    before = data.path.joinpath("catalog.db").stat().st_size
    say(f"{KEPT} traces")
    batch = seconds(lambda: table.save([record(trace, i) for i in range(KEPT)]))
    with data.catalog._db.read() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    size = data.path.joinpath("catalog.db").stat().st_size
    return {
        "bytes_on_disk": (size - before) / KEPT,
        "store_alone_ms": median(one) * 1000,
        "store_in_batch_ms": batch / KEPT * 1000,
        "get_ms": median([seconds(lambda: table.get("chatcmpl-5")) for _ in range(20)]) * 1000,
        "list_ms": median([seconds(lambda: table.list(20)) for _ in range(20)]) * 1000,
        "sweep_nothing_ms": median([seconds(lambda: table.prune(max_age_s=1e9, max_count=2 * KEPT)) for _ in range(5)])
        * 1000,
        "sweep_half_ms": seconds(lambda: table.prune(max_age_s=1e9, max_count=KEPT // 2)) * 1000,
    }


async def last_answer(assistant: Assistant, question: str) -> DoneEvent:
    """Return the event that an answer ends with."""
    events = [event async for event in assistant.astream(question)]
    assert isinstance(events[-1], DoneEvent)
    return events[-1]


def record(body: Any, number: int) -> TraceRecord:
    """Return a trace under another id."""
    return TraceRecord(f"chatcmpl-{number}", time.time() + number / 1000, "default", body)


def seconds(work: Any) -> float:
    """Return how long a call takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def publish(figures: dict[str, Any]) -> None:
    """Print the table and the object."""
    rows = [(name, value) for name, value in figures.items() if name != "machine"]
    report("trace", figures, ("figure", "value"), rows)


if __name__ == "__main__":
    main()
