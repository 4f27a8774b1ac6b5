"""One process owns a data folder: Chroma's embedded store is corrupted by two.

The lock is the operating system's (released when its holder dies, however it dies), so a stale one needs no guessing.
`owner.json` beside it only says who holds it, and where it answers.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from retrieval.errors import DataFolderOwnedError, Message
from retrieval.originals import unwritable

LOCK_FILE = "owner.lock"
OWNER_FILE = "owner.json"


@dataclass(frozen=True, slots=True)
class Owner:
    """Who holds a data folder.

    Args:
        pid: Its process id.
        host: Its host name.
        purpose: What it does, e.g. `serve`.
        started: Seconds since the epoch.
        url: Where it answers over HTTP, or None.
        token: Shown to the owner by those who may read the data folder: the command line.
    """

    pid: int
    host: str
    purpose: str
    started: float
    url: str | None
    token: str


class OwnerLock:
    """Ownership of one data folder, from construction until `release`.

    Args:
        folder: The data folder; must exist.
        purpose: What this process does, for others' error message.
        url: Where it will answer over HTTP.

    Raises:
        DataFolderOwnedError: If a live process owns it.
        DataFolderError: If the folder cannot be written.
    """

    def __init__(self, folder: Path, *, purpose: str, url: str | None = None) -> None:
        self._folder = folder
        self._lock = FileLock(folder / LOCK_FILE, blocking=False, thread_local=False)
        try:
            self._lock.acquire()
        except Timeout as exc:
            raise _owned(folder, read_owner(folder)) from exc
        except OSError as exc:
            raise unwritable(folder, exc) from exc
        self.owner = Owner(os.getpid(), socket.gethostname(), purpose, time.time(), url, secrets.token_urlsafe(32))
        try:
            _write(folder / OWNER_FILE, self.owner)
        except OSError as exc:
            self._lock.release()
            raise unwritable(folder, exc) from exc

    def release(self) -> None:
        """Give the folder back."""
        (self._folder / OWNER_FILE).unlink(missing_ok=True)
        self._lock.release()


def read_owner(folder: Path) -> Owner | None:
    """Return who says to own a folder, or None if nobody does; a dead owner's word may still lie there."""
    try:
        return Owner(**json.loads((folder / OWNER_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _write(path: Path, owner: Owner) -> None:
    temporary = path.with_suffix(".new")
    # 0600 from the first byte: the token opens the owner's door.
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(asdict(owner), file, ensure_ascii=False)
    os.replace(temporary, path)


def _owned(folder: Path, owner: Owner | None) -> DataFolderOwnedError:
    if owner is None:
        who, who_zh = "another process", "另一个进程"
    else:
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(owner.started))
        who = f"process {owner.pid} (huozi {owner.purpose}) on {owner.host} since {since}"
        who_zh = f"进程 {owner.pid}（huozi {owner.purpose}，主机 {owner.host}，始于 {since}）"
    url = owner.url if owner else None
    return DataFolderOwnedError(
        Message(f"Data folder {str(folder)!r} is in use by {who}.", f"数据目录 {str(folder)!r} 正被{who_zh}使用。"),
        hint=Message(
            f"Use its HTTP interface at {url}."
            if url
            else "Wait until it ends, or set HUOZI_DATA_DIR to another folder.",
            f"请使用它的 HTTP 接口 {url}。" if url else "请等它结束，或把 HUOZI_DATA_DIR 设为另一个目录。",
        ),
        url=url,
    )
