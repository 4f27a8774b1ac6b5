"""llama.cpp's `llama-server`: GGUF files on the CPU, the GPU, or both (`--gpu-layers`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from assistant.serving.engines import (
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
    from assistant.serving.profile import Profile
    from assistant.serving.weights import Weights

PREFIX = "{%- if not tools -%}{%- set add_generation_prompt = true -%}{%- endif -%}\n"
"""Goes before our template, so that llama.cpp finds no opening of the model's turn that it would add by itself.

It feeds such an opening to the grammar of a JSON schema first, and fails, since its tokenizer writes a space after a
control token. With tools it must find it: that is how it learns the form of a tool call.
"""


def command(profile: Profile, weights: Weights, options: ServeOptions, *, program: Path, template: Path) -> Command:
    """Return how llama.cpp serves the model.

    Args:
        profile: The model.
        weights: A GGUF file.
        options: What the user chose.
        program: `llama-server`.
        template: Where `template_text` was written.

    Raises:
        EngineUnfitError, OpenServerError: If it cannot do what is asked, or would be open to the network.
    """
    check_open("llama.cpp", options)
    need_gguf("llama.cpp", weights)
    root = url_of(options)
    return Command(
        engine="llama.cpp",
        argv=(
            str(program),
            "--model", str(weights.path),
            "--alias", SERVED_NAME,
            "--jinja", "--chat-template-file", str(template),
            "--ctx-size", str(window_of(profile, options)),
            *_gpu_flags(options),
            *_token_flags(profile),
            *_sampling_flags(profile),
            "--host", options.host,
            "--port", str(options.port),
            *options.extra,
        ),
        env={"LLAMA_API_KEY": options.api_key} if options.api_key else {},
        ready_url=f"{root}/health",
        base_url=f"{root}/v1",
    )  # fmt: skip


def template_text(profile: Profile) -> str:
    """Return the profile's chat template as llama.cpp needs it; it renders the same text."""
    return PREFIX + profile.template_path.read_text("utf-8")


def need_gguf(engine: str, weights: Weights) -> None:
    """Refuse anything but GGUF.

    Raises:
        EngineUnfitError: For a checkpoint.
    """
    if weights.form != "gguf":
        raise unfit(
            engine,
            Message(en="reads GGUF files only", zh="只支持 GGUF 文件"),
            Message(
                en="Use --format with a GGUF quantisation, or make one: `huozi model convert --to gguf`.",
                zh="请用 --format 指定 GGUF 量化，或转换：`huozi model convert --to gguf`。",
            ),
        )


def _gpu_flags(options: ServeOptions) -> list[str]:
    flags = [] if options.gpu_layers is None else ["--n-gpu-layers", str(options.gpu_layers)]
    if options.tensor_parallel > 1:
        # Whole layers on each GPU, as many on one as on the other.
        flags += ["--split-mode", "layer", "--tensor-split", ",".join(["1"] * options.tensor_parallel)]
    return flags


def _token_flags(profile: Profile) -> list[str]:
    """Tokenize the template as vLLM does, with no `<s>` before it, and let the end of a turn end every answer.

    The second because the server knows no `stop_token_ids`.
    """
    changed = ["tokenizer.ggml.add_bos_token=bool:false"]
    if profile.stop_token_ids:
        changed.append(f"tokenizer.ggml.eot_token_id=int:{profile.stop_token_ids[0]}")
    return ["--override-kv", ",".join(changed)]


def _sampling_flags(profile: Profile) -> list[str]:
    sampling = profile.sampling
    chosen = {
        "--temp": sampling.temperature,
        "--top-p": sampling.top_p,
        "--top-k": sampling.top_k,
        "--repeat-penalty": sampling.repetition_penalty,
    }
    return [word for name, value in chosen.items() if value is not None for word in (name, f"{value:g}")]
