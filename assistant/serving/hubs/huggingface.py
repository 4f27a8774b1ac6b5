"""Hugging Face, or a mirror of it by `HF_ENDPOINT`: the only importer of huggingface_hub."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from assistant.serving.hubs import NO_REPOSITORY, RemoteFile, cannot_fetch
from retrieval.errors import Message

NAME = "Hugging Face"
T = TypeVar("T")

_MIRROR = Message(
    en="Is this machine connected? In mainland China set HF_ENDPOINT to a mirror, or use --source modelscope.",
    zh="请检查网络；在中国大陆可将 HF_ENDPOINT 设为镜像地址，或改用 --source modelscope。",
)
_NO_REPO = Message(
    en="Look up its name; a private or gated repository needs HF_TOKEN.",
    zh="请核对名称；私有或需授权的仓库要设置 HF_TOKEN。",
)
_OFFLINE = Message(en="Unset HF_HUB_OFFLINE to download.", zh="要下载请取消 HF_HUB_OFFLINE。")


class HuggingFace:
    """Hugging Face, see `Hub`."""

    def __init__(self, endpoint: str | None) -> None:
        self._endpoint = endpoint

    def list_files(self, repo: str) -> list[RemoteFile]:
        """Return every file of a repository."""
        from huggingface_hub import HfApi

        model = _told(repo, lambda: HfApi(endpoint=self._endpoint).model_info(repo, files_metadata=True))
        return [
            RemoteFile(one.rfilename, one.size or 0, one.lfs.sha256 if one.lfs is not None else None)
            for one in model.siblings or ()
        ]

    def fetch(self, repo: str, folder: Path, paths: Sequence[str]) -> None:
        """Bring files into a folder."""
        from huggingface_hub import snapshot_download
        from huggingface_hub.utils.tqdm import disable_progress_bars

        disable_progress_bars()
        _told(
            repo,
            lambda: snapshot_download(repo, local_dir=folder, allow_patterns=list(paths), endpoint=self._endpoint),
        )


def open_hub(endpoint: str | None) -> HuggingFace:
    """Return the hub."""
    return HuggingFace(endpoint)


def _told(repo: str, call: Callable[[], T]) -> T:
    """Return what a call of the library returns; its failures become ours."""
    from huggingface_hub import errors

    # httpx's error or httpx2's, as the library's version has it.
    http_error: Any = errors.HfHubHTTPError.__bases__[0]
    try:
        return call()
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.HFValidationError) as exc:
        raise cannot_fetch(NAME, repo, NO_REPOSITORY, _NO_REPO) from exc
    except errors.OfflineModeIsEnabled as exc:
        raise cannot_fetch(
            NAME, repo, Message(en="HF_HUB_OFFLINE is set", zh="已设置 HF_HUB_OFFLINE"), _OFFLINE
        ) from exc
    except errors.HfHubHTTPError as exc:
        code = exc.response.status_code
        raise cannot_fetch(NAME, repo, Message(en=f"HTTP status {code}", zh=f"HTTP 状态码 {code}")) from exc
    except (http_error, errors.LocalEntryNotFoundError, ConnectionError) as exc:
        kind = type(exc).__name__
        raise cannot_fetch(
            NAME, repo, Message(en=f"no connection ({kind})", zh=f"无法连接（{kind}）"), _MIRROR
        ) from exc
    except OSError as exc:
        raise cannot_fetch(NAME, repo, exc.strerror or str(exc)) from exc
