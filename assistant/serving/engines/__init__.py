"""What each engine is started with: profile, weights and options -> a command. Pure; `launch.py` runs it.

Every engine serves the model under the name `huozi`, with the profile's chat template, and ends answers at the
profile's stop ids also for clients that send none.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.serving.errors import EngineUnfitError, OpenServerError
from retrieval.errors import Message

if TYPE_CHECKING:
    from assistant.serving.profile import Profile

ENGINES = ("vllm", "transformers", "llama.cpp", "ollama")
SERVED_NAME = "huozi"
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
"""The files are here: no engine asks a hub, or reports home."""


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """What a user may choose; None is the profile's or the engine's own.

    Args:
        host: Address to listen on.
        port: Port to listen on.
        api_key: Key that clients must send; needed beyond loopback.
        window_tokens: Prompt and answer together.
        tensor_parallel: GPUs that share one copy of the model.
        gpu_layers: Layers on the GPU, the rest in main memory (llama.cpp, ollama).
        dtype: Number type of the computation, e.g. `bfloat16`.
        quantization: The engine's own word for a quantisation that it cannot see in the files.
        extra: Arguments handed to the engine as they are.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    api_key: str | None = None
    window_tokens: int | None = None
    tensor_parallel: int = 1
    gpu_layers: int | None = None
    dtype: str | None = None
    quantization: str | None = None
    extra: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Command:
    """How to start an engine, and how to see that it is ready.

    Args:
        engine: Its name.
        argv: Program and arguments.
        env: Added to the environment; here are secrets, never in argv.
        defaults: Added too, where the user's environment says nothing else.
        ready_url: Answers 200 when the engine serves.
        base_url: For `HUOZI_LLM__BASE_URL`.
        cwd: Folder to run in.
        then: Commands to run once it is ready, one after another.
    """

    engine: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)
    ready_url: str
    base_url: str
    cwd: Path | None = None
    then: tuple[tuple[str, ...], ...] = ()

    def environment(self, own: Mapping[str, str]) -> dict[str, str]:
        """Return the whole environment of the engine, over that of this process."""
        return {**self.defaults, **own, **self.env}


def window_of(profile: Profile, options: ServeOptions) -> int:
    """Return the window to serve, in tokens.

    Raises:
        EngineUnfitError: If more is asked for than the model was trained on.
    """
    wanted = options.window_tokens or profile.window_tokens
    if wanted > profile.window_tokens:
        raise EngineUnfitError(
            Message(
                en=f"A window of {wanted} tokens is more than the {profile.window_tokens} of {profile.name}.",
                zh=f"窗口 {wanted} 超过了 {profile.name} 的 {profile.window_tokens} 个词元。",
            ),
            hint=Message(en="Give a smaller --window.", zh="请把 --window 调小。"),
        )
    return wanted


def url_of(options: ServeOptions) -> str:
    """Return the server's root as clients on this machine reach it."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(options.host, options.host)
    return f"http://[{host}]:{options.port}" if ":" in host else f"http://{host}:{options.port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address; a name other than localhost does not count."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_open(engine: str, options: ServeOptions) -> None:
    """Refuse to be open to the network without a key.

    Raises:
        OpenServerError: If the address is not loopback and clients would need no key.
    """
    if is_loopback(options.host):
        return
    if engine in ("transformers", "ollama"):
        raise OpenServerError(
            Message(
                en=f"{engine} knows no API key, so it must not listen on {options.host!r}.",
                zh=f"{engine} 不支持 API 密钥，不能监听 {options.host!r}。",
            ),
            hint=Message(
                en="Leave it on 127.0.0.1 and put `huozi serve` in front, which asks for keys.",
                zh="请让它只监听 127.0.0.1，由需要密钥的 `huozi serve` 对外服务。",
            ),
        )
    if options.api_key is None:
        raise OpenServerError(
            Message(
                en=f"Listening on {options.host!r} opens the model to the network, and no API key is set.",
                zh=f"监听 {options.host!r} 会把模型开放给网络，但没有设置 API 密钥。",
            ),
            hint=Message(
                en="Give --api-key, or set HUOZI_LLM__API_KEY; or listen on 127.0.0.1.",
                zh="请加上 --api-key，或设置 HUOZI_LLM__API_KEY；或只监听 127.0.0.1。",
            ),
        )


def generation_config(profile: Profile, own: Mapping[str, Any], stop_ids: Sequence[int] = ()) -> dict[str, Any]:
    """Return `generation_config.json` for the engines that read one: sampling, and where an answer ends.

    Args:
        profile: Its sampling and stop ids.
        own: The checkpoint's own file, or its config: where neither says it, nothing is invented.
        stop_ids: Ids of the profile's stop strings, where the tokenizer has them as tokens.
    """
    ends = own.get("eos_token_id")
    listed = list(ends) if isinstance(ends, list) else [ends] if ends is not None else []
    sampling = profile.sampling
    chosen = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "repetition_penalty": sampling.repetition_penalty,
    }
    made = {name: value for name, value in chosen.items() if value is not None}
    kept = {name: own[name] for name in ("bos_token_id", "pad_token_id") if own.get(name) is not None}
    all_ends = list(dict.fromkeys([*profile.stop_token_ids, *stop_ids, *listed]))
    samples = {"do_sample": True} if sampling.temperature else {}
    return {**kept, **samples, **made, **({"eos_token_id": all_ends} if all_ends else {})}


def unfit(engine: str, what: Message, hint: Message) -> EngineUnfitError:
    """Build the error for something that an engine cannot do."""
    return EngineUnfitError(Message(en=f"{engine} {what.en}.", zh=f"{engine} {what.zh}。"), hint=hint)
