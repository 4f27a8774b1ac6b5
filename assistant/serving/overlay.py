"""Folders that say what a checkpoint does not: our chat template, and where an answer ends. Nothing is copied."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.serving.engines import generation_config

if TYPE_CHECKING:
    from assistant.serving.profile import Profile

OURS = frozenset({"chat_template.jinja", "chat_template.json", "generation_config.json", "tokenizer_config.json"})


def write_generation_config(folder: Path, checkpoint: Path | None, profile: Profile) -> Path:
    """Write `generation_config.json` into a folder.

    Args:
        folder: Made if it is not there.
        checkpoint: The model's own folder, or None.
        profile: Its sampling and stop ids.

    Returns:
        The folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    own: dict[str, Any] = {}
    for name in ("config.json", "generation_config.json"):
        if checkpoint is not None and (checkpoint / name).is_file():
            own |= json.loads((checkpoint / name).read_text("utf-8"))
    ends = [] if checkpoint is None else token_ids(checkpoint, profile.stop)
    _write_json(folder / "generation_config.json", generation_config(profile, own, ends))
    return folder


def token_ids(checkpoint: Path, tokens: Sequence[str]) -> list[int]:
    """Return the ids of those tokens that a checkpoint's tokenizer lists as its own."""
    ids: dict[str, int] = {}
    for name in ("tokenizer.json", "tokenizer_config.json", "added_tokens.json"):
        if not (checkpoint / name).is_file():
            continue
        listed = json.loads((checkpoint / name).read_text("utf-8"))
        if name == "added_tokens.json":
            ids |= listed
        elif name == "tokenizer.json":
            ids |= {entry["content"]: entry["id"] for entry in listed.get("added_tokens") or ()}
        else:
            added = listed.get("added_tokens_decoder") or {}
            ids |= {entry["content"]: int(number) for number, entry in added.items()}
    return [ids[token] for token in tokens if token in ids]


def make_overlay(folder: Path, checkpoint: Path, profile: Profile, *, ends_turns: bool = False) -> Path:
    """Make a folder of links to a checkpoint's files, with our template and stop ids in place of its own.

    Args:
        folder: Must not be there yet, or be empty.
        checkpoint: A checkpoint's folder.
        profile: What to say of it.
        ends_turns: Whether its end-of-text token shall be the one that ends a turn: a GGUF file knows one alone, and
            programs that send no stop ids go by it.

    Returns:
        The folder. transformers, llama.cpp's converter and vLLM read it like the checkpoint itself.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for file in checkpoint.iterdir() if checkpoint.is_dir() else ():  # not downloaded: a dry run
        if file.is_file() and file.name not in OURS:
            (folder / file.name).symlink_to(file.resolve())
    settings: dict[str, Any] = {}
    if (checkpoint / "tokenizer_config.json").is_file():
        settings = json.loads((checkpoint / "tokenizer_config.json").read_text("utf-8"))
    settings.pop("chat_template", None)
    end = _turn_end(checkpoint, profile)
    if ends_turns and end is not None:
        settings["eos_token"] = end
    _write_json(folder / "tokenizer_config.json", settings)
    (folder / "chat_template.jinja").write_text(profile.template_path.read_text("utf-8"), "utf-8")
    write_generation_config(folder, checkpoint, profile)
    return folder


def make_hub_cache(folder: Path, overlay: Path) -> Path:
    """Make a cache of Hugging Face's form that holds an overlay under its own name, as one link.

    `transformers serve` lists what such a cache holds as its models, and nothing else; where there is no cache at all,
    its list is an error 500.

    Args:
        folder: Made if it is not there.
        overlay: From `make_overlay`.

    Returns:
        The folder.
    """
    repository, revision = folder / f"models--{overlay.name}", "0" * 40
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(revision, "utf-8")
    (repository / "snapshots" / revision).mkdir(parents=True)
    if (overlay / "config.json").exists():
        (repository / "snapshots" / revision / "config.json").symlink_to((overlay / "config.json").resolve())
    return folder


def _turn_end(checkpoint: Path, profile: Profile) -> str | None:
    """Return the control token that ends a turn, if the tokenizer has it."""
    ends = set(profile.stop_token_ids)
    for token in [*profile.stop, *profile.control_tokens]:
        ids = token_ids(checkpoint, [token])
        if ids and (token in profile.stop or ids[0] in ends):
            return token
    return None


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1), "utf-8")
