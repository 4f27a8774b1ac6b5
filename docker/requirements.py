"""Print what the project depends on, one requirement a line, so that an image can install it before it has the code.

    python3 requirements.py [EXTRA...] > requirements.txt

Reads `pyproject.toml` in the current folder; needs nothing but Python.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path


def requirements(pyproject: str, extras: list[str]) -> list[str]:
    """Return the dependencies of a `pyproject.toml`'s text, and of the named extras."""
    project = tomllib.loads(pyproject)["project"]
    found = list(project["dependencies"])
    for extra in extras:
        found += project["optional-dependencies"][extra]
    return found


if __name__ == "__main__":
    sys.stdout.write("\n".join(requirements(Path("pyproject.toml").read_text("utf-8"), sys.argv[1:])) + "\n")
