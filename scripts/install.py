"""Install the project into this virtual environment, with one line of progress instead of pip's hundreds.

    .venv/bin/python scripts/install.py [EXTRA...]

pip's whole output goes to .venv/pip.log; it is shown when pip fails.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
LOG = Path(sys.prefix) / "pip.log"
COMMON_TOTAL, EXTRA_TOTAL = 115, 165
"""Packages that pip collects without and with extras: the bar's length, nothing else hangs on them."""
BAR_CHARS = 30
LINES_SHOWN = 30
QUIET = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore", "PIP_NO_INPUT": "1"}


class Bar:
    """A line that is drawn anew on a terminal, or a line for every quarter elsewhere."""

    COLLECTING = 0.9
    """Share of the bar that collecting takes; unpacking has the rest."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = 0
        self.text = "准备 / preparing"
        self._told = 0
        self._started = time.monotonic()
        self._is_terminal = sys.stderr.isatty()

    @property
    def share(self) -> float:
        """How much of the bar is full, in [0, 1]."""
        return min(1.0, self.done / self.total) * self.COLLECTING

    def draw(self) -> None:
        """Show how far it has come."""
        share = self.share
        if self._is_terminal:
            filled = int(share * BAR_CHARS)
            bar = "█" * filled + "░" * (BAR_CHARS - filled)
            seconds = int(time.monotonic() - self._started)
            sys.stderr.write(f"\r\033[K安装依赖 {bar} {share:4.0%} {seconds:3d}s {self.text[:40]}")
        elif int(share * 4) > self._told:
            self._told = int(share * 4)
            sys.stderr.write(f"安装依赖 / installing: {share:.0%}\n")
        sys.stderr.flush()

    def close(self) -> None:
        """Take the line away."""
        if self._is_terminal:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()


def read(line: str, bar: Bar) -> None:
    """Move the bar by a line of pip's; a package from a local folder is `Processing`."""
    word, _, rest = line.strip().partition(" ")
    if word in ("Collecting", "Processing"):
        bar.done += 1
        bar.text = rest.split(" ")[0].rpartition("/")[2]
    elif line.startswith("Installing collected packages"):
        bar.done = bar.total
        bar.text = "解压安装 / unpacking"


def tick(bar: Bar, stopped: threading.Event) -> None:
    """Keep the seconds running while pip is silent."""
    while not stopped.wait(0.5):
        bar.draw()


def main(extras: list[str]) -> int:
    """Install the project; return pip's exit code."""
    target = f".[{','.join(extras)}]" if extras else "."
    arguments = ["-c", "constraints.txt", "-e", target]
    return pip_install(sys.executable, arguments, log=LOG, total=EXTRA_TOTAL if extras else COMMON_TOTAL)


def pip_install(python: str, arguments: list[str], *, log: Path, total: int) -> int:
    """Run `pip install` with a bar of so many packages; return its exit code."""
    command = [python, "-m", "pip", "install", *arguments, "--progress-bar", "off"]
    bar = Bar(total)
    stopped = threading.Event()
    ticker = threading.Thread(target=tick, args=(bar, stopped), daemon=True)
    ticker.start()
    environment = {**os.environ, **QUIET}
    with (
        log.open("w", encoding="utf-8") as written,
        subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        ) as pip,
    ):
        assert pip.stdout is not None
        for line in pip.stdout:
            written.write(line)
            read(line, bar)
    stopped.set()
    ticker.join()
    bar.close()
    if pip.returncode:
        lines = log.read_text(encoding="utf-8").splitlines()[-LINES_SHOWN:]
        print("\n".join(lines), file=sys.stderr)
        print(f"安装失败，完整日志在 {log} / pip failed, its whole log is {log}", file=sys.stderr)
    return pip.returncode


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
