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
  graphs. transformers 1 GiB. llama.cpp and Ollama 0.5 GiB and what grows with the window for a batch of 512 tokens: the
  attention's mask (512 * window * 2 bytes) with flash attention, which the command asks llama.cpp for; its scores
  (512 * window * heads * 4 bytes) without, as Ollama may run. Measured on the CPU with huozi's attention: 20.5 MiB for
  2,048 tokens and 50.5 for 32,768 with flash attention, 154.5 and 2,134.5 without.
- llama.cpp keeps the keys and values of a layer where its weights are; layers that are not on a GPU are in main memory.
- Of GPUs of different sizes the best group is taken, each counted as the smallest of the group.

`tests/unit/assistant/serving/test_placement.py` holds the estimate against every published figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import ceil

from assistant.serving.gpus import GIB, Gpu
from assistant.serving.plan_record import GB, OFFLOADING, Load, Plan, Wish, published_gb
from assistant.serving.profile import Engine, Format, Profile

_OVERHEAD = {"vllm": 2 * GIB, "transformers": GIB, "llama.cpp": GIB // 2, "ollama": GIB // 2}
_BATCH = 512
_BY_LAYER: tuple[Engine, ...] = ("transformers", *OFFLOADING)


def shares(profile: Profile, engine: Engine, n_gpus: int) -> int:
    """Return how many of some equal GPUs an engine uses for one copy of the model."""
    if engine in _BY_LAYER:
        return min(n_gpus, profile.layers)
    heads, kv_heads = profile.heads, profile.kv_heads
    possible = (n for n in range(n_gpus, 0, -1) if heads % n == 0 and (kv_heads % n == 0 or n % kv_heads == 0))
    return next(possible, 0)


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
    return _OVERHEAD[base.engine] + _BATCH * base.window_tokens * _bytes_per_pair(base)


def _bytes_per_pair(base: Plan) -> int:
    """Return what a token of a batch needs for each token of the window, in bytes."""
    if base.engine == "ollama":
        return base.profile.heads * 4
    return 2 if base.engine == "llama.cpp" else 0
