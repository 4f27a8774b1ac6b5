"""Do mutated files of every format hang, crash or garble anything?

python -m benchmarks.fuzz [--cases 2000] [--seed 1] [--keep FOLDER]

Real files (the samples, the evaluation's by HUOZI_EVAL_DIR, small ones made in tests/fuzz) are mutated as
tests/fuzz/mutate.py says, and parsed as an ingestion does it. Exit 1 if one hangs over the limit, is stored without
text or garbled, or fails in a way that no loader foresees. Files that end their worker or use up its memory, and
nothing else, are counted apart.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import machine, report, say, stopwatch
from tests.fuzz.judge import LIMIT_S, PAGE_LIMIT_S, Verdict, cases, characters, is_contained, judge
from tests.fuzz.seeds import seeds


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder for the files at fault")
    options = parser.parse_args(argv)
    files = seeds()
    verdicts: list[Verdict] = []
    with stopwatch() as whole:
        for verdict in judge(cases(files, options.cases, options.seed), characters(files)):
            verdicts.append(verdict)
            if verdict.fault:
                say(f"{verdict.case.number} {verdict.case.seed} {verdict.case.way}: {verdict.fault}")
                keep(options.keep, verdict)
    report("fuzz", machine(), COLUMNS, rows(verdicts))
    faults = [one for one in verdicts if one.fault and not is_contained(one)]
    slowest = sorted(verdicts, key=lambda one: -one.seconds)[:3]
    shown = ", ".join(f"{one.seconds:.1f} s {one.case.number} {one.case.seed} ({one.outcome})" for one in slowest)
    say(f"{len(verdicts)} cases of {len(files)} files in {whole.seconds:.0f} s; slowest {shown}")
    say(f"limits: {LIMIT_S:g} s for a file, {PAGE_LIMIT_S:g} s more for each page that is read as a picture")
    return 1 if faults else 0


COLUMNS = [
    "format",
    "cases",
    "done",
    "refused",
    "worker ended",
    "stopped at a limit",
    "hangs",
    "unforeseen",
    "garbled or no text",
]


def rows(verdicts: Sequence[Verdict]) -> list[list[object]]:
    """Return the table: a line for each format, then their sum."""
    kinds = sorted({one.case.format for one in verdicts})
    return [row(kind, [one for one in verdicts if one.case.format == kind]) for kind in kinds] + [row("all", verdicts)]


def row(name: str, verdicts: Sequence[Verdict]) -> list[object]:
    """Return one line of the table."""
    kinds = Counter(kind_of(one) for one in verdicts)
    return [name, len(verdicts), *(kinds[column] for column in COLUMNS[2:])]


def kind_of(verdict: Verdict) -> str:
    """Return the column in which a verdict is counted."""
    if not verdict.fault:
        return "done" if verdict.outcome == "done" else "refused"
    if is_contained(verdict) and not verdict.fault.startswith("stopped"):
        return "worker ended"
    starts = {"hang": "hangs", "stopped": "stopped at a limit", "crash": "unforeseen"}
    return next((column for start, column in starts.items() if verdict.fault.startswith(start)), "garbled or no text")


def keep(folder: Path | None, verdict: Verdict) -> None:
    """Keep a file at fault."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{verdict.case.number}-{verdict.case.seed}").write_bytes(verdict.case.data)


if __name__ == "__main__":
    sys.exit(main())
