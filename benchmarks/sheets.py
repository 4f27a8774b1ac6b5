"""How long and how much memory does a large sheet take?

python -m benchmarks.sheets [--rows 25000 100000]

A sheet of eight columns, made as CSV and as a workbook, is read and cut into chunks by a worker process, as an
ingestion does it; memory is the worker's most, beside what it takes for a sheet of one row.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence

from openpyxl import Workbook

from benchmarks.measure import machine, report, stopwatch
from ingest.preview import parse_apart
from ingest.settings import IngestSettings

HEAD = ("编号", "名称", "规格", "单价", "数量", "日期", "供应商", "备注")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.sheets", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[25_000, 100_000])
    parser.add_argument("--one", nargs=2, metavar=("SUFFIX", "ROWS"), help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.one:
        print(json.dumps(measure(options.one[0], int(options.one[1]))))
        return
    rows: list[list[object]] = []
    for suffix in ("csv", "xlsx"):
        base = apart(suffix, 1)["peak_mb"]
        for count in options.rows:
            one = apart(suffix, count)
            rows.append([suffix, count, one["mb"], one["chars"] / 1e6, one["chunks"], one["s"], one["peak_mb"] - base])
    report("sheets", machine(), ["format", "rows", "MB", "M characters", "chunks", "s", "MB more"], rows)


def apart(suffix: str, n_rows: int) -> dict[str, float]:
    """Measure in a process of its own: the most memory of children is told for all of them together."""
    command = [sys.executable, "-m", "benchmarks.sheets", "--one", suffix, str(n_rows)]
    found: dict[str, float] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    return found


def measure(suffix: str, n_rows: int) -> dict[str, float]:
    """Return what one sheet took."""
    data = as_csv(n_rows) if suffix == "csv" else as_workbook(n_rows)
    with stopwatch() as watch:
        parsed = parse_apart(f"备件.{suffix}", data, IngestSettings())
    peak_kb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return {
        "mb": round(len(data) / 1e6, 1),
        "chars": len(parsed.document.text),
        "chunks": len(parsed.spans),
        "s": watch.seconds,
        "peak_mb": peak_kb // 1024,
    }


def cells(n_rows: int) -> Iterator[Sequence[object]]:
    """Yield the head and the rows."""
    yield HEAD
    for n in range(n_rows):
        note = "库存充足，三天内发货" if n % 3 else "缺货"
        day = f"2024-{n % 12 + 1:02}-{n % 28 + 1:02}"
        yield n, f"备件{n:06}", f"M{n % 50}×{n % 7}", round(n * 1.37 % 999, 2), n % 100, day, f"供应商{n % 300}", note


def as_csv(n_rows: int) -> bytes:
    """Return the sheet as CSV."""
    file = io.StringIO()
    csv.writer(file).writerows(cells(n_rows))
    return file.getvalue().encode()


def as_workbook(n_rows: int) -> bytes:
    """Return the sheet as a workbook."""
    workbook, file = Workbook(write_only=True), io.BytesIO()
    sheet = workbook.create_sheet("备件")
    for row in cells(n_rows):
        sheet.append(row)
    workbook.save(file)
    return file.getvalue()


if __name__ == "__main__":
    main()
