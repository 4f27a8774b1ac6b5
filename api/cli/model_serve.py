"""`huozi model serve`: the model's own server."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api.cli.framework import HELP_NAMES
from api.cli.language import Say
from api.cli.model_files import (
    CommandWithExtra,
    extra_of,
    form_of,
    model_options,
    profile_of,
    weights_of,
)
from api.cli.model_serve_options import engine_options, network_options, run_options
from api.cli.output import note, out
from api.cli.session import Session, session_of
from api.environment import process_environment

if TYPE_CHECKING:
    from assistant.serving.engines import Command, ServeOptions
    from assistant.serving.launch import Waiting
    from assistant.serving.profile import Format, Profile
    from assistant.serving.weights import Weights

LINE_CHARS = 100


def build(say: Say) -> click.Command:
    """Return the command."""
    return CommandWithExtra(
        "serve",
        say=say,
        callback=click.pass_context(run),
        params=[*model_options(say), *engine_options(say), *network_options(say), *run_options(say)],
        help=say(
            "启动模型服务，用我们的对话模板；必要时先下载模型。`--` 之后的参数原样交给引擎。",
            "Start the model's server with our chat template; download the model first if need be. What follows `--`"
            " goes to the engine as it is.",
        ),
        context_settings={"help_option_names": HELP_NAMES},
        options_metavar=say("[选项]", "[OPTIONS]"),
    )


def run(
    ctx: click.Context,
    profile: str | None,
    source: str,
    form: str | None,
    models_dir: Path | None,
    engine: str | None,
    env: Path | None,
    wait: float,
    log: Path | None,
    dry_run: bool,
    **chosen: Any,
) -> int | None:
    """Serve until stopped; return the exit code."""
    from assistant.serving.commands import command_for
    from assistant.serving.launch import answers

    session = session_of(ctx)
    check_engine(engine, session.say)
    model = profile_of(session, profile)
    wanted = form_of(model, form, engine)
    options = _options(session, engine or wanted.engines[0], wanted, extra_of(ctx), chosen)
    _check_before_download(engine or wanted.engines[0], options, dry_run)
    weights = weights_of(
        session, model, source, form=wanted, is_named=form is not None, models_dir=models_dir, dry_run=dry_run
    )
    data = session.settings().data_dir.expanduser().absolute()
    command = command_for(
        engine or engine_for(weights, wanted, is_named=form is not None),
        model,
        weights,
        options,
        folder=empty_folder(data / "serving" / str(options.port)),
        count_gpus=count_gpus,
        env=env,
        answers=answers,
    )
    if dry_run:
        out(shown(command))
        return None
    return serve(
        session, model, command, options, deadline_s=wait, log=log or data / "logs" / f"model-{options.port}.log"
    )


def serve(
    session: Session, profile: Profile, command: Command, options: ServeOptions, *, deadline_s: float, log: Path
) -> int:
    """Start an engine, say where it is, and stay with it to its end.

    Returns:
        The exit code.

    Raises:
        PortTakenError, EngineMissingError, EngineFailedError: If it does not come up.
    """
    from assistant.serving.errors import EngineFailedError
    from assistant.serving.launch import Engine, check_port, run_step, signals_passed_to

    say = session.say
    if is_client_only(command):
        # An Ollama that runs already is only told of the model.
        run_step(command.argv, engine=command.engine, environment=command.environment(process_environment()))
        announce(command, profile, session, options)
        return 0
    check_port(options.host, options.port)
    note(say(f"启动 {command.engine}，日志：{log}", f"Starting {command.engine}, log: {log}"))
    with (
        Engine(command, environment=process_environment(), log=log) as engine,
        signals_passed_to(engine) as received,
    ):
        meter = StartMeter(say, received)
        try:
            engine.wait_ready(deadline_s=deadline_s, progress=meter)
        except EngineFailedError:
            if not received:
                raise
            return _ended(engine.wait(), received, say)
        finally:
            meter.close()
        announce(command, profile, session, options)
        return _ended(engine.wait(), received, say, log=log)


def announce(command: Command, profile: Profile, session: Session, options: ServeOptions) -> None:
    """Say how `huozi` reaches the model: on stdout what to set, on stderr what it means."""
    say = session.say
    note(say("模型服务已就绪；在另一个终端设置：", "The model is ready. In another terminal, set:"))
    out(f"HUOZI_LLM__BASE_URL={command.base_url}")
    if profile.name != session.settings().llm.profile:
        out(f"HUOZI_LLM__PROFILE={profile.name}")
    if (options.window_tokens or profile.window_tokens) < profile.window_tokens:
        out(f"HUOZI_LLM__WINDOW_TOKENS={options.window_tokens}")
    if command.engine == "transformers":
        # It refuses fields that are not OpenAI's own, and ends answers by its generation config.
        out("HUOZI_LLM__SEND_STOP_IDS=false")


def check_engine(name: str | None, say: Say) -> None:
    """Refuse an engine that there is not.

    Raises:
        click.UsageError: If there is none of that name.
    """
    from assistant.serving.engines import ENGINES

    if name is not None and name not in ENGINES:
        known = ", ".join(ENGINES)
        raise click.UsageError(
            say(f"没有引擎 {name!r}，可用：{known}", f"There is no engine {name!r}; there are {known}")
        )


def engine_for(weights: Weights, form: Format, *, is_named: bool) -> str:
    """Return the engine where the user names none: the form's own, if one was named, else what suits the files."""
    if is_named or (weights.form == "gguf") == form.is_gguf:
        return form.engines[0]
    return "llama.cpp" if weights.form == "gguf" else "vllm"


