"""Does ingestion stay linear, and small, over many files?

python -m benchmarks.many_files [--files 10000] [--kb 50] [--embedder none|fake] [--plot FILE.svg] [--keep FOLDER]

The files are made first, by `files.py`: plain text, Markdown and HTML. Another process ingests them; this one looks at
its memory, and that of its workers, five times a second.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from benchmarks.embedder import NAME, register
from benchmarks.files import make_files
from benchmarks.measure import machine, report, say
from benchmarks.plot import line_plot
from ingest import Ingestor
from ingest.report import IngestProgress
from retrieval.data_folder import DataFolder
from retrieval.settings import RetrievalSettings

ROOT = Path(__file__).parents[1]
TARGET_MB = 1000
LOOK_EVERY_S = 0.2
PARTS = 10

Curve = list[tuple[int, float]]
"""Files whose fate is settled, and seconds since the start."""


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.many_files", description=__doc__)
    parser.add_argument("--files", type=int, default=1_000)
    parser.add_argument("--kb", type=int, default=50, help="size of a file, in units of 1,000 bytes")
    parser.add_argument("--embedder", choices=["none", NAME], default="none")
    parser.add_argument("--plot", type=Path, help="where to draw time against files, as SVG")
    parser.add_argument("--keep", type=Path, help="folder for the files, kept for the next time")
    parser.add_argument("--child", nargs=2, metavar=("DOCS", "DATA"), help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.child:
        docs, data = map(Path, options.child)
        print(json.dumps(ingest(docs, data, options.embedder)))
        return
    about = machine()
    with tempfile.TemporaryDirectory(prefix="huozi-bench-") as folder:
        docs = (options.keep or Path(folder)) / f"docs-{options.files}-{options.kb}"
        started = time.monotonic()
        make_files(docs, options.files, size=1000 * options.kb)
        say(f"{options.files} files in {time.monotonic() - started:.0f} s")
        found = watched([str(docs), folder], options.embedder)
    publish({**about, "embedder": options.embedder, "kb": options.kb, **found}, options.plot)


def ingest(docs: Path, data: Path, embedder: str) -> dict[str, Any]:
    """Ingest a folder; runs in the process that is watched."""
    register()
    curve: Curve = []

    def note(progress: IngestProgress) -> None:
        if not curve or curve[-1][0] != progress.files_done:
            curve.append((progress.files_done, time.monotonic() - started))

    with DataFolder.open(RetrievalSettings(data_dir=data / "data", embedder=embedder)) as folder:
        if folder.embedder is not None:
            assert folder.embedder.dim  # loaded before the clock starts
        started = time.monotonic()
        before = psutil.Process().cpu_times()
        result = Ingestor(folder).ingest([docs], progress=note)
        after = psutil.Process().cpu_times()
    if result.failed or not result.chunks:
        raise RuntimeError(f"{len(result.failed)} of the files failed")
    processor = after.user + after.system - before.user - before.system
    return {"chunks": result.chunks, "processor_s": round(processor, 1), "curve": curve}


def watched(arguments: Sequence[str], embedder: str) -> dict[str, Any]:
    """Run `ingest` in another process; returns what it says and the most memory seen, in units of 10^6 bytes."""
    command = [sys.executable, "-m", "benchmarks.many_files", "--embedder", embedder, "--child", *arguments]
    peaks = {"own": 0.0, "workers": 0.0, "all": 0.0}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        while process.poll() is None:
            own, workers = resident_mb(process.pid)
            for name, size in (("own", own), ("workers", workers), ("all", own + workers)):
                peaks[name] = max(peaks[name], size)
            time.sleep(LOOK_EVERY_S)
        assert process.stdout is not None
        output = process.stdout.read()
    if process.returncode:
        raise RuntimeError(f"the ingestion ended with {process.returncode}")
    return {**json.loads(output), "peak_mb": {name: round(size) for name, size in peaks.items()}}


def resident_mb(pid: int) -> tuple[float, float]:
    """Return the resident memory of a process, and of all that it started."""
    own = workers = 0.0
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        own = process.memory_info().rss / 1e6
        for child in process.children(recursive=True):
            with suppress(psutil.Error):
                workers += child.memory_info().rss / 1e6
    return own, workers


def seconds_by_part(curve: Curve, parts: int = PARTS) -> list[float]:
    """Return the seconds of each tenth of the files; progress comes by batches, what lies between is on a line."""
    total = curve[-1][0]
    marks = [_time_at(curve, total * part / parts) for part in range(parts + 1)]
    return [later - earlier for earlier, later in zip(marks, marks[1:], strict=False)]


def _time_at(curve: Curve, n_files: float) -> float:
    last_files, last_seconds = 0, 0.0
    for files, seconds in curve:
        if files >= n_files:
            share = (n_files - last_files) / (files - last_files) if files > last_files else 0.0
            return last_seconds + share * (seconds - last_seconds)
        last_files, last_seconds = files, seconds
    return last_seconds


def publish(found: dict[str, Any], plot: Path | None) -> None:
    """Print the figures; draw the curve."""
    curve: Curve = [(int(files), float(seconds)) for files, seconds in found.pop("curve")]
    parts = seconds_by_part(curve)
    n_files, seconds = curve[-1]
    figures = {
        **found,
        "files": n_files,
        "seconds": round(seconds, 1),
        "files_per_s": round(n_files / seconds, 1),
        "chunks_per_s": round(found["chunks"] / seconds),
        "tenths_s": [round(part, 2) for part in parts],
        "last_to_first": round(parts[-1] / parts[0], 2),
        "target_mb": TARGET_MB,
    }
    if plot is not None:
        title = f"{n_files} files of {found['kb']} KB, embedder {found['embedder']}"
        plot.write_text(line_plot(curve, title=title, x_label="files", y_label="seconds"), "utf-8")
    rows: list[list[Any]] = [[f"tenth {number}", part, ""] for number, part in enumerate(parts, 1)]
    rows.append(["last tenth / first", figures["last_to_first"], 1.0])
    rows += [[f"most memory, MB: {name}", f"{size}", TARGET_MB] for name, size in found["peak_mb"].items()]
    report("many_files", figures, ["", "seconds", "target"], rows)


if __name__ == "__main__":
    main()
