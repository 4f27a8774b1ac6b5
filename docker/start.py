#!/usr/bin/env python3
"""Start the service in a container: an API key on the first start, then `huozi serve`.

A container listens beyond its own loopback, and `huozi serve` refuses that while no key exists. The first key goes into
a file beside the catalog that only the service's user may read, never into the log. Whoever can read it could read the
data folder anyway. Delete the file once the key is kept elsewhere; it is not written again while a key is usable.
"""

from __future__ import annotations

import io
import json
import os
import socket
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from api.cli import main, run

KEY_NAME = "first"


def keys(*words: str) -> dict[str, Any]:
    """Run `huozi keys` in this process, which then has loaded what the service needs; return what it prints.

    Raises:
        SystemExit: If it failed; it has said why, and the restart policy tries again.
    """
    told, said = io.StringIO(), io.StringIO()
    with redirect_stdout(told), redirect_stderr(said):
        code = run(["keys", *words, "--json"])
    if code != 0:
        sys.stderr.write(said.getvalue())
        raise SystemExit(code)
    found: dict[str, Any] = json.loads(told.getvalue())
    return found


def has_key() -> bool:
    """Return whether a usable key exists."""
    return any(key["revoked_at"] is None for key in keys("list")["keys"])


def create_key(place: Path) -> None:
    """Create a key and leave it in a file, 0600 from its first byte."""
    place.unlink(missing_ok=True)
    with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(keys("create", KEY_NAME)["secret"] + "\n")


def told(place: Path) -> str:
    """Return where the key is, in the user's language."""
    # A container's host name is its id, unless somebody chose another.
    command = f"docker exec {socket.gethostname()} cat {place}"
    if os.environ.get("HUOZI_LANG") == "en":
        return f"The first API key is in {place}; read it with: {command}"
    return f"首个 API 密钥已写入 {place}；查看：{command}"


if __name__ == "__main__":
    key_file = Path(os.environ["HUOZI_DATA_DIR"]) / "api-key"
    if not has_key():
        create_key(key_file)
        sys.stderr.write(told(key_file) + "\n")
    sys.argv = ["huozi", "serve", *sys.argv[1:]]
    main()
