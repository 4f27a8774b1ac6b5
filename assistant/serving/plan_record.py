"""What is asked of a plan, and the plan: records, with what follows from them (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from assistant.serving.gpus import Gpu
from assistant.serving.profile import Engine, Format, Profile

GB = 10**9
UTILIZATION = 0.9
"""Share of a GPU's memory that is used: vLLM's `--gpu-memory-utilization`; the rest is for the driver and others."""
OFFLOADING: tuple[Engine, ...] = ("llama.cpp", "ollama")
"""Engines that can leave layers in main memory."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What is asked of a plan; None: what suits.

    Attributes:
        format: Name of a form of the weights.
        engine: What serves it.
        window_tokens: Prompt and answer together.
        sequences: Full windows at once.
        gpu_layers: Layers on the GPU (llama.cpp, ollama).
        utilization: Share of each GPU's memory that may be used, in (0, 1].
    """

    format: str | None = None
    engine: Engine | None = None
    window_tokens: int | None = None
    sequences: int = 1
    gpu_layers: int | None = None
    utilization: float = UTILIZATION


@dataclass(frozen=True, kw_only=True)
class Load:
    """What the fullest GPU holds, in bytes.

    Attributes:
        weights: Its share of the weights.
        overhead: The engine's own, or up to the published figure where that is more.
        kv: Keys and values of all sequences asked for.
        usable: What may be used of its memory.
    """

    weights: int = 0
    overhead: int = 0
    kv: int = 0
    usable: int = 0

    @property
    def needed(self) -> int:
        """All together."""
        return self.weights + self.overhead + self.kv

    @property
    def fits(self) -> bool:
        """Whether it has room for that."""
        return self.needed <= self.usable


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a model is run on some GPUs, or why it is not.

    Attributes:
        profile, format, engine: What is run by what.
        gpus: As they were given.
        n_gpus: How many of them share the model; 0 on the CPU.
        gpu_layers: Layers on the GPUs; all, except where llama.cpp leaves some in main memory.
        window_tokens, sequences: What was asked for.
        load: Of the fullest GPU.
        windows: Full windows at once; 0 where not even one fits.
        main_memory: Bytes in main memory for layers that are not on a GPU.
        alternatives: Other plans that fit, where this one does not.
    """

    profile: Profile
    format: Format
    engine: Engine
    gpus: tuple[Gpu, ...]
    window_tokens: int
    sequences: int
    utilization: float
    n_gpus: int = 0
    gpu_layers: int = 0
    load: Load = Load()
    windows: int = 0
    main_memory: int = 0
    alternatives: tuple[Plan, ...] = ()

    @property
    def fits(self) -> bool:
        """Whether it can be run so."""
        return self.load.fits and (self.n_gpus > 0 or self.main_memory > 0)

    @property
    def is_whole(self) -> bool:
        """Whether all layers are on GPUs."""
        return self.gpu_layers == self.profile.layers

    @property
    def kv_per_window(self) -> int:
        """Bytes of keys and values of one full window, on all GPUs together."""
        return self.profile.kv_bytes_per_token * self.window_tokens

    @property
    def weights(self) -> int:
        """Bytes of all weights."""
        return ceil(self.format.weights_gb * GB)

    @property
    def published_gb(self) -> float | None:
        """GPU memory that the model's authors measured for this format with these layers on the GPU."""
        return published_gb(self.format, self.gpu_layers, self.profile.layers)

    @property
    def converted(self) -> str | None:
        """Where weights lie that nobody publishes, once they are converted; None for published ones."""
        if self.format.published:
            return None
        return f"{self.profile.name}-{self.format.name}{'.gguf' if self.format.is_gguf else ''}"

    @property
    def convert_command(self) -> tuple[str, ...]:
        """What to type first for weights that nobody publishes; empty for published ones."""
        if self.converted is None:
            return ()
        how = ("gguf", "--quant", self.format.name) if self.format.is_gguf else ("awq", "--texts", "texts.jsonl")
        return ("huozi", "model", "convert", self.profile.name, "--to", *how, "--output", self.converted)

    @property
    def command(self) -> tuple[str, ...]:
        """What to type."""
        words = ["huozi", "model", "serve", self.profile.name, "--engine", self.engine, "--format", self.format.name]
        words += [] if self.converted is None else ["--source", self.converted]
        if self.engine == "vllm":
            words += ["--tensor-parallel", str(self.n_gpus)] if self.n_gpus > 1 else []
        elif self.engine in OFFLOADING:
            words += ["--gpu-layers", str(self.gpu_layers)]
        if self.window_tokens != self.profile.window_tokens:
            words += ["--window", str(self.window_tokens)]
        extra: list[str] = []
        if self.engine == "vllm":
            extra = ["--gpu-memory-utilization", f"{self.utilization:g}"]
        elif self.engine == "llama.cpp":
            extra = ["--flash-attn", "on"] if self.n_gpus else []
            # llama.cpp divides one context among all that run at once.
            context = ["--parallel", str(self.sequences), "--ctx-size", str(self.sequences * self.window_tokens)]
            extra += context if self.sequences > 1 else []
        words += ["--", *extra] if extra else []
        return tuple(words)


def published_gb(form: Format, gpu_layers: int, layers: int) -> float | None:
    """Return the GPU memory that the authors measured with so many of a model's layers on the GPU, or None."""
    if gpu_layers == layers:
        return form.memory_gb
    return next((one.memory_gb for one in form.offloaded if one.gpu_layers == gpu_layers), None)
