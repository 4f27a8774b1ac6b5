"""A plan in words: the verdict, and what another plan does differently (pure)."""

from __future__ import annotations

from assistant.serving.gpus import GIB, describe
from assistant.serving.plan_record import Plan
from retrieval.errors import Message


def gib(n_bytes: int) -> str:
    """Return a size in GiB, of 2^30 bytes, with one digit after the point."""
    return f"{n_bytes / GIB:.1f} GiB"


def verdict(plan: Plan) -> Message:
    """Return whether it fits, and why."""
    if plan.n_gpus == 0:
        return _without_gpu(plan)
    if not plan.load.fits:
        return _too_much(plan)
    if not plan.is_whole:
        on, layers, left = plan.gpu_layers, plan.profile.layers, gib(plan.main_memory)
        return Message(
            en=f"fits in part: {on} of {layers} layers on the GPUs, {left} in main memory; slower than whole",
            zh=f"部分放得下：{layers} 层中的 {on} 层在 GPU 上，其余 {left} 在内存里，比全在 GPU 上慢",
        )
    return Message(
        en=f"fits: {_windows_en(plan.windows)} of {plan.window_tokens:,} tokens at once",
        zh=f"放得下：可同时处理 {plan.windows} 个 {plan.window_tokens:,} 词元的窗口",
    )


def difference(other: Plan, from_plan: Plan) -> Message:
    """Return what another plan changes, so that it fits."""
    en, zh = [], []
    if describe(other.gpus) != describe(from_plan.gpus):
        en.append(f"GPUs {describe(other.gpus)}")
        zh.append(f"GPU 换成 {describe(other.gpus)}")
    if other.format != from_plan.format:
        en.append(f"format {other.format.name}")
        zh.append(f"格式 {other.format.name}")
    if other.window_tokens != from_plan.window_tokens:
        en.append(f"window of {other.window_tokens:,} tokens")
        zh.append(f"窗口 {other.window_tokens:,} 词元")
    if other.sequences != from_plan.sequences:
        en.append(f"{_windows_en(other.sequences)} at once")
        zh.append(f"同时 {other.sequences} 个窗口")
    if not other.is_whole:
        en.append(f"{other.gpu_layers} of {other.profile.layers} layers on the GPUs")
        zh.append(f"{other.profile.layers} 层中的 {other.gpu_layers} 层放在 GPU 上")
    return Message(en=", ".join(en), zh="、".join(zh))


def _without_gpu(plan: Plan) -> Message:
    if not plan.fits:
        return Message(
            en=f"does not fit: {plan.format.name} is planned for GPUs; without one, only GGUF formats are",
            zh=f"放不下：{plan.format.name} 只按 GPU 规划；没有 GPU 时只能用 GGUF 格式",
        )
    return Message(
        en=f"fits without a GPU: {gib(plan.main_memory)} of main memory; much slower than on one",
        zh=f"不用 GPU 也放得下：占内存 {gib(plan.main_memory)}，比用 GPU 慢得多",
    )


def _too_much(plan: Plan) -> Message:
    needed, usable = gib(plan.load.needed), gib(plan.load.usable)
    if plan.windows:
        most = _windows_en(plan.windows)
        return Message(
            en=f"does not fit: {most} of {plan.window_tokens:,} tokens at once, not {plan.sequences}",
            zh=f"放不下：同时只能有 {plan.windows} 个 {plan.window_tokens:,} 词元的窗口，不是 {plan.sequences} 个",
        )
    return Message(
        en=f"does not fit: each GPU would hold {needed}, and has {usable} to use",
        zh=f"放不下：每块 GPU 要放 {needed}，可用的只有 {usable}",
    )


def _windows_en(count: int) -> str:
    return "1 full window" if count == 1 else f"{count} full windows"
