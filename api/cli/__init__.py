"""The command `huozi`.

Answer on stdout, everything else on stderr; exit 0 done, 1 failed, 2 misused, 130 stopped by Ctrl-C.
Nothing heavy is imported before a command runs, so that `--help` is instant.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

import click

from api.cli.framework import HELP_NAMES, Group, ReaderLeftError, usage_error_text
from api.cli.language import Say, speaker
from api.cli.output import note
from api.cli.session import OpenEngine, Session, real_engine, session_of, variable_name
from api.environment import LANGUAGE_VARIABLE, interface_language, silence_third_parties
from retrieval.errors import HuoziError, Language, SettingsError

if TYPE_CHECKING:
    from typing import TextIO

DONE, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130

HOMES = {
    "ingest": "api.cli.ingest",
    "search": "api.cli.search",
    "ask": "api.cli.ask",
    "chat": "api.cli.chat",
    "serve": "api.cli.serve",
    "collections": "api.cli.collections",
    "documents": "api.cli.documents",
    "jobs": "api.cli.jobs",
    "keys": "api.cli.keys",
    "eval": "api.cli.eval",
    "model": "api.cli.model",
    "doctor": "api.cli.doctor",
}


def main() -> NoReturn:
    """Run the command line of this process."""
    silence_third_parties()
    for stream in (sys.stdout, sys.stderr):
        # A character that the terminal's encoding lacks is no reason to fail.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    code = run(sys.argv[1:])
    _flush(sys.stdout)
    sys.exit(code)


def run(argv: Sequence[str], open_engine: OpenEngine = real_engine) -> int:
    """Run one command.

    Args:
        argv: Arguments without the program's name.
        open_engine: Builds what does the work.

    Returns:
        The exit code.
    """
    language = _language(argv)
    say = speaker(language)
    session = Session(language, say, open_engine)
    try:
        result = build_cli(say).main(args=list(argv), prog_name="huozi", standalone_mode=False, obj=session)
    except ReaderLeftError:
        _silence(sys.stdout)
        return DONE
    except (KeyboardInterrupt, click.Abort):
        note(say("已中断", "Interrupted"))
        return INTERRUPTED
    except click.UsageError as error:
        _show_misuse(error, say)
        return MISUSED
    except click.ClickException as error:
        note(say("错误：", "Error: ") + error.format_message())
        return FAILED
    except HuoziError as error:
        if session.debug:
            raise
        note(say("错误：", "Error: ") + error.render(language))
        return MISUSED if isinstance(error, SettingsError) else FAILED
    except Exception as error:
        if session.debug:
            raise
        note(
            say("内部错误：", "Internal error: ")
            + f"{type(error).__name__}: {error}\n"
            + say("加上 --debug 可查看详情：huozi --debug ...", "See more with --debug: huozi --debug ...")
        )
        return FAILED
    return result if isinstance(result, int) else DONE


def build_cli(say: Say) -> Group:
    """Return the whole command line in one language."""
    return Group(
        "huozi",
        say=say,
        homes=HOMES,
        callback=click.pass_context(_start),
        params=_root_options(say),
        no_args_is_help=True,
        context_settings={"help_option_names": HELP_NAMES, "max_content_width": 100},
        help=say(
            "从中文文档中检索，给出带出处的回答。\n\n"
            "设置来自环境变量 HUOZI_*、.env 文件或 --set，见 docs/settings.md。",
            "Answers from Chinese documents, with their sources.\n\n"
            "Settings come from HUOZI_* variables, a .env file or --set; see docs/settings.md.",
        ),
    )


def _root_options(say: Say) -> list[click.Parameter]:
    return [
        click.Option(
            ["--data-dir"],
            metavar=say("目录", "FOLDER"),
            help=say("数据目录，默认 ./data", "data folder, ./data where it is left out"),
        ),
        click.Option(
            ["--set", "changes"],
            multiple=True,
            metavar=say("名称=值", "NAME=VALUE"),
            help=say("设置一项，如 --set port=9000；可多次", "set anything, e.g. --set port=9000; may be repeated"),
        ),
        click.Option(["--lang"], type=click.Choice(["zh", "en"]), help=say("界面语言", "language of messages")),
        click.Option(
            ["--debug"],
            is_flag=True,
            help=say("显示生效的设置和调用栈", "show settings and tracebacks"),
        ),
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_show_version,
            help=say("显示版本", "show the version"),
        ),
    ]


def _start(ctx: click.Context, data_dir: str | None, changes: tuple[str, ...], lang: str | None, debug: bool) -> None:
    session = session_of(ctx)
    session.debug = debug
    for change in changes:
        name, sign, value = change.partition("=")
        if not sign:
            raise click.UsageError(
                session.say(f"--set {change!r}：应写成 名称=值", f"--set {change!r}: write NAME=VALUE")
            )
        session.overrides[variable_name(name)] = value
    if data_dir is not None:
        session.overrides["HUOZI_DATA_DIR"] = data_dir
    if lang is not None:
        session.overrides[LANGUAGE_VARIABLE] = lang


def _show_version(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"huozi {version('huozi-assistant')}")
        ctx.exit()


def _show_misuse(error: click.UsageError, say: Say) -> None:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        note(error.format_message())
        return
    path = error.ctx.command_path if error.ctx is not None else "huozi"
    note(say("用法错误：", "Misused: ") + usage_error_text(error, say))
    note(say(f"用 `{path} --help` 查看用法。", f"`{path} --help` shows how."))


def _language(argv: Sequence[str]) -> Language:
    """Return the language before anything is parsed: help must be in it too."""
    for i, word in enumerate(argv):
        value = word.removeprefix("--lang=") if word.startswith("--lang=") else ""
        if word == "--lang" and i + 1 < len(argv):
            value = argv[i + 1]
        if value in ("zh", "en"):
            return "en" if value == "en" else "zh"
        if not word.startswith("-") and not (i and argv[i - 1] in ("--data-dir", "--set", "--lang")):
            break
    return interface_language()


def _flush(stream: TextIO) -> None:
    try:
        stream.flush()
    except BrokenPipeError:
        _silence(stream)


def _silence(stream: TextIO) -> None:
    """Let the interpreter's own last flush go nowhere."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except (OSError, ValueError):
        return
