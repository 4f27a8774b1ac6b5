"""An example of examples/ as a user runs it: its own process, a data folder made of the samples, warnings as errors."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.integration.cli_process import huozi, run

ROOT = Path(__file__).parents[2]


def ingest_samples(folder: Path) -> Path:
    """Make a data folder of the sample documents, with the command that examples/README.md names."""
    data = folder / "data"
    done = huozi("ingest", str(ROOT / "samples"), data=data)
    assert done.returncode == 0, done.stderr
    return data


def run_example(name: str, *words: str, data: Path, base_url: str, **settings: str) -> str:
    """Run an example to its end and return what it printed."""
    command = [sys.executable, "-W", "error", str(ROOT / "examples" / name), *words]
    done = run(command, data=data, HUOZI_LLM__BASE_URL=base_url, **settings)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout
