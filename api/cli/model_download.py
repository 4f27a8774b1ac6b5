"""`huozi model download`: bring a model here, and no more."""

from __future__ import annotations

from pathlib import Path

import click

from api.cli.framework import command
from api.cli.language import Say
from api.cli.model_files import form_of, model_options, profile_of, weights_of
from api.cli.output import out
from api.cli.session import session_of


def build(say: Say) -> click.Command:
    """Return the command."""
    return command(
        "download",
        say,
        run,
        *model_options(say),
        help=say(
            "下载模型并校验，可续传；--source 为本地路径时只检查是否完整。",
            "Download a model and verify it; goes on where it broke off. A path as --source is only checked.",
        ),
    )


def run(ctx: click.Context, profile: str | None, source: str, form: str | None, models_dir: Path | None) -> None:
    """Download; the path goes to stdout."""
    session = session_of(ctx)
    model = profile_of(session, profile)
    wanted = form_of(model, form, None)
    out(str(weights_of(session, model, source, form=wanted, is_named=form is not None, models_dir=models_dir).path))
