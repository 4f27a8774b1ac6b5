"""`huozi model plan`."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import click

from api.cli.framework import command, json_option
from api.cli.language import Say
from api.cli.model_files import profile_argument, profile_of
from api.cli.output import facts, out, out_json
from api.cli.session import Session, session_of

if TYPE_CHECKING:
    from assistant.serving.gpus import Gpu
    from assistant.serving.plan_record import Plan

ENGINES = ("vllm", "transformers", "llama.cpp", "ollama")


def build(say: Say) -> click.Command:
    """Return the command."""
    return command(
        "plan",
        say,
        run,
        profile_argument(say),
        click.Option(
            ["--gpus"],
            metavar=say("GPU", "GPUS"),
            help=say(
                "如 24GB、4x24GB、1x48GB+2x24GB；0 表示不用 GPU；默认为本机的 GPU",
                "e.g. 24GB, 4x24GB, 1x48GB+2x24GB; 0 for none; this machine's where it is left out",
            ),
        ),
        click.Option(
            ["--format", "form"],
            metavar=say("格式", "FORMAT"),
            help=say("权重格式，如 bf16、awq、q4_0；默认取放得下的第一种", "form of the weights; the first that fits"),
        ),
        click.Option(["--engine"], type=click.Choice(ENGINES), help=say("推理引擎", "what serves it")),
        click.Option(
            ["--window"],
            type=click.IntRange(min=512),
            metavar=say("词元数", "TOKENS"),
            help=say("窗口大小，默认为模型的窗口", "prompt and answer together; the model's own window"),
        ),
        click.Option(
            ["--sequences"],
            type=click.IntRange(1, 100_000),
            default=1,
            metavar=say("个数", "N"),
            help=say("同时处理几个满窗口，默认 1", "full windows at once, 1 where it is left out"),
        ),
        click.Option(
            ["--gpu-layers"],
            type=click.IntRange(min=0),
            metavar=say("层数", "N"),
            help=say("放在 GPU 上的层数，默认尽量多（GGUF）", "layers on the GPU; as many as fit (GGUF)"),
        ),
        click.Option(
            ["--gpu-memory-utilization", "utilization"],
            type=click.FloatRange(0, 1, min_open=True),
            default=0.9,
            metavar=say("比例", "SHARE"),
            help=say(
                "每块 GPU 可用显存的比例，默认 0.9",
                "share of each GPU's memory that may be used, 0.9 where it is left out",
            ),
        ),
        json_option(say),
        help=say(
            "模型在这些 GPU 上放不放得下，怎样启动。估算的公式见 docs/model.zh-CN.md。",
            "Whether a model fits on some GPUs, and how to start it. docs/model.md has the formula.",
        ),
    )


def run(ctx: click.Context, profile: str | None, gpus: str | None, as_json: bool, **wanted: Any) -> None:
    """Plan for the GPUs named or found."""
    from assistant.serving.gpus import find_gpus, no_gpus, parse_gpus
    from assistant.serving.plan import plan
    from assistant.serving.plan_record import Wish

    session = session_of(ctx)
    model = profile_of(session, profile)
    there = find_gpus() if gpus is None else parse_gpus(gpus)
    if gpus is None and not there:
        raise no_gpus()
    wish = Wish(
        format=wanted["form"],
        engine=wanted["engine"],
        window_tokens=wanted["window"],
        sequences=wanted["sequences"],
        gpu_layers=wanted["gpu_layers"],
        utilization=wanted["utilization"],
    )
    made = plan(model, there, wish)
    called = profile or session.settings().llm.profile
    if as_json:
        out_json(_plain(made, called))
    else:
        _tell(made, there, session, called)
    if not made.fits:
        raise click.exceptions.Exit(1)


def _typed(words: tuple[str, ...], called: str) -> str:
    """Return a command that calls the model as the user does: one's own profile goes by its file."""
    return shlex.join([*words[:3], called, *words[4:]]) if words else ""


def _tell(plan: Plan, gpus: tuple[Gpu, ...], session: Session, called: str) -> None:
    from assistant.serving.plan_words import difference, verdict

    say, language = session.say, session.language
    out(facts([(say("结论", "verdict"), verdict(plan).render(language)), *_rows(plan, gpus, say, called)]))
    if plan.alternatives:
        whole = say("整个放进 GPU 的办法：", "What would fit whole:")
        out("\n" + (whole if plan.fits else say("放得下的办法：", "What would fit:")))
    for other in plan.alternatives:
        out(f"  {difference(other, plan).render(language)}")
        for typed in filter(None, (other.convert_command, other.command)):
            out(f"      {_typed(typed, called)}")


