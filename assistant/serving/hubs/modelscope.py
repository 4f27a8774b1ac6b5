"""ModelScope: the only importer of modelscope_hub, an extra. It checks each file's SHA-256 itself."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from assistant.serving.hubs import NO_REPOSITORY, RemoteFile, cannot_fetch
from retrieval.errors import Message, MissingExtraError

NAME = "ModelScope"
T = TypeVar("T")

_NO_REPO = Message(
    en="Look up its name; a private repository needs MODELSCOPE_API_TOKEN.",
    zh="请核对名称；私有仓库要设置 MODELSCOPE_API_TOKEN。",
)


class ModelScope:
    """ModelScope, see `Hub`."""

    def __init__(self, api: Any) -> None:
        self._api = api

    def list_files(self, repo: str) -> list[RemoteFile]:
        """Return every file of a repository."""
        found = _told(repo, lambda: self._api.list_repo_files(repo, "model"))
        return [RemoteFile(one.path, one.size, one.sha256) for one in found if not one.is_dir]

    def fetch(self, repo: str, folder: Path, paths: Sequence[str]) -> None:
        """Bring files into a folder."""
        from modelscope_hub import ProgressCallback

        folder.mkdir(parents=True, exist_ok=True)
        # The base class draws nothing; without any, each file has its own bar.
        silent = [ProgressCallback]
        _told(
            repo,
            lambda: self._api.download_repo(
                repo, "model", local_dir=folder, allow_patterns=list(paths), progress_callbacks=silent
            ),
        )


def open_hub(endpoint: str | None) -> ModelScope:
    """Return the hub.

    Raises:
        MissingExtraError: If its library is not installed.
    """
    try:
        from modelscope_hub import HubApi
    except ImportError as exc:
        install = "pip install 'huozi-assistant[modelscope]'"
        raise MissingExtraError(
            Message(
                en="ModelScope needs the package modelscope-hub, which is not installed.",
                zh="从 ModelScope 下载需要 modelscope-hub，尚未安装。",
            ),
            hint=Message(en=f"Run: {install}", zh=f"请运行：{install}"),
        ) from exc
    logging.getLogger("modelscope_hub").setLevel(logging.ERROR)
    return ModelScope(HubApi(endpoint=endpoint))


def _told(repo: str, call: Callable[[], T]) -> T:
    """Return what a call of the library returns; its failures become ours."""
    import requests
    from modelscope_hub import errors

    try:
        return call()
    except (errors.NotExistError, errors.AuthenticationError, errors.PermissionDeniedError) as exc:
        raise cannot_fetch(NAME, repo, NO_REPOSITORY, _NO_REPO) from exc
    except (errors.HubError, requests.RequestException, OSError) as exc:
        raise cannot_fetch(NAME, repo, f"{type(exc).__name__}: {str(exc).splitlines()[0][:200]}") from exc
