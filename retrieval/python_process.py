"""Starting another Python beside this one, with the same interpreter and the same packages."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

_START = """
import json, sys
from importlib import import_module
sys.path[:] = json.loads(sys.argv[1])
import_module(sys.argv[2]).main(*sys.argv[3:])
"""


def can_start() -> bool:
    """Tell whether this interpreter can start another: not where it is frozen or built into a program."""
    name = Path(sys.executable or "").name.lower()
    return not getattr(sys, "frozen", False) and name.startswith(("python", "pypy"))


def command(module: str, *arguments: str) -> list[str]:
    """Return the command line that calls a module's `main` with some arguments."""
    path = json.dumps([entry or os.getcwd() for entry in sys.path])
    return [sys.executable, "-c", _START, path, module, *arguments]
