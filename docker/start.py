#!/usr/bin/env python3
"""Start the service in a container: an API key on the first start, then `huozi serve`.

A container listens beyond its own loopback, and `huozi serve` refuses that while no key exists. The first key goes into
a file beside the catalog that only the service's user may read, never into the log. Whoever can read it could read the
data folder anyway. Delete the file once the key is kept elsewhere; it is not written again while a key is usable.
"""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

KEY_NAME = "first"


def keys(*arguments: str) -> dict[str, Any]:
    """Run `huozi keys`; return what it prints."""
    done = subprocess.run(["huozi", "keys", *arguments, "--json"], capture_output=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
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


def main(arguments: list[str]) -> None:
    """Make sure of a key, then become the service."""
    place = Path(os.environ.get("HUOZI_DATA_DIR", "/data")) / "api-key"
    try:
        if not has_key():
            create_key(place)
            sys.stderr.write(told(place) + "\n")
            sys.stderr.flush()
    except subprocess.CalledProcessError as error:
        # It says what is wrong and what to do; the restart policy tries again.
        sys.stderr.write(error.stderr.decode("utf-8", "replace"))
        sys.exit(error.returncode)
    os.execvp("huozi", ["huozi", "serve", *arguments])


if __name__ == "__main__":
    main(sys.argv[1:])
