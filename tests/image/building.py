"""Build the image with buildah, on a base that is made here where no registry of images can be reached.

Environment of `make test-image`:
  IMAGE_BASE      an image to build on, e.g. docker.io/library/python:3.13-slim-trixie; without it: Debian by mmdebstrap
  STORAGE_DRIVER  vfs where overlay mounts are refused; it copies every layer, about 15 GB on the way
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).parents[2]
DEBIAN = "trixie"
TAG = "localhost/huozi-assistant:test"
PIP_FILES = (Path("/etc/pip.conf"), Path.home() / ".config/pip/pip.conf", Path.home() / ".pip/pip.conf")
TOOLS = ("buildah", "unshare", "chroot")


class MissingToolError(RuntimeError):
    """A tool that the test of the image needs is not installed."""


@dataclass(frozen=True)
class Build:
    """One build.

    Args:
        seconds: How long it took.
        output: What buildah said.
    """

    seconds: float
    output: str


class Builder:
    """buildah with a storage of its own under a folder; `close` gives the disk space back."""

    def __init__(self, folder: Path) -> None:
        needed = TOOLS if "IMAGE_BASE" in os.environ else (*TOOLS, "mmdebstrap")
        missing = [tool for tool in needed if shutil.which(tool) is None]
        if missing or os.geteuid() != 0:
            raise MissingToolError(f"needs root and: apt-get install buildah mmdebstrap; missing: {missing or 'root'}")
        self.folder = folder
        self._storage = ("--root", str(folder / "storage"), "--runroot", str(folder / "run"))

    def run(self, *words: str, timeout_s: float = 1800) -> str:
        """Run one buildah command; return its stdout, fail with its whole output."""
        done = subprocess.run(
            ["buildah", *self._storage, *words],
            env={**os.environ, "BUILDAH_ISOLATION": "chroot"},
            cwd=ROOT,
            capture_output=True,
            encoding="utf-8",
            timeout=timeout_s,
            check=False,
        )
        assert done.returncode == 0, f"buildah {' '.join(words)}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout

    def base(self) -> str:
        """Return a base image's name, made on the spot if none is given."""
        if "IMAGE_BASE" in os.environ:
            return os.environ["IMAGE_BASE"]
        archive = self.folder / "base.tar"
        packages = "python3,python3-venv,ca-certificates"
        subprocess.run(
            ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={packages}", DEBIAN, str(archive)], check=True
        )
        container = self.run("from", "scratch").strip()
        self.run("add", "--quiet", container, str(archive), "/")
        self.run("commit", "--quiet", "--rm", container, f"localhost/debian-python:{DEBIAN}")
        archive.unlink()
        return f"localhost/debian-python:{DEBIAN}"

    def build(self, base: str, context: Path) -> Build:
        """Build the Dockerfile of a folder; this machine's pip settings are mounted, never copied."""
        started = time.monotonic()
        volumes = [f"--volume={place}:{place}:ro" for place in pip_places()]
        output = self.run(
            "bud", "--format=docker", "--layers", f"--tag={TAG}", f"--build-arg=BASE={base}", *volumes, str(context)
        )
        return Build(time.monotonic() - started, output)

    def close(self) -> None:
        """Forget everything that was built."""
        self.run("rm", "--all")
        self.run("rmi", "--all", "--force")
        shutil.rmtree(self.folder, ignore_errors=True)


def pip_places() -> list[Path]:
    """Return the files and folders that pip uses on this machine: its settings, local indexes, certificates."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, encoding="utf-8", check=True
    ).stdout
    named = [Path(urlsplit(word).path) for word in re.split(r"[\s'=]+", listed) if word.startswith(("/", "file:///"))]
    # `simple` lies beside the files that it links to; certificates may be links within their folder.
    folders = {place.parent if place.name == "simple" or place.suffix == ".crt" else place for place in named}
    return sorted({place for place in (*PIP_FILES, *folders) if place.exists()})


def pip_secrets() -> list[str]:
    """Return the texts of pip's settings that may not be in any layer: hosts and folders of indexes."""
    texts = [place.read_text("utf-8") for place in PIP_FILES if place.is_file()]
    texts += [value for name, value in os.environ.items() if name.startswith("PIP_")]
    return sorted({word for text in texts for word in re.findall(r"(?:file|https?)://[^\s'\"]+", text)})


def copy_context(target: Path, names: Sequence[str]) -> Path:
    """Copy what the image is built from, so that a test may change it."""
    target.mkdir()
    for name in names:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target / name)
    return target
