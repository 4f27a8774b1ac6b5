"""`huozi model convert`: a checkpoint as GGUF or AWQ."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from api.cli.framework import command
from api.cli.language import Say
from api.cli.model_files import dry_run_option, env_option, form_of, model_options, profile_of, weights_of
from api.cli.model_serve import count_gpus, empty_folder
from api.cli.output import note, out
from api.cli.session import Session, session_of
from api.environment import process_environment

if TYPE_CHECKING:
    from assistant.serving.convert import Step
    from assistant.serving.profile import Profile
    from assistant.serving.weights import Weights


def build(say: Say) -> click.Command:
    """Return the command."""
    return command(
        "convert",
        say,
        run,
        *model_options(say),
        click.Option(
            ["--to"],
            required=True,
            type=click.Choice(["gguf", "awq"]),
            help=say("目标格式", "form to make"),
        ),
        click.Option(
            ["--quant"],
            default="q4_0",
            metavar=say("方式", "QUANT"),
            help=say("GGUF 的量化方式，如 q4_0、q2_k、q4_k_m；默认 q4_0", "of GGUF: q4_0 (the default), q2_k, q4_k_m"),
        ),
        click.Option(
            ["--output"],
            type=click.Path(path_type=Path),
            metavar=say("路径", "PATH"),
            help=say(
                "写到何处，默认 数据目录/models 下", "where to write; by default below `models` in the data folder"
            ),
        ),
        click.Option(
            ["--llama-cpp"],
            type=click.Path(path_type=Path, exists=True, file_okay=False),
            metavar=say("目录", "FOLDER"),
            help=say("llama.cpp 的源码目录，含编译好的程序", "llama.cpp's source with its built programs"),
        ),
        click.Option(
            ["--texts"],
            type=click.Path(path_type=Path, dir_okay=False),
            metavar=say("文件", "FILE"),
            help=say(
                "AWQ 的校准文本：每行一个 JSON 对话或一段文本",
                "calibration texts for AWQ: a conversation as JSON, or a text, a line",
            ),
        ),
        env_option(say),
        dry_run_option(say),
        help=say(
            "转换模型格式：GGUF 用 llama.cpp 自带的工具，AWQ 用 llmcompressor（需要显卡）。",
            "Convert a checkpoint: to GGUF by llama.cpp's own tools, to AWQ by llmcompressor, which needs a GPU.",
        ),
    )


def run(
    ctx: click.Context,
    profile: str | None,
    source: str,
    form: str | None,
    models_dir: Path | None,
    to: str,
    quant: str,
    output: Path | None,
    llama_cpp: Path | None,
    texts: Path | None,
    env: Path | None,
    dry_run: bool,
) -> None:
    """Convert; the result's path goes to stdout."""
    from assistant.serving.awq import check_awq
    from assistant.serving.convert import check_quant

    session = session_of(ctx)
    model = profile_of(session, profile)
    if to == "gguf":
        quant = check_quant(quant)
    else:
        check_awq(model)
        if texts is None:
            raise click.UsageError(session.say("--to awq 需要 --texts 文件", "--to awq needs --texts FILE"))
    wanted = form_of(model, form, "transformers")
    weights = weights_of(session, model, source, form=wanted, is_named=form is not None, models_dir=models_dir)
    _check_checkpoint(weights)
    data = session.settings().data_dir.expanduser().absolute()
    name = f"{model.name}-{quant}.gguf" if to == "gguf" else f"{model.name}-awq"
    target = (output or (models_dir or data / "models") / name).absolute()
    _check_target(target)
    folder = empty_folder(data / "serving" / f"convert-{to}")
    try:
        if to == "gguf":
            _to_gguf(session, model, weights, target, quant, llama_cpp, env, folder, dry_run)
        elif texts is not None:
            _to_awq(session, model, weights, target, texts, env, folder, dry_run)
    finally:
        if not dry_run:
            shutil.rmtree(folder / "model", ignore_errors=True)


def _to_gguf(
    session: Session,
    profile: Profile,
    weights: Weights,
    target: Path,
    quant: str,
    llama_cpp: Path | None,
    env: Path | None,
    folder: Path,
    dry_run: bool,
) -> None:
    from assistant.serving.convert import find_llama_cpp, gguf_bytes, gguf_steps
    from assistant.serving.download import check_space
    from assistant.serving.overlay import make_overlay

    tools = find_llama_cpp(llama_cpp, _python(env))
    check_space(target.parent, gguf_bytes(weights, quant), target.name)
    overlay = make_overlay(folder / "model", weights.path, profile, ends_turns=True)
    _run(session, gguf_steps(tools, overlay, target, quant), target, folder, dry_run)


def _to_awq(
    session: Session,
    profile: Profile,
    weights: Weights,
    target: Path,
    texts: Path,
    env: Path | None,
    folder: Path,
    dry_run: bool,
) -> None:
    import json

    from assistant.serving.awq import AWQ_CHILD, awq_job, calibration_lines
    from assistant.serving.commands import need_gpus
    from assistant.serving.convert import Step
    from assistant.serving.download import check_space
    from assistant.serving.overlay import make_overlay

    lines = calibration_lines(texts, profile)
    check_space(target.parent, weights.size_bytes // 3, target.name)
    if not dry_run:
        need_gpus("awq", 1, count_gpus)
    overlay = make_overlay(folder / "model", weights.path, profile)
    (folder / "texts.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    job = awq_job(overlay, folder / "texts.jsonl", target)
    (folder / "job.json").write_text(json.dumps(job, ensure_ascii=False, indent=1), "utf-8")
    step = Step((str(_python(env)), str(AWQ_CHILD), str(folder / "job.json")), target)
    _run(session, [step], target, folder, dry_run)


def _run(session: Session, steps: list[Step], target: Path, folder: Path, dry_run: bool) -> None:
    from assistant.serving.convert import run_steps

    if dry_run:
        for step in steps:
            out(shlex.join(step.argv))
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    log = folder / "convert.log"
    note(session.say(f"日志：{log}", f"Log: {log}"))
    run_steps(
        steps,
        environment=process_environment(),
        log=log,
        tell=lambda step: note(session.say(f"写入 {step.makes}", f"Writing {step.makes}")),
    )
    out(str(target))


def _python(env: Path | None) -> Path:
    return Path(sys.executable) if env is None else env / "bin" / "python"


def _check_checkpoint(weights: Weights) -> None:
    from assistant.serving.errors import EngineUnfitError
    from retrieval.errors import Message

    if weights.form != "checkpoint":
        raise EngineUnfitError(
            Message(
                en=f"{str(weights.path)!r} is quantised already ({weights.form}).",
                zh=f"{str(weights.path)!r} 已经是量化过的（{weights.form}）。",
            ),
            hint=Message(en="Convert the bf16 checkpoint.", zh="请转换 bf16 的原始权重。"),
        )


def _check_target(target: Path) -> None:
    from assistant.serving.errors import ConversionError
    from retrieval.errors import Message

    if target.exists():
        raise ConversionError(
            Message(en=f"{str(target)!r} is there already.", zh=f"{str(target)!r} 已经存在。"),
            hint=Message(en="Remove it, or give another --output.", zh="请先删除它，或用 --output 换一个位置。"),
        )
