"""Run an image's processes as docker compose would start them, by the kernel's own means, where no runtime is.

Put in force: the image's user and environment, a read-only root file system, tmpfs on /tmp, volumes, no capabilities,
no new privileges. Not: networks and ports (this machine's are used), restarts, limits, logging.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.image.building import TAG, Builder

# $1 is the file system; the rest of the arguments is the command, run inside it.
ENTER = """
root=$1; shift
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero random urandom; do
    : > "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir -p "$root/dev/shm"; mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -o remount,bind,ro "$root"
mount -t tmpfs -o mode=1777,size=1g tmpfs "$root/tmp"
%s
exec chroot "$root" /usr/bin/setpriv --reuid=%d --regid=%d --clear-groups --no-new-privs --bounding-set=-all \
    --inh-caps=-all -- /usr/bin/env -i "$@"
"""


@dataclass(frozen=True)
class Image:
    """A built image with its file system mounted.

    Args:
        config: What it says of itself: `Env`, `User`, `Cmd`, `Healthcheck`, `Labels`.
        history: How each layer was made.
        root: Its file system.
        size: Bytes.
    """

    config: dict[str, Any]
    history: tuple[str, ...]
    root: Path
    size: int

    @property
    def user(self) -> tuple[int, int]:
        """User and group id."""
        user, _, group = self.config["User"].partition(":")
        return int(user), int(group)

    def command(
        self,
        argv: Sequence[str],
        *,
        volumes: Mapping[Path, str],
        environment: Mapping[str, str] | None = None,
        offline: bool = False,
    ) -> list[str]:
        """Return how to run a command in it from outside.

        Args:
            argv: The command, found on the image's own path.
            volumes: Folders here, by where they are seen there; written to.
            environment: Added to the image's own.
            offline: Give it no network at all.
        """
        mounts = "\n".join(f'mount --bind {shlex.quote(str(here))} "$root{there}"' for here, there in volumes.items())
        told = dict(pair.split("=", 1) for pair in self.config["Env"]) | dict(environment or {})
        # No process namespace: `unshare` would then stay as a parent that passes no signal on.
        flags = ["--mount", *(["--net"] if offline else [])]
        script = ENTER % (mounts, *self.user)
        assigned = [f"{name}={value}" for name, value in told.items()]
        return ["unshare", *flags, "sh", "-euc", script, "sh", str(self.root), *assigned, *argv]

    def run(self, argv: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command in it to its end."""
        volumes: Mapping[Path, str] = options.pop("volumes", {})
        return subprocess.run(
            self.command(argv, volumes=volumes, **options),
            capture_output=True,
            encoding="utf-8",
            stdin=subprocess.DEVNULL,
            timeout=300,
            check=False,
        )


def opened(builder: Builder) -> Image:
    """Return the built image, its file system mounted."""
    told = json.loads(builder.run("inspect", "--type=image", TAG))
    container = builder.run("from", TAG).strip()
    (listed,) = json.loads(builder.run("images", "--json", TAG))
    sizes = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9}
    number, unit = str(listed["size"]).split()
    return Image(
        config=told["Docker"]["config"],
        history=tuple(step.get("created_by", "") for step in told["Docker"]["history"]),
        root=Path(builder.run("mount", container).strip()),
        size=int(float(number) * sizes[unit]),
    )
