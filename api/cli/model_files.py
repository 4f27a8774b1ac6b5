"""What the commands of `huozi model` share: which model, from where, and how it comes here."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api.cli.framework import Command
from api.cli.language import Say
from api.cli.output import note
from api.cli.session import Session

if TYPE_CHECKING:
    from assistant.serving.download import Progress
    from assistant.serving.profile import Format, Profile
    from assistant.serving.weights import Weights

PLAIN_INTERVAL_S = 5.0
"""Time between two progress lines where there is no terminal."""
EXTRA = "huozi.extra"


class CommandWithExtra(Command):
    """A command whose words after `--` are another program's; `extra_of` returns them."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the words after `--` away before anything is parsed."""
        if "--" in args:
            cut = args.index("--")
            ctx.meta[EXTRA] = tuple(args[cut + 1 :])
            args = args[:cut]
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Return the usage line's words."""
        return [*super().collect_usage_pieces(ctx), self.say("[-- 引擎参数...]", "[-- ENGINE ARGUMENTS...]")]


def extra_of(ctx: click.Context) -> tuple[str, ...]:
    """Return the words after `--`."""
    extra: tuple[str, ...] = ctx.meta.get(EXTRA, ())
    return extra


def model_options(say: Say) -> list[click.Parameter]:
    """Return PROFILE, `--source`, `--format` and `--models-dir`."""
    return [
        profile_argument(say),
        click.Option(
            ["--source"],
            default="huggingface",
            metavar=say("来源", "SOURCE"),
            help=say(
                "huggingface、modelscope，或本地目录、.gguf 文件；默认 huggingface",
                "huggingface (the default), modelscope, or a folder or .gguf file here",
            ),
        ),
        click.Option(
            ["--format", "form"],
            metavar=say("格式", "FORMAT"),
            help=say("权重格式，见 huozi model list", "form of the weights, see `huozi model list`"),
        ),
        click.Option(
            ["--models-dir"],
            type=click.Path(path_type=Path),
            metavar=say("目录", "FOLDER"),
            help=say("下载到何处，默认 数据目录/models", "where downloads go, by default `models` in the data folder"),
        ),
    ]


def profile_argument(say: Say) -> click.Argument:
    """Return the profile: a name or a file; the configured one where it is left out."""
    return click.Argument(["profile"], required=False, metavar=say("[配置]", "[PROFILE]"))


def env_option(say: Say) -> click.Option:
    """Return `--env`."""
    return click.Option(
        ["--env"],
        type=click.Path(path_type=Path, exists=True, file_okay=False),
        metavar=say("目录", "FOLDER"),
        help=say(
            "引擎所在的虚拟环境或目录；默认依次查找本环境、.venv-vllm、.llama-cpp、PATH",
            "virtual environment or folder of the engine; else this one, .venv-vllm, .llama-cpp and PATH are tried",
        ),
    )


def dry_run_option(say: Say) -> click.Option:
    """Return `--dry-run`."""
    return click.Option(["--dry-run"], is_flag=True, help=say("只显示将运行的命令", "show the command, start nothing"))


def profile_of(session: Session, name: str | None) -> Profile:
    """Return the profile that is named, or the one in the settings.

    Raises:
        ProfileError: If there is none.
    """
    from assistant.serving.profile import load_profile

    llm = session.settings().llm
    return load_profile(name, llm.profiles_dir) if name else llm.model_profile


def form_of(profile: Profile, name: str | None, engine: str | None) -> Format:
    """Return the form of the weights that is named, or the first that the engine runs.

    Raises:
        ProfileError: If the model has no such form.
    """
    if name is not None:
        return profile.format(name)
    fitting = [one for one in profile.formats if engine is None or engine in one.engines]
    published = [one for one in fitting if one.published]
    return (published or fitting or list(profile.formats))[0]


def weights_of(
    session: Session,
    profile: Profile,
    source: str,
    *,
    form: Format,
    is_named: bool,
    models_dir: Path | None,
    dry_run: bool = False,
) -> Weights:
    """Find the weights, or bring them here.

    Args:
        session: The command's.
        profile: The model.
        source: A hub, or a path.
        form: The form wanted.
        is_named: Whether the user named the form, so that a folder may hold several.
        models_dir: Where downloads go.
        dry_run: Whether to say where the weights would lie, and download nothing.

    Raises:
        ServingError: If there is no whole model.
    """
    from assistant.serving.download import download, place_of, repo_of
    from assistant.serving.hubs import HUBS, open_hub
    from assistant.serving.weights import find_weights

    if source not in HUBS:
        path = Path(source).expanduser()
        name = form.file if is_named and form.is_gguf and path.is_dir() else None
        return find_weights(path, profile, name=name)
    repo = repo_of(profile, form, source)
    folder = (models_dir or session.settings().data_dir / "models").expanduser() / repo.replace("/", "--")
    note(session.say(f"{repo}（{source}）→ {folder}", f"{repo} ({source}) → {folder}"))
    if dry_run:
        return place_of(form, folder)
    meter = DownloadMeter(session.say)
    try:
        return download(profile, form, repo, open_hub(source), folder, report=meter)
    except KeyboardInterrupt:
        meter.close()
        note(session.say("已中断；再次运行会从中断处继续", "Interrupted; run it again to go on from here"))
        sys.stdout.flush()
        # The hubs' libraries would finish their files first: hours, for these.
        os._exit(130)
    finally:
        meter.close()


class DownloadMeter:
    """Progress of a download: a bar on a terminal, else a line now and then."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._bar: Any = None
        self._last = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        """Show how far it has come."""
        word = self._say("校验", "verifying") if progress.stage == "verify" else self._say("下载", "downloading")
        if sys.stderr.isatty():
            self._draw(progress, word)
        elif time.monotonic() - self._last >= PLAIN_INTERVAL_S:
            self._last = time.monotonic()
            note(f"{word} {progress.done_bytes / 1e9:.2f} / {progress.total_bytes / 1e9:.2f} GB")

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _draw(self, progress: Progress, word: str) -> None:
        if self._bar is None:
            from api.cli.output import byte_bar

            self._bar = byte_bar(progress.total_bytes)
        self._bar.total = progress.total_bytes
        self._bar.n = progress.done_bytes
        self._bar.set_description_str(word, refresh=False)
        self._bar.refresh()
