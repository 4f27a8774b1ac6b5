"""What a GPU must hold when it runs a model, or a part of one. Pure arithmetic over a profile.

In bytes, where `n` GPUs share the model:

    weights / n  +  overhead(engine)  +  sequences * window * KV bytes per token / n     <=  memory * utilization
    KV bytes per token = 2 (keys, values) * layers * KV heads * head dimension * 2 (fp16 or bf16)

Assumptions:
- vLLM splits every layer (tensor parallel): n divides the query heads, and divides the KV heads or is a multiple of
  them; beyond their number each GPU holds a copy of one. Other GPUs stay unused. transformers and llama.cpp place whole
  layers one GPU after another, so n may be anything, and the fullest GPU counts.
- The published GPU memory of a format is a known point: where it is more than weights plus overhead, it counts instead.
- Overheads are our estimates, none is published. vLLM 2 GiB a GPU: CUDA context, communication, activations, CUDA
  graphs. transformers 1 GiB. llama.cpp 0.5 GiB plus the attention scores of a batch of 512 tokens over the whole window
  (512 * window * heads * 4 bytes), which it does not need with flash attention.
- llama.cpp keeps the keys and values of a layer where its weights are; layers that are not on a GPU are in main memory.
- Of GPUs of different sizes the best group is taken, each counted as the smallest of the group.

`tests/unit/assistant/serving/test_placement.py` holds the estimate against every published figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

from assistant.serving.gpus import GIB, Gpu
from assistant.serving.profile import Engine, Format, Profile

UTILIZATION = 0.9
"""Share of a GPU's memory that is used: vLLM's `--gpu-memory-utilization`; the rest is for the driver and others."""
GB = 10**9
_OVERHEAD = {"vllm": 2 * GIB, "transformers": GIB, "llama.cpp": GIB // 2, "ollama": GIB // 2}
_SCORE_BATCH = 512
_BY_LAYER: tuple[Engine, ...] = ("transformers", "llama.cpp", "ollama")
OFFLOADING: tuple[Engine, ...] = ("llama.cpp", "ollama")


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
        if self.engine == "vllm":
            words += ["--", "--gpu-memory-utilization", f"{self.utilization:g}"]
        elif self.engine == "llama.cpp" and self.sequences > 1:
            # llama.cpp divides one context among all that run at once.
            words += ["--", "--parallel", str(self.sequences), "--ctx-size", str(self.sequences * self.window_tokens)]
        return tuple(words)


def shares(profile: Profile, engine: Engine, n_gpus: int) -> int:
    """Return how many of some equal GPUs an engine uses for one copy of the model."""
    if engine in _BY_LAYER:
        return min(n_gpus, profile.layers)
    heads, kv_heads = profile.heads, profile.kv_heads
    possible = (n for n in range(n_gpus, 0, -1) if heads % n == 0 and (kv_heads % n == 0 or n % kv_heads == 0))
    return next(possible, 0)


def published_gb(form: Format, gpu_layers: int, layers: int) -> float | None:
    """Return the GPU memory that the authors measured with so many of a model's layers on the GPU, or None."""
    if gpu_layers == layers:
        return form.memory_gb
    return next((one.memory_gb for one in form.offloaded if one.gpu_layers == gpu_layers), None)


def best(profile: Profile, form: Format, gpus: Sequence[Gpu], wish: Wish) -> Plan:
    """Return the plan with one format on the best group of GPUs, whether it fits or not; without alternatives."""
    engine = wish.engine if wish.engine in form.engines else form.engines[0]
    window = min(wish.window_tokens or profile.window_tokens, profile.window_tokens)
    base = Plan(
        profile=profile, format=form, engine=engine, gpus=tuple(gpus), window_tokens=window,
        sequences=wish.sequences, utilization=wish.utilization,
    )  # fmt: skip
    sizes = sorted({gpu.memory_bytes for gpu in gpus})
    groups = [(size, sum(gpu.memory_bytes >= size for gpu in gpus)) for size in sizes]
    if engine in OFFLOADING and not wish.gpu_layers:
        plans = [_on_cpu(base)]
        groups = [] if wish.gpu_layers == 0 else groups
    else:
        plans = []
    plans += [_on_gpus(base, shares(profile, engine, n), size, wish) for size, n in groups]
    return max(plans, key=lambda one: (one.fits, one.gpu_layers, one.windows, -one.n_gpus), default=base)


def _on_gpus(base: Plan, n_gpus: int, memory: int, wish: Wish) -> Plan:
    layers = base.profile.layers
    usable = int(memory * base.utilization)
    most = layers if base.engine not in OFFLOADING else min(wish.gpu_layers or layers, layers)
    # Layers are taken away only where nobody says how many.
    least = 1 if base.engine in OFFLOADING and wish.gpu_layers is None else most
    tried = (_loaded(base, n_gpus, gpu_layers, usable) for gpu_layers in range(most, least - 1, -1))
    return next((one for one in tried if one.load.fits), None) or _loaded(base, n_gpus, most, usable)


def _loaded(base: Plan, n_gpus: int, gpu_layers: int, usable: int) -> Plan:
    """Return the plan with so many layers on so many GPUs, whether it fits or not."""
    share, kv_share = _portions(base, n_gpus, gpu_layers)
    weights = ceil(base.weights * share)
    kv_window = ceil(base.kv_per_window * kv_share)
    measured = published_gb(base.format, gpu_layers, base.profile.layers)
    floor = 0 if measured is None else ceil(measured * GB * share * base.profile.layers / gpu_layers)
    overhead = max(_overhead(base), floor - weights)
    windows = max(0, (usable - weights - overhead) // kv_window)
    left = 1 - gpu_layers / base.profile.layers
    return replace(
        base,
        n_gpus=n_gpus,
        gpu_layers=gpu_layers,
        load=Load(weights=weights, overhead=overhead, kv=kv_window * base.sequences, usable=usable),
        windows=windows,
        main_memory=ceil((base.weights + base.kv_per_window * base.sequences) * left),
    )


def _on_cpu(base: Plan) -> Plan:
    needed = base.weights + base.kv_per_window * base.sequences + _overhead(base)
    return replace(base, windows=base.sequences, main_memory=needed)


def _portions(base: Plan, n_gpus: int, gpu_layers: int) -> tuple[float, float]:
    """Return which parts of the weights and of the keys and values the fullest GPU holds."""
    if base.engine in _BY_LAYER:
        part = ceil(gpu_layers / n_gpus) / base.profile.layers
        return part, part
    return 1 / n_gpus, max(1 / n_gpus, 1 / base.profile.kv_heads)


def _overhead(base: Plan) -> int:
    scores = _SCORE_BATCH * base.window_tokens * base.profile.heads * 4 if base.engine in OFFLOADING else 0
    return _OVERHEAD[base.engine] + scores
