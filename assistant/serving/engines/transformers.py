"""`transformers serve` (transformers 5): one process on GPU or CPU, for trying a model out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from assistant.serving.engines import OFFLINE, Command, ServeOptions, check_open, unfit, url_of, window_of
from retrieval.errors import Message

if TYPE_CHECKING:
    from assistant.serving.installs import PythonInstall
    from assistant.serving.profile import Profile
    from assistant.serving.weights import Weights


def command(
    profile: Profile,
    weights: Weights,
    options: ServeOptions,
    *,
    install: PythonInstall,
    overlay: Path,
    cache: Path,
) -> Command:
    """Return how transformers serves the model.

    Args:
        profile: The model.
        weights: Its files.
        options: What the user chose.
        install: Where transformers is.
        overlay: A copy of the checkpoint's folder made of links, with our chat template and stop ids; its own name
            is the served model's name, since this server answers to the name it was started with and no other.
        cache: Of Hugging Face's form, with the overlay in it: the server lists what it holds as its models.

    Raises:
        EngineUnfitError, OpenServerError: If it cannot do what is asked, or would be open to the network.
    """
    check_open("transformers", options)
    window_of(profile, options)
    _check_fit(weights, options)
    root = url_of(options)
    return Command(
        engine="transformers",
        argv=(
            str(install.program), "serve", overlay.name,
            "--host", options.host,
            "--port", str(options.port),
            "--dtype", options.dtype or "auto",
            *(("--quantization", options.quantization) if options.quantization else ()),
            *options.extra,
        ),
        env={"HF_HUB_CACHE": str(cache)},
        defaults=OFFLINE,
        ready_url=f"{root}/health",
        base_url=f"{root}/v1",
        cwd=overlay.parent,
    )  # fmt: skip


def _check_fit(weights: Weights, options: ServeOptions) -> None:
    if weights.form == "gguf":
        # It turns GGUF into full floats: the memory of bf16 with the quality of q4.
        raise unfit(
            "transformers serve",
            Message(en="unpacks GGUF files to full size", zh="会把 GGUF 解压为全尺寸"),
            Message(en="Use --engine llama.cpp for GGUF.", zh="GGUF 请用 --engine llama.cpp。"),
        )
    if options.tensor_parallel > 1:
        raise unfit(
            "transformers serve",
            Message(en="has no tensor parallelism; it spreads layers over all GPUs that it sees",
                    zh="没有张量并行；它会把各层分到看得见的所有显卡上"),
            Message(en="Leave --tensor-parallel out, or use --engine vllm.",
                    zh="请去掉 --tensor-parallel，或用 --engine vllm。"),
        )  # fmt: skip
