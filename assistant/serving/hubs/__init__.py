"""The hubs that publish weights, behind two calls each. Their libraries resume what was broken off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol

from assistant.serving.errors import DownloadError
from retrieval.errors import Message

HUBS = {"huggingface": "assistant.serving.hubs.huggingface", "modelscope": "assistant.serving.hubs.modelscope"}


@dataclass(frozen=True)
class RemoteFile:
    """A file of a repository.

    Args:
        path: Inside the repository.
        size_bytes: Its size.
        sha256: Of its content, where the hub tells it.
    """

    path: str
    size_bytes: int
    sha256: str | None = None


class Hub(Protocol):
    """A place that publishes models."""

    def list_files(self, repo: str) -> list[RemoteFile]:
        """Return every file of a repository.

        Raises:
            DownloadError: If the hub or the repository cannot be reached.
        """
        ...

    def fetch(self, repo: str, folder: Path, paths: Sequence[str]) -> None:
        """Bring files into a folder; those that are there whole are left alone, those half there are continued.

        Raises:
            DownloadError: If that fails.
        """
        ...


def open_hub(name: str, endpoint: str | None = None) -> Hub:
    """Return a hub.

    Args:
        name: One of `HUBS`.
        endpoint: Its address; None: its own, or what its environment variable says (`HF_ENDPOINT`,
            `MODELSCOPE_ENDPOINT`).

    Raises:
        MissingExtraError: If its library is not installed.
    """
    hub: Hub = import_module(HUBS[name]).open_hub(endpoint)
    return hub


NO_REPOSITORY = Message(en="there is no such repository, or it is not open to you", zh="没有这个仓库，或您无权访问")


def cannot_fetch(hub: str, repo: str, reason: str | Message, hint: Message | None = None) -> DownloadError:
    """Build the error for a hub that does not give a repository."""
    why = Message(en=reason, zh=reason) if isinstance(reason, str) else reason
    return DownloadError(
        Message(en=f"{hub} does not give {repo!r}: {why.en}.", zh=f"无法从 {hub} 下载 {repo!r}：{why.zh}。"),
        hint=hint
        or Message(
            en="Run the command again: it goes on where it broke off. Or fetch the files another way and give their"
            " folder as --source.",
            zh="请重新运行命令，会从中断处继续；也可用其他方式下载好，用 --source 指定目录。",
        ),
    )