def empty_folder(path: Path) -> Path:
    """Return a folder for the files that an engine reads while it runs; what an earlier one left is removed."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def count_gpus() -> int:
    """Return how many GPUs this machine has."""
    from assistant.serving.gpus import find_gpus

    return len(find_gpus())


def shown(command: Command) -> str:
    """Return a command as one can paste it into a shell; keys are left out."""
    secret = ("VLLM_API_KEY", "LLAMA_API_KEY")
    settings = [
        f"{name}={shlex.quote('...' if name in secret else value)}"
        for name, value in {**command.defaults, **command.env}.items()
    ]
    place = [] if command.cwd is None else ["cd", shlex.quote(str(command.cwd)), "&&"]
    return " ".join([*place, *settings, shlex.join(command.argv)])


def is_client_only(command: Command) -> bool:
    """Whether a command only tells a running server what to serve."""
    return command.engine == "ollama" and not command.then


class StartMeter:
    """What an engine does until it is ready: one line on a terminal, else a line every ten seconds."""

    INTERVAL_S = 10.0

    def __init__(self, say: Say, received: Sequence[int]) -> None:
        self._say = say
        self._received = received
        self._told_s = 0.0
        self._is_drawn = False

    def __call__(self, waiting: Waiting) -> None:
        """Show the last line of its log."""
        text = self._say(f"已等待 {waiting.seconds:.0f} 秒", f"waiting for {waiting.seconds:.0f} s")
        if self._received:
            # vLLM's workers take long to end while they start.
            text = self._say("正在停止，再按一次 Ctrl-C 立即结束", "stopping; Ctrl-C again ends it at once")
        line = f"{text}  {waiting.line[:LINE_CHARS]}"
        if sys.stderr.isatty():
            self._is_drawn = True
            sys.stderr.write(f"\r\033[K{line}")
            sys.stderr.flush()
        elif waiting.seconds - self._told_s >= self.INTERVAL_S:
            self._told_s = waiting.seconds
            note(line)

    def close(self) -> None:
        """Take the line away."""
        if self._is_drawn:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()


def _ended(code: int, received: list[int], say: Say, *, log: Path | None = None) -> int:
    from assistant.serving.launch import exit_code

    if received:
        note(say("模型服务已停止", "The model server was stopped"))
    elif code:
        note(say(f"模型服务意外退出（退出码 {code}），日志：{log}", f"The model server ended with {code}, log: {log}"))
    return exit_code(code, received)


def _options(
    session: Session, engine: str, form: Format, extra: tuple[str, ...], chosen: dict[str, Any]
) -> ServeOptions:
    from assistant.serving.commands import default_port
    from assistant.serving.engines import ServeOptions

    key = session.settings().llm.api_key
    quantization = chosen["quantization"]
    if quantization is None and form.name == "int8" and engine == "transformers":
        quantization = "bnb-8bit"
    return ServeOptions(
        host=chosen["host"],
        port=chosen["port"] or default_port(engine),
        api_key=chosen["api_key"] or (key.get_secret_value() if key is not None else None),
        window_tokens=chosen["window"],
        tensor_parallel=chosen["tensor_parallel"],
        gpu_layers=chosen["gpu_layers"],
        dtype=chosen["dtype"],
        quantization=quantization,
        extra=extra,
    )


def _check_before_download(engine: str, options: ServeOptions, dry_run: bool) -> None:
    """Refuse before hours of download what would be refused after them."""
    from assistant.serving.engines import check_open
    from assistant.serving.launch import check_port

    check_open(engine, options)
    if not dry_run and engine != "ollama":
        check_port(options.host, options.port)
