"""A checkpoint's files with a few bytes of weights: enough for everything that looks at files alone."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

BEGIN, END = "<|beginofutterance|>", "<|endofutterance|>"


def safetensors(n_bytes: int = 64) -> bytes:
    """Return a whole safetensors file with one tensor."""
    entry = {"dtype": "F32", "shape": [n_bytes // 4], "data_offsets": [0, n_bytes]}
    header = json.dumps({"a.weight": entry, "__metadata__": {"format": "pt"}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(n_bytes)


def tokenizer() -> bytes:
    """Return a tokenizer.json that lists huozi's control tokens."""
    added = [{"id": 57000, "content": BEGIN, "special": True}, {"id": 57001, "content": END, "special": True}]
    return json.dumps({"added_tokens": added, "model": {"vocab": {}}}).encode()


def files(**config: Any) -> dict[str, bytes]:
    """Return a small checkpoint, path -> content."""
    settings = {"model_type": "mixtral", "eos_token_id": 2, "max_position_embeddings": 32768, **config}
    return {
        "config.json": json.dumps(settings).encode(),
        "model.safetensors": safetensors(),
        "tokenizer.json": tokenizer(),
        "tokenizer_config.json": json.dumps({"eos_token": "</s>", "chat_template": "theirs"}).encode(),
    }


def write(folder: Path, contents: dict[str, bytes] | None = None) -> Path:
    """Write a checkpoint."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (contents or files()).items():
        (folder / name).write_bytes(content)
    return folder


def write_gguf(path: Path) -> Path:
    """Write a file that begins as a GGUF file does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"GGUF" + bytes(60))
    return path
