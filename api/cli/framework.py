"""click in two languages: headings, help option, usage errors."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import click

from api.cli.language import Say

HELP_NAMES = ["-h", "--help"]


class Command(click.Command):
    """A command whose help is in the user's language; `say` is set by its builder."""

    def __init__(self, *args: Any, say: Say, **options: Any) -> None:
        super().__init__(*args, **options)
        self.say = say

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the usage line."""
        pieces = self.collect_usage_pieces(ctx)
        formatter.write_usage(ctx.command_path, " ".join(pieces), prefix=self.say("用法：", "Usage: "))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options."""
        _write_options(self, ctx, formatter, self.say)

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """Return `--help` with its own help."""
        return _help_option(super().get_help_option(ctx), self.say)


class ReaderLeftError(Exception):
    """Whoever read stdout closed it: `huozi search ... | head`."""


class Group(click.Group):
    """A group whose commands are built when they are needed.

    Args:
        say: The user's language.
        homes: Command -> module that has `build(say) -> click.Command`; None for a group of ready commands.
    """

    def __init__(self, *args: Any, say: Say, homes: Mapping[str, str] | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.say = say
        self._homes = homes or {}

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; a closed stdout is told apart, since click would end the process with 1."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as exc:
            raise ReaderLeftError from exc

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return every command, in the order of their use."""
        return [*self._homes, *self.commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Build a command."""
        if cmd_name not in self._homes:
            return self.commands.get(cmd_name)
        command: click.Command = import_module(self._homes[cmd_name]).build(self.say)
        return command

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the usage line."""
        pieces = self.collect_usage_pieces(ctx)
        formatter.write_usage(ctx.command_path, " ".join(pieces), prefix=self.say("用法：", "Usage: "))

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Return the usage line's words."""
        return [self.say("[选项]", "[OPTIONS]"), self.say("命令 [参数]...", "COMMAND [ARGS]...")]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, then the commands."""
        _write_options(self, ctx, formatter, self.say)
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, command.get_short_help_str(90)) for name, command in commands if command is not None]
        with formatter.section(self.say("命令", "Commands")):
            formatter.write_dl(rows)

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """Return `--help` with its own help."""
        return _help_option(super().get_help_option(ctx), self.say)


def command(
    name: str, say: Say, run: Callable[..., Any], *params: click.Parameter, help: str, epilog: str | None = None
) -> Command:
    """Return a command that calls `run(ctx, **params)`."""
    return Command(
        name,
        say=say,
        callback=click.pass_context(run),
        params=list(params),
        help=help,
        epilog=epilog,
        context_settings={"help_option_names": HELP_NAMES},
        options_metavar=say("[选项]", "[OPTIONS]"),
    )


def group(name: str, say: Say, *commands: click.Command, help: str) -> Group:
    """Return a group of commands."""
    made = Group(name, say=say, help=help, context_settings={"help_option_names": HELP_NAMES})
    for one in commands:
        made.add_command(one)
    return made


def collection_option(say: Say) -> click.Option:
    """Return `-c`."""
    return click.Option(
        ["-c", "--collection"],
        default="default",
        metavar=say("名称", "NAME"),
        help=say("集合，默认 default", "collection, `default` where it is left out"),
    )


def json_option(say: Say) -> click.Option:
    """Return `--json`."""
    return click.Option(["--json", "as_json"], is_flag=True, help=say("只输出一个 JSON 对象", "print one JSON object"))


def trace_option(say: Say) -> click.Option:
    """Return `--trace`."""
    return click.Option(["--trace"], is_flag=True, help=say("显示回答是怎样得出的", "show how the answer came about"))


def question_argument(say: Say) -> click.Argument:
    """Return the question: one argument or several words."""
    return click.Argument(["question"], nargs=-1, required=True, metavar=say("问题...", "QUESTION..."))


_CLICK_SAYS = (
    (r"(.+) is not in the range (.+)\.", "{0} 不在 {1} 的范围内。"),
    (r"(.+) is not a valid integer(?: range)?\.", "{0} 不是整数。"),
    (r"(.+) is not a valid float(?: range)?\.", "{0} 不是数。"),
    (r"(.+) is not one of (.+)\.", "{0} 不是其中之一：{1}。"),
    (r"\w+ (.+) does not exist\.", "{0} 不存在。"),
    (r"\w+ (.+) is a file\.", "{0} 是文件，应为目录。"),
    (r"\w+ (.+) is a directory\.", "{0} 是目录，应为文件。"),
)


def usage_error_text(error: click.UsageError, say: Say) -> str:
    """Return what was misused; click's own English where it has no words of ours."""
    if isinstance(error, click.NoSuchOption):
        return say(f"没有选项 {error.option_name!r}", f"There is no option {error.option_name!r}")
    if type(error).__name__ == "NoSuchCommand":
        name = str(getattr(error, "command_name", ""))
        return say(f"没有命令 {name!r}", f"There is no command {name!r}")
    if isinstance(error, click.MissingParameter) and error.param is not None:
        name = error.param.make_metavar(error.ctx) if error.ctx is not None else error.param.human_readable_name
        return say(f"缺少参数 {name}", f"Missing {name}")
    if isinstance(error, click.BadParameter) and error.param is not None:
        name = error.param.opts[0] if isinstance(error.param, click.Option) else error.param.human_readable_name
        return say(f"{name} 的值不可用：{_in_chinese(error.message)}", f"Bad value for {name}: {error.message}")
    return error.format_message()


def _in_chinese(told: str) -> str:
    """Return click's own sentence on a value in Chinese; one that is not known as it is."""
    for english, chinese in _CLICK_SAYS:
        if (found := re.fullmatch(english, told)) is not None:
            return chinese.format(*found.groups())
    return told


def _write_options(command: click.Command, ctx: click.Context, formatter: click.HelpFormatter, say: Say) -> None:
    options = [param for param in command.get_params(ctx) if isinstance(param, click.Option)]
    rows = [row for option in options if (row := option.get_help_record(ctx)) is not None]
    if rows:
        with formatter.section(say("选项", "Options")):
            formatter.write_dl(rows)


def _help_option(option: click.Option | None, say: Say) -> click.Option | None:
    if option is not None:
        option.help = say("显示帮助", "show this help")
    return option
