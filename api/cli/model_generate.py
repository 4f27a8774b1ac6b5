"""`huozi model generate`: a file of questions, answered offline by vLLM."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from api.cli.framework import command
from api.cli.language import Say
from api.cli.model_files import env_option, form_of, model_options, profile_of, weights_of
from api.cli.model_serve import count_gpus, empty_folder
from api.cli.model_serve_options import load_options
from api.cli.output import note, out
from api.cli.session import session_of
from api.environment import process_environment

FAILED = 1


def build(say: Say) -> click.Command:
    """Return the command."""
    return command(
        "generate",
        say,
        run,
        *model_options(say),
        *_file_options(say),
        env_option(say),
        *load_options(say),
        *_answer_options(say),
        help=say(
            '离线批量生成：输入每行一个 JSON，{"id", "messages"} 或 {"id", "prompt"}；用 vLLM，不启动服务。'
            "中断后再次运行会接着做。",
            'Answer a file offline with vLLM, without a server: a JSON object a line, {"id", "messages"} or {"id",'
            ' "prompt"}. Run it again to go on after a stop.',
        ),
    )


def _file_options(say: Say) -> list[click.Parameter]:
    return [
        click.Option(
            ["--input", "input_file"],
            required=True,
            type=click.Path(path_type=Path, dir_okay=False),
            metavar=say("文件", "FILE"),
            help=say("JSONL 输入", "JSON lines in"),
        ),
        click.Option(
            ["--output", "output_file"],
            type=click.Path(path_type=Path, dir_okay=False),
            metavar=say("文件", "FILE"),
            help=say(
                "JSONL 输出，可续写；默认写到标准输出", "JSON lines out, kept and gone on with; stdout by default"
            ),
        ),
    ]


def _answer_options(say: Say) -> list[click.Parameter]:
    return [
        click.Option(
            ["--max-tokens"],
            type=click.IntRange(min=1),
            metavar=say("数量", "N"),
            help=say("每个回答最多的词元数", "longest answer, in tokens"),
        ),
        click.Option(
            ["--temperature"],
            type=click.FloatRange(0, 2),
            metavar=say("数值", "T"),
            help=say("0 为最可能的词；默认按模型配置", "0: the likeliest words; the profile's by default"),
        ),
    ]


def run(
    ctx: click.Context,
    profile: str | None,
    source: str,
    form: str | None,
    models_dir: Path | None,
    input_file: Path,
    output_file: Path | None,
    env: Path | None,
    max_tokens: int | None,
    temperature: float | None,
    **chosen: Any,
) -> int | None:
    """Answer all lines; 1 if some could not be."""
    from assistant.serving.batch import job_of, run_batch
    from assistant.serving.batch_file import read_requests
    from assistant.serving.commands import check_vllm_gpus, own_window
    from assistant.serving.engines import ServeOptions
    from assistant.serving.installs import find_vllm
    from assistant.serving.overlay import write_generation_config

    session = session_of(ctx)
    say = session.say
    model = profile_of(session, profile)
    requests = read_requests(input_file, model.template_path)
    wanted = form_of(model, form, "vllm")
    options = ServeOptions(
        window_tokens=chosen["window"], tensor_parallel=chosen["tensor_parallel"], dtype=chosen["dtype"]
    )
    install = find_vllm(env)
    check_vllm_gpus(install, options, count_gpus)
    weights = weights_of(session, model, source, form=wanted, is_named=form is not None, models_dir=models_dir)
    folder = empty_folder(session.settings().data_dir.expanduser().absolute() / "serving" / "generate")
    generation = write_generation_config(folder / "generation", weights.tokenizer, model)
    note(say(f"加载模型，日志：{folder / 'generate.log'}", f"Loading the model, log: {folder / 'generate.log'}"))
    report = run_batch(
        requests,
        model,
        job=job_of(model, weights, own_window(model, weights, options), install=install, generation=generation),
        chosen={"max_tokens": max_tokens, "temperature": temperature},
        install=install,
        environment=process_environment(),
        folder=folder,
        output=output_file,
        emit=lambda lines: out(lines, end=""),
        progress=_Meter(say),
    )
    note(
        say(
            f"已回答 {report.answered} 条，之前已有 {report.kept} 条，失败 {report.failed} 条",
            f"{report.answered} answered, {report.kept} were there already, {report.failed} failed",
        )
    )
    return FAILED if report.failed else None


class _Meter:
    def __init__(self, say: Say) -> None:
        self._say = say

    def __call__(self, done: int, total: int) -> None:
        text = self._say(f"已完成 {done}/{total} 条", f"{done} of {total} done")
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\033[K{text}" + ("\n" if done == total else ""))
            sys.stderr.flush()
        else:
            note(text)
