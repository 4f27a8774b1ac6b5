"""`huozi model list`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from api.cli.framework import command, json_option
from api.cli.language import Say
from api.cli.output import note, out, out_json, table
from api.cli.session import session_of

if TYPE_CHECKING:
    from assistant.serving.profile import Format, Profile


def build(say: Say) -> click.Command:
    """Return the command."""
    return command("list", say, run, json_option(say), help=say("列出已知的模型。", "List the known models."))


def run(ctx: click.Context, as_json: bool) -> None:
    """List all profiles."""
    from assistant.serving.profile import list_profiles

    session = session_of(ctx)
    say = session.say
    settings = session.settings()
    found = list_profiles(settings.llm.profiles_dir)
    if as_json:
        out_json({"profile": settings.llm.profile, "profiles": [_plain(one) for one in found]})
        return
    heads = say(
        "配置 名称 参数 窗口 KV/词元 格式 下载", "profile title parameters window KV/token formats download"
    ).split()
    out(table(heads, [_row(one, say) for one in found]))
    note(
        say(
            f"* 未发布，由 `huozi model convert` 转换。当前配置（HUOZI_LLM__PROFILE）：{settings.llm.profile}",
            f"* not published: `huozi model convert` makes it. In use (HUOZI_LLM__PROFILE): {settings.llm.profile}",
        )
    )


def _plain(profile: Profile) -> dict[str, Any]:
    return {**asdict(profile), "kv_bytes_per_token": profile.kv_bytes_per_token}


def _row(profile: Profile, say: Say) -> tuple[object, ...]:
    active = "" if profile.active_parameters is None else f" / {profile.active_parameters / 1e9:.3g}B"
    return (
        profile.name,
        profile.title,
        f"{profile.parameters / 1e9:.3g}B{active}",
        f"{profile.window_tokens:,}",
        f"{profile.kv_bytes_per_token / 1024:.0f} KiB",
        " ".join(_form(one) for one in profile.formats),
        profile.sources.huggingface or profile.sources.modelscope or say("无", "none"),
    )


def _form(form: Format) -> str:
    return f"{form.name} {form.weights_gb:g}GB{'' if form.published else '*'}"