def _rows(plan: Plan, gpus: tuple[Gpu, ...], say: Say, called: str) -> list[tuple[str, str]]:
    from assistant.serving.gpus import describe
    from assistant.serving.plan_words import gib

    form, load = plan.format, plan.load
    made = "" if form.published else say("，未发布，须自行转换", ", not published: convert it yourself")
    rows = [
        (say("模型", "model"), f"{plan.profile.name}, {form.name}, {gib(plan.weights)}{made}"),
        (say("引擎", "engine"), plan.engine),
        (say("GPU", "GPUs"), _gpus(plan, gpus, say, describe(gpus))),
    ]
    if plan.n_gpus:
        parts = f"{gib(load.weights)} + {gib(load.overhead)} + {gib(load.kv)} = {gib(load.needed)} / {gib(load.usable)}"
        names = say("权重 + 引擎 + KV 缓存 = 合计 / 可用", "weights + engine + KV cache = all / usable")
        rows.append((say("每块 GPU", "each GPU"), f"{parts}  ({names})"))
    if plan.main_memory:
        rows.append((say("内存", "main memory"), gib(plan.main_memory)))
    rows += [
        (
            say("KV 缓存", "KV cache"),
            say(
                f"每词元 {_kib(plan)}，{plan.window_tokens:,} 词元的窗口 {gib(plan.kv_per_window)}",
                f"{_kib(plan)} a token, {gib(plan.kv_per_window)} for a window of {plan.window_tokens:,}",
            ),
        ),
        (say("满窗口", "full windows"), say(f"同时 {plan.windows} 个", f"{plan.windows} at once")),
    ]
    if plan.published_gb is not None:
        told = say(f"作者实测显存 {plan.published_gb:g} GB", f"{plan.published_gb:g} GB, measured by the authors")
        rows.append((say("已发布", "published"), told))
    if plan.fits and plan.convert_command:
        rows.append((say("先转换", "convert first"), _typed(plan.convert_command, called)))
    if plan.fits:
        rows.append((say("启动命令", "command"), _typed(plan.command, called)))
    return rows


def _gpus(plan: Plan, gpus: tuple[Gpu, ...], say: Say, described: str) -> str:
    names = ", ".join(sorted({gpu.name for gpu in gpus if gpu.name}))
    head = f"{described} ({names})" if names else described
    if plan.n_gpus in (0, 1) and len(gpus) <= 1:
        return head
    if plan.n_gpus == 1:
        return head + say("，用 1 块", ", 1 in use")
    shared = say("按层分配", "by layer") if plan.engine != "vllm" else say("张量并行", "tensor parallel")
    return head + say(f"，用 {plan.n_gpus} 块，{shared}", f", {plan.n_gpus} in use, {shared}")


def _kib(plan: Plan) -> str:
    return f"{plan.profile.kv_bytes_per_token / 1024:.0f} KiB"


def _plain(plan: Plan, called: str) -> dict[str, Any]:
    from assistant.serving.gpus import describe
    from assistant.serving.plan_words import verdict

    load = plan.load
    return {
        "profile": plan.profile.name,
        "format": plan.format.name,
        "published": plan.format.published,
        "engine": plan.engine,
        "gpus": describe(plan.gpus),
        "fits": plan.fits,
        "verdict": verdict(plan)._asdict(),
        "gpus_used": plan.n_gpus,
        "gpu_layers": plan.gpu_layers,
        "layers": plan.profile.layers,
        "window_tokens": plan.window_tokens,
        "sequences": plan.sequences,
        "full_windows": plan.windows,
        "bytes": {
            "weights": plan.weights,
            "kv_per_token": plan.profile.kv_bytes_per_token,
            "kv_per_window": plan.kv_per_window,
            "main_memory": plan.main_memory,
            "each_gpu": {
                "weights": load.weights,
                "overhead": load.overhead,
                "kv": load.kv,
                "needed": load.needed,
                "usable": load.usable,
            },
        },
        "published_memory_gb": plan.published_gb,
        "gpu_memory_utilization": plan.utilization,
        "convert_command": _typed(plan.convert_command, called) or None,
        "command": _typed(plan.command, called),
        "alternatives": [_other(one, plan, called) for one in plan.alternatives],
    }


def _other(other: Plan, plan: Plan, called: str) -> dict[str, Any]:
    from assistant.serving.plan_words import difference

    return {**_plain(other, called), "difference": difference(other, plan)._asdict()}
