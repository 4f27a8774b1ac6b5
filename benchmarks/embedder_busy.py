"""While files are ingested with `e5`, for which share of the time is it embedding?

python -m benchmarks.embedder_busy [--chunks 1500]

Busy is the time in which at least one call of `embed_batch` runs, beside the whole wall time of the run: parsing before
the first batch and writing after the last one included. Then the same texts by the embedder alone, for its own speed.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.files import make_files
from benchmarks.measure import machine, report, stopwatch
from ingest import Ingestor
from retrieval.data_folder import DataFolder
from retrieval.protocols import Vectors
from retrieval.settings import RetrievalSettings

TARGET = 0.9
CHUNKS_A_FILE = 41
"""What the splitter makes of a file of 50 KB, about."""
ALONE_TEXTS = 256


class Watched:
    """Times the calls of an embedder, and keeps some of the texts.

    Args:
        data: An open data folder, whose embedder is watched from now on.
    """

    def __init__(self, data: DataFolder) -> None:
        assert data.embedder is not None
        self.seconds = 0.0
        self.n_texts = self.n_calls = 0
        self.texts: list[str] = []
        self._embed = data.embedder.loaded().embed_batch
        self._lock = threading.Lock()
        data.embedder.embed_batch = self.embed_batch  # type: ignore[method-assign]  # watched from outside

    def embed_batch(self, texts: Sequence[str]) -> Vectors:
        """Embed as the embedder does."""
        # One at a time, which the run keeps to anyway: so that times add up to no more than the wall's.
        with self._lock, stopwatch() as watch:
            vectors = self._embed(texts)
        self.seconds += watch.seconds
        self.n_texts, self.n_calls = self.n_texts + len(texts), self.n_calls + 1
        self.texts += texts[: max(0, ALONE_TEXTS - len(self.texts))]
        return vectors


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.embedder_busy", description=__doc__)
    parser.add_argument("--chunks", type=int, default=1_500)
    parser.add_argument("--embedder", default="e5")
    options = parser.parse_args(argv)
    about = machine()
    with tempfile.TemporaryDirectory(prefix="huozi-bench-") as folder:
        docs, data = Path(folder) / "docs", Path(folder) / "data"
        make_files(docs, max(1, options.chunks // CHUNKS_A_FILE))
        figures = measure(docs, data, options.embedder)
    rows: list[list[Any]] = [
        ["busy share of the wall time", figures["busy"], TARGET],
        ["chunks/s, ingested", figures["chunks_per_s"], ""],
        ["chunks/s, embedder alone", figures["alone_per_s"], ""],
        ["texts a call", figures["texts_a_call"], figures["batch_size"]],
    ]
    report("embedder_busy", {**about, **figures, "target": TARGET}, ["", "", "target"], rows)


def measure(docs: Path, data: Path, embedder: str) -> dict[str, Any]:
    """Ingest the files; then embed some of their texts alone."""
    with DataFolder.open(RetrievalSettings(data_dir=data, embedder=embedder)) as folder:
        assert folder.embedder is not None
        folder.embedder.embed_batch(["热身"])  # The model is built before the clock starts.
        watched = Watched(folder)
        started = time.perf_counter()
        result = Ingestor(folder).ingest([docs])
        seconds = time.perf_counter() - started
        if result.failed:
            raise RuntimeError(f"{len(result.failed)} of the files failed, first: {result.failed[0]}")
        batch_size = folder.embedder.batch_size
        alone = time.perf_counter()
        for i in range(0, len(watched.texts), batch_size):
            folder.embedder.loaded().embed_batch(watched.texts[i : i + batch_size])
        alone = time.perf_counter() - alone
    return {
        "embedder": embedder,
        "chunks": result.chunks,
        "seconds": round(seconds, 1),
        "busy": round(watched.seconds / seconds, 3),
        "chunks_per_s": round(result.chunks / seconds, 1),
        "alone_per_s": round(len(watched.texts) / alone, 1),
        "batch_size": batch_size,
        "texts_a_call": round(watched.n_texts / watched.n_calls, 1),
    }


if __name__ == "__main__":
    main()
