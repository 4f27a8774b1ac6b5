"""What lies under a path: a checkpoint folder or a GGUF file, whole or not."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from assistant.serving.errors import ModelFilesError
from retrieval.errors import Message

if TYPE_CHECKING:
    from assistant.serving.profile import Profile

Form = Literal["checkpoint", "awq", "gguf"]
INDEXES = {"model.safetensors.index.json": "model.safetensors", "pytorch_model.bin.index.json": "pytorch_model.bin"}
"""Index of weights in several files -> the one file where there is no index."""
TOKENIZERS = ("tokenizer.json", "tokenizer.model")
UNFINISHED = (".incomplete", ".aria2", ".part", ".tmp")
GGUF_MAGIC = b"GGUF"
SHOWN = 5
"""Missing files named in a message."""


@dataclass(frozen=True)
class Weights:
    """A model that is there, whole.

    Args:
        path: The checkpoint's folder, or the GGUF file.
        form: How its weights are stored.
        tokenizer: The folder with tokenizer and configuration; for a GGUF file one beside it, if any.
        size_bytes: Of all weights.
        window_tokens: Largest window by its own configuration, if it says.
    """

    path: Path
    form: Form
    tokenizer: Path | None
    size_bytes: int
    window_tokens: int | None = None


def find_weights(path: Path, profile: Profile, *, name: str | None = None) -> Weights:
    """Check that a path holds the profile's model, whole.

    Args:
        path: A checkpoint's folder, a GGUF file, or a folder with one.
        profile: What it should be: its control tokens must be in the tokenizer.
        name: The GGUF file's name, where the folder holds several.

    Raises:
        ModelFilesError: With what is missing.
    """
    if not path.exists():
        raise _error(path, "is not there", "不存在", fix=_GIVE_PATH)
    if path.is_file():
        return _gguf(path)
    ggufs = sorted(file for file in path.glob("*.gguf") if not _is_later_part(file.name))
    if name is not None:
        return _gguf(path / name)
    if not (path / "config.json").is_file() and ggufs:
        if len(ggufs) > 1:
            names = ", ".join(file.name for file in ggufs)
            raise _error(path, f"holds several GGUF files ({names})", f"有多个 GGUF 文件（{names}）", fix=_NAME_ONE)
        return _gguf(ggufs[0])
    return _checkpoint(path, profile)


def _checkpoint(path: Path, profile: Profile) -> Weights:
    config = _read_json(path / "config.json", path)
    size = _weights_size(path)
    _check_tokenizer(path, profile)
    method = (config.get("quantization_config") or {}).get("quant_method", "")
    window = config.get("max_position_embeddings")
    return Weights(path, "awq" if method == "awq" else "checkpoint", path, size, window if window else None)


def _gguf(path: Path) -> Weights:
    try:
        with path.open("rb") as file:
            magic = file.read(len(GGUF_MAGIC))
    except OSError as exc:
        raise _error(path, f"cannot be read: {exc.strerror}", f"无法读取：{exc.strerror}", fix=_GIVE_PATH) from exc
    if magic != GGUF_MAGIC:
        raise _error(path, "is not a GGUF file", "不是 GGUF 文件", fix=_GIVE_PATH)
    parts = _parts(path)
    tokenizer = path.parent if (path.parent / "tokenizer_config.json").is_file() else None
    return Weights(path, "gguf", tokenizer, sum(part.stat().st_size for part in parts))


def _parts(path: Path) -> list[Path]:
    """Return every file of a split GGUF, `NAME-00001-of-00003.gguf`."""
    head, of, total = path.stem.rpartition("-of-")
    if not of or not total.isdigit():
        return [path]
    stem = head.rpartition("-")[0]
    parts = [path.with_name(f"{stem}-{number:05}-of-{total}.gguf") for number in range(1, int(total) + 1)]
    _all_there(path.parent, [part.name for part in parts])
    return parts


def _is_later_part(name: str) -> bool:
    return "-of-" in name and "-00001-of-" not in name


def _weights_size(path: Path) -> int:
    for index, single in INDEXES.items():
        if (path / index).is_file():
            needed = sorted(set((_read_json(path / index, path).get("weight_map") or {}).values()))
            _all_there(path, needed)
            return sum((path / name).stat().st_size for name in needed)
        if (path / single).is_file():
            _all_there(path, [single])
            return (path / single).stat().st_size
    unfinished = [file.name for file in path.rglob("*") if file.suffix in UNFINISHED]
    if unfinished:
        raise _error(path, "is an unfinished download", "下载尚未完成", fix=_FETCH_AGAIN)
    raise _error(
        path, "holds no weights (*.safetensors, *.gguf)", "里没有权重文件（*.safetensors、*.gguf）", fix=_GIVE_PATH
    )


def _all_there(folder: Path, names: list[str]) -> None:
    missing = [name for name in names if not (folder / name).is_file() or not _is_whole(folder / name)]
    if not missing:
        return
    shown = ", ".join(missing[:SHOWN]) + (", ..." if len(missing) > SHOWN else "")
    raise _error(
        folder,
        f"lacks {len(missing)} of {len(names)} files of the weights, or has them cut short: {shown}",
        f"的权重共 {len(names)} 个文件，缺少或不完整的有 {len(missing)} 个：{shown}",
        fix=_FETCH_AGAIN,
    )


def _is_whole(path: Path) -> bool:
    """Whether a safetensors file is as long as its own header says; other files: not empty."""
    size = path.stat().st_size
    if path.suffix != ".safetensors":
        return size > 0
    with path.open("rb") as file:
        header_bytes = int.from_bytes(file.read(8), "little")
        if size < 8 + header_bytes:
            return False
        try:
            header: dict[str, Any] = json.loads(file.read(header_bytes))
        except ValueError:
            return False
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    return size == 8 + header_bytes + max(ends, default=0)


def _check_tokenizer(path: Path, profile: Profile) -> None:
    if not any((path / name).is_file() for name in TOKENIZERS):
        raise _error(
            path,
            "has no tokenizer (tokenizer.json or tokenizer.model)",
            "没有分词器（tokenizer.json 或 tokenizer.model）",
            fix=_FETCH_AGAIN,
        )
    known = _added_tokens(path)
    if known is None:
        return
    missing = [token for token in profile.control_tokens if token not in known]
    if missing:
        raise _error(
            path,
            f"has a tokenizer without {', '.join(missing)}: it is no {profile.name}",
            f"的分词器没有 {'、'.join(missing)}：它不是 {profile.name}",
            fix=Message(
                en="Choose the profile that fits: `huozi model list`.", zh="请选用相符的配置：`huozi model list`。"
            ),
        )


def _added_tokens(path: Path) -> set[str] | None:
    """Return the tokens that the tokenizer's files list as its own; None where no file lists any."""
    found: set[str] = set()
    if (path / "tokenizer.json").is_file():
        tokenizer = _read_json(path / "tokenizer.json", path)
        found |= {entry["content"] for entry in tokenizer.get("added_tokens") or ()}
        vocabulary = (tokenizer.get("model") or {}).get("vocab") or {}
        found |= set(vocabulary) if isinstance(vocabulary, dict) else {entry[0] for entry in vocabulary}
    for name in ("added_tokens.json", "tokenizer_config.json"):
        if (path / name).is_file():
            listed = _read_json(path / name, path)
            added = listed.get("added_tokens_decoder") or {}
            found |= set(listed) if name == "added_tokens.json" else {entry["content"] for entry in added.values()}
    return found or None


def _read_json(path: Path, folder: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as exc:
        raise _error(folder, f"has no {path.name}", f"没有 {path.name}", fix=_GIVE_PATH) from exc
    except (OSError, ValueError) as exc:
        raise _error(
            folder, f"has a {path.name} that cannot be read: {exc}", f"的 {path.name} 无法读取：{exc}", fix=_FETCH_AGAIN
        ) from exc
    return value if isinstance(value, dict) else {}


_GIVE_PATH = Message(
    en="Give a folder with config.json and *.safetensors, or a .gguf file; or --source huggingface|modelscope.",
    zh="请指定含 config.json 和 *.safetensors 的目录，或 .gguf 文件；也可用 --source huggingface|modelscope 下载。",
)
_NAME_ONE = Message(en="Give the path of one of them.", zh="请指定其中一个文件的路径。")
_FETCH_AGAIN = Message(
    en="Download it again: what is there already is kept (`huozi model download`).",
    zh="请重新下载，已有的部分会保留（`huozi model download`）。",
)


def _error(path: Path, en: str, zh: str, *, fix: Message) -> ModelFilesError:
    return ModelFilesError(Message(en=f"{str(path)!r} {en}.", zh=f"{str(path)!r} {zh}。"), hint=fix)
