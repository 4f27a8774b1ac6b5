"""The options of `huozi model serve`, and those of them that `generate` has too."""

from __future__ import annotations

from pathlib import Path

import click

from api.cli.language import Say
from api.cli.model_files import dry_run_option, env_option

DEADLINE_S = 1800.0
"""Seconds that an engine may take: 88 GB come from a slow disk in that time."""


def engine_options(say: Say) -> list[click.Parameter]:
    """Return which engine, where it is, and how it runs the model."""
    return [
        click.Option(
            ["--engine"],
            metavar=say("引擎", "ENGINE"),
            help=say(
                "vllm、transformers、llama.cpp 或 ollama；默认由格式决定",
                "vllm, transformers, llama.cpp or ollama; by default what suits the format",
            ),
        ),
        env_option(say),
        *load_options(say),
        click.Option(
            ["--gpu-layers"],
            type=click.IntRange(min=0),
            metavar=say("数量", "N"),
            help=say(
                "放在显卡上的层数，其余在内存（llama.cpp、ollama）",
                "layers on the GPU, the rest in main memory (llama.cpp, ollama)",
            ),
        ),
        click.Option(
            ["--quantization"],
            metavar=say("方法", "METHOD"),
            help=say("引擎自己的量化方法名，通常无需指定", "the engine's own word; seldom needed"),
        ),
    ]


def load_options(say: Say) -> list[click.Parameter]:
    """Return `--window`, `--tensor-parallel` and `--dtype`: how a model is loaded, with a server or without."""
    number = say("数量", "N")
    return [
        click.Option(
            ["--window"],
            type=click.IntRange(min=512),
            metavar=number,
            help=say("提示和回答合计的词元数，默认为模型的上限", "prompt and answer together, in tokens"),
        ),
        click.Option(
            ["--tensor-parallel"],
            type=click.IntRange(min=1),
            default=1,
            metavar=number,
            help=say("几张显卡合用一份模型，默认 1", "GPUs that share the model, 1 by default"),
        ),
        click.Option(["--dtype"], metavar=say("类型", "TYPE"), help=say("计算精度，如 bfloat16", "e.g. bfloat16")),
    ]


def network_options(say: Say) -> list[click.Parameter]:
    """Return where it listens, and the key."""
    return [
        click.Option(
            ["--host"],
            default="127.0.0.1",
            metavar=say("地址", "HOST"),
            help=say(
                "监听地址，默认 127.0.0.1；其他地址需要 --api-key",
                "address to listen on, 127.0.0.1 by default; others need --api-key",
            ),
        ),
        click.Option(
            ["--port"],
            type=click.IntRange(1, 65535),
            metavar=say("端口", "PORT"),
            help=say("监听端口，默认 8000，ollama 为 11434", "port to listen on: 8000, for ollama 11434"),
        ),
        click.Option(
            ["--api-key"],
            metavar=say("密钥", "KEY"),
            help=say(
                "客户端须提供的密钥；默认取 HUOZI_LLM__API_KEY", "key that clients must send; else HUOZI_LLM__API_KEY"
            ),
        ),
    ]


def run_options(say: Say) -> list[click.Parameter]:
    """Return how long to wait, and where the log goes."""
    return [
        click.Option(
            ["--wait"],
            type=click.FloatRange(min=1),
            default=DEADLINE_S,
            metavar=say("秒数", "SECONDS"),
            help=say("最多等多久就绪，默认 1800", "longest time until it is ready, 1800 by default"),
        ),
        click.Option(
            ["--log"],
            type=click.Path(path_type=Path, dir_okay=False),
            metavar=say("文件", "FILE"),
            help=say("引擎日志，默认 数据目录/logs/model-端口.log", "the engine's log; by default in the data folder"),
        ),
        dry_run_option(say),
    ]
