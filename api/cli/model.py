"""`huozi model ...`: each command in its own file, built when it is needed."""

from __future__ import annotations

import click

from api.cli.framework import HELP_NAMES, Group
from api.cli.language import Say

HOMES = {
    "list": "api.cli.model_list",
    "plan": "api.cli.model_plan",
    "serve": "api.cli.model_serve",
    "generate": "api.cli.model_generate",
    "download": "api.cli.model_download",
    "convert": "api.cli.model_convert",
}


def build(say: Say) -> click.Command:
    """Return the group."""
    return Group(
        "model",
        say=say,
        homes=HOMES,
        context_settings={"help_option_names": HELP_NAMES},
        help=say(
            "运行模型：查看配置、规划显存、启动模型服务。", "Run a model: profiles, GPU memory, the model's server."
        ),
    )
