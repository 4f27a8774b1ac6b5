"""Bring a profile's weights here: choose files, check the disk, fetch what is missing, verify."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from assistant.serving.errors import DiskSpaceError, DownloadError, ModelFilesError
from assistant.serving.hubs import Hub, RemoteFile
from assistant.serving.weights import Weights, find_weights
from retrieval.errors import Message

if TYPE_CHECKING:
    from assistant.serving.profile import Format, Profile, Sources

SMALL = ("*.json", "*.jinja", "*.model", "*.txt", "*.md", "LICENSE*")
WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
MARGIN_BYTES = 1 << 30
"""Left free on the disk."""
VERIFIED = ".huozi-verified.json"
POLL_S = 0.5


@dataclass(frozen=True)
class Progress:
    """How far a download has come.

    Args:
        stage: `fetch` or `verify`.
        done_bytes: Of `total_bytes`; the files of this form, those that were there before included.
    """

    stage: str
    done_bytes: int
    total_bytes: int


Report = Callable[[Progress], None]


def place_of(form: Format, folder: Path) -> Weights:
    """Return what `download` would return, without looking: the weights need not be there."""
    if form.is_gguf:
        return Weights(folder / (form.file or f"{form.name}.gguf"), "gguf", None, 0)
    return Weights(folder, "awq" if form.name == "awq" else "checkpoint", folder, 0)


def repo_of(profile: Profile, form: Format, source: str) -> str:
    """Return where a form of the weights is published.

    Raises:
        DownloadError: If it is not published there.
    """
    sources: Sources = profile.sources_of(form)
    repo: str | None = getattr(sources, source)
    if repo is not None:
        return repo
    other = "modelscope" if source == "huggingface" else "huggingface"
    error = DownloadError(
        Message(
            en=f"{profile.name} in {form.name} is not published on {source}.",
            zh=f"{profile.name} 的 {form.name} 没有发布在 {source} 上。",
        ),
        hint=Message(
            en=f"Use --source {other}, or --source PATH."
            if getattr(sources, other)
            else "Make it: `huozi model convert`; or give its files: --source PATH.",
            zh=f"请用 --source {other}，或 --source 路径。"
            if getattr(sources, other)
            else "可用 `huozi model convert` 转换得到；或用 --source 路径 指定文件。",
        ),
    )
    error.retryable = False
    raise error


def download(
    profile: Profile, form: Format, repo: str, hub: Hub, folder: Path, *, report: Report = lambda _: None
) -> Weights:
    """Bring a form of the weights into a folder; what is there already is kept.

    Args:
        profile: The model.
        form: The form wanted.
        repo: Where it is published.
        hub: Where the repository is.
        folder: Where the files go.
        report: Called now and then, from this thread.

    Raises:
        DiskSpaceError: If it would not fit; said before a byte is fetched.
        DownloadError: If the hub does not give the files, or other files than it promised.
        ModelFilesError: If what it gave is no whole model.
    """
    check_space(folder, round(form.weights_gb * 1e9) - _present_bytes(folder), repo)
    files = choose(hub.list_files(repo), form)
    if not any(fnmatch.fnmatch(one.path, pattern) for one in files for pattern in (*WEIGHTS, "*.gguf")):
        raise ModelFilesError(
            Message(en=f"{repo!r} holds no weights in {form.name}.", zh=f"{repo!r} 里没有 {form.name} 格式的权重。"),
            hint=Message(
                en="Choose another --format: `huozi model list`.", zh="请换一个 --format：`huozi model list`。"
            ),
        )
    missing = [one for one in files if not _is_there(folder, one)]
    check_space(folder, sum(one.size_bytes for one in missing) - _unfinished_bytes(folder), repo)
    if missing:
        _fetch(hub, repo, folder, files, report)
    verify(folder, files, repo, report)
    return find_weights(folder, profile, name=form.file if form.is_gguf else None)


def choose(files: Sequence[RemoteFile], form: Format) -> list[RemoteFile]:
    """Return the files that a form needs: not the other forms, nor the weights a second time in an older format."""
    flat = [one for one in files if "/" not in one.path]
    small = [one for one in flat if any(fnmatch.fnmatch(one.path, pattern) for pattern in SMALL)]
    if form.is_gguf:
        wanted = form.file or f"*{form.name}*.gguf"
        chosen = [one for one in flat if fnmatch.fnmatch(one.path.lower(), wanted.lower())]
    else:
        kinds = [[one for one in flat if fnmatch.fnmatch(one.path, pattern)] for pattern in WEIGHTS]
        chosen = next((kind for kind in kinds if kind), [])
    return sorted({*small, *chosen}, key=lambda one: one.path)


def check_space(folder: Path, needed_bytes: int, what: str) -> None:
    """Make sure that a disk has room.

    Raises:
        DiskSpaceError: If it has not, with what is needed and what is free.
    """
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if needed_bytes <= 0 or needed_bytes + MARGIN_BYTES <= free:
        return
    needed_gb, free_gb = (needed_bytes + MARGIN_BYTES) / 1e9, free / 1e9
    raise DiskSpaceError(
        Message(
            en=f"{what} needs {needed_gb:.1f} GB on the disk of {str(folder)!r}, which has {free_gb:.1f} GB left.",
            zh=f"{what} 需要 {needed_gb:.1f} GB，{str(folder)!r} 所在磁盘只剩 {free_gb:.1f} GB。",
        ),
        hint=Message(
            en="Make room, give another folder (--models-dir), or a smaller --format.",
            zh="请腾出空间，用 --models-dir 换一个目录，或选更小的 --format。",
        ),
    )


def verify(folder: Path, files: Sequence[RemoteFile], repo: str, report: Report = lambda _: None) -> None:
    """Compare files with what the hub says of them: sizes, and SHA-256 where it tells one, each file once.

    Raises:
        DownloadError: If they differ; a wrong file is removed, so that it is fetched again.
    """
    known = _read_verified(folder)
    total = sum(one.size_bytes for one in files)
    done = 0
    for one in files:
        path = folder / one.path
        mark = f"{one.sha256}:{path.stat().st_mtime_ns}" if path.is_file() else ""
        if not _is_there(folder, one) or (
            one.sha256 is not None and known.get(one.path) != mark and _sha256(path) != one.sha256
        ):
            path.unlink(missing_ok=True)
            raise _damaged(repo, one.path)
        known[one.path] = mark
        done += one.size_bytes
        report(Progress("verify", done, total))
    (folder / VERIFIED).write_text(json.dumps(known, indent=1), "utf-8")


def _fetch(hub: Hub, repo: str, folder: Path, files: Sequence[RemoteFile], report: Report) -> None:
    """Fetch in another thread, so that progress is told from this one."""
    failed: list[Exception] = []

    def work() -> None:
        try:
            hub.fetch(repo, folder, [one.path for one in files])
        except Exception as exc:
            failed.append(exc)

    total = sum(one.size_bytes for one in files)
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(POLL_S)
        there = sum(one.size_bytes for one in files if _is_there(folder, one))
        report(Progress("fetch", min(total, there + _unfinished_bytes(folder)), total))
    if failed:
        raise failed[0]


def _is_there(folder: Path, one: RemoteFile) -> bool:
    path = folder / one.path
    return path.is_file() and path.stat().st_size == one.size_bytes


def _present_bytes(folder: Path) -> int:
    return _unfinished_bytes(folder) + sum(one.stat().st_size for one in folder.glob("*") if one.is_file())


def _unfinished_bytes(folder: Path) -> int:
    """Return what the hubs' libraries keep of files that are half there."""
    total = 0
    for hidden in folder.glob(".*/"):
        for path in hidden.rglob("*"):
            try:
                total += path.stat().st_size if path.is_file() else 0
            except FileNotFoundError:
                continue  # It was just moved into its place.
    return total


def _read_verified(folder: Path) -> dict[str, str]:
    try:
        found = json.loads((folder / VERIFIED).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _damaged(repo: str, name: str) -> DownloadError:
    return DownloadError(
        Message(
            en=f"{name!r} of {repo!r} is not what the hub promised: its size or SHA-256 differs.",
            zh=f"{repo!r} 的 {name!r} 与发布的不符：大小或 SHA-256 不一致。",
        ),
        hint=Message(
            en="Run the command again: this file alone is fetched anew.", zh="请重新运行命令，只会重新下载这个文件。"
        ),
    )
