"""What does checking a model's answer cost, a sentence?

python -m benchmarks.checking [--sentences 200]

Six sources of 500 characters of made-up text; their sentences copied with markers, then without, and then with another
number, which makes every source be looked at. The first sentence pays for reading the sources.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

from assistant.checking.check import SentenceCheck
from assistant.checking.stream import CheckedStream
from assistant.sources.source import number_chunks
from benchmarks.measure import machine, median, percentile, report
from benchmarks.texts import Texts
from retrieval.models import Chunk, ScoredChunk
from retrieval.rerankers.coverage import sentence_spans

N_SOURCES = 6
SOURCE_CHARS = 500


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.checking", description=__doc__)
    parser.add_argument("--sentences", type=int, default=200)
    options = parser.parse_args(argv)
    sources = number_chunks(made(N_SOURCES))
    copied = [
        (text[start:end], number)
        for number, text in enumerate((source.text for source in sources), 1)
        for start, end in sentence_spans(text)
    ]
    said = [copied[i % len(copied)] for i in range(options.sentences)]
    kinds = {
        "copied, cited": "\n".join(f"{sentence}[{number}]" for sentence, number in said),
        "copied, not cited": "\n".join(sentence for sentence, _ in said),
        "said by no source": "\n".join(f"{sentence.rstrip('。')}，共4711天。[1]" for sentence, _ in said),
    }
    header = ["answer", "first sentence, ms", "median, ms", "p95, ms"]
    rows: list[list[object]] = []
    for kind, answer in kinds.items():
        first, *rest = timed(CheckedStream(SentenceCheck(sources, "这是什么？")), answer)
        rows.append([kind, round(first, 2), round(median(rest), 3), round(percentile(rest, 0.95), 3)])
    figures = [dict(zip(header, row, strict=True)) for row in rows]
    report("checking", {**machine(), "rows": figures}, header, rows)


def made(count: int) -> list[ScoredChunk]:
    """Return chunks of made-up text, each of a document of its own."""
    found = []
    for i, record in enumerate(Texts().records(count, chars=SOURCE_CHARS)):
        text = record.text[:SOURCE_CHARS]
        chunk = Chunk(f"c{i}", f"f{i}", f"v{i}", 0, record.title, f"{i}.txt", text, 0, len(text))
        found.append(ScoredChunk(chunk, 1.0))
    return found


def timed(checked: CheckedStream, answer: str) -> list[float]:
    """Return the milliseconds that each sentence of an answer took."""
    taken = []
    for written in [*checked.feed(answer), *checked.finish()]:
        started = time.perf_counter()
        checked.settle(written)
        taken.append((time.perf_counter() - started) * 1000)
    return taken


if __name__ == "__main__":
    main()
