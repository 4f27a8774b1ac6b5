"""Run the benchmarks, each in its own process; tables on stderr, one JSON object on stdout.

python -m benchmarks [NAME...] [-- ARGUMENTS FOR EACH]
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_SHARED = {"__init__", "__main__", "measure", "texts", "files", "plot", "embedder", "servers"}
# Long, and in need of the evaluation's sets: only when named.
_QUALITY = {"window", "conversations", "encodings", "fuzz", "quality", "refusal", "splitting", "support"}


def names() -> list[str]:
    """Return the benchmarks that measure time or memory."""
    return sorted(file.stem for file in Path(__file__).parent.glob("*.py") if file.stem not in _SHARED | _QUALITY)


def main(argv: Sequence[str]) -> int:
    chosen, _, passed = "\0".join(argv).partition("--\0")
    asked = [name for name in chosen.split("\0") if name] or names()
    found: dict[str, object] = {}
    failed: list[str] = []
    for name in asked:
        print(f"== {name}", file=sys.stderr, flush=True)
        command = [sys.executable, "-m", f"benchmarks.{name}", *filter(None, passed.split("\0"))]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1])
        try:
            found[name] = json.loads(done.stdout)
        except ValueError:
            failed.append(name)
        if done.returncode:
            failed.append(name)
    print(json.dumps(found, ensure_ascii=False, indent=1))
    if failed:
        print(f"failed: {', '.join(sorted(set(failed)))}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
