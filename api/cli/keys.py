"""`huozi keys create|list|revoke`."""

from __future__ import annotations

import click

from api.cli.framework import command, group, json_option
from api.cli.language import Say
from api.cli.output import moment, note, out, out_json, table
from api.cli.session import session_of


def build(say: Say) -> click.Command:
    """Return the group."""
    name = click.Argument(["name"], metavar=say("名称", "NAME"))
    key_id = click.Argument(["key_id"], metavar=say("编号", "ID"))
    return group(
        "keys",
        say,
        command(
            "create",
            say,
            create,
            name,
            json_option(say),
            help=say("新建 API 密钥；只显示这一次。", "Create an API key; it is shown this once only."),
        ),
        command("list", say, list_all, json_option(say), help=say("列出 API 密钥。", "List the API keys.")),
        command(
            "revoke",
            say,
            revoke,
            key_id,
            json_option(say),
            help=say("吊销 API 密钥，立即生效。", "Make an API key unusable at once."),
        ),
        help=say("管理 HTTP 接口的密钥。", "Keys of the HTTP API."),
    )


def create(ctx: click.Context, name: str, as_json: bool) -> None:
    """Create a key: its secret alone goes to stdout."""
    session = session_of(ctx)
    with session.engine("keys create") as engine:
        made = engine.create_key(name)
    note(
        session.say(
            f"已新建密钥 {made['name']}（{made['id']}），请妥善保存，以后不再显示：",
            f"Created {made['name']} ({made['id']}). Keep it, it will not be shown again:",
        )
    )
    if as_json:
        out_json(made)
    else:
        out(made["secret"])


def list_all(ctx: click.Context, as_json: bool) -> None:
    """List the keys."""
    session = session_of(ctx)
    say = session.say
    with session.engine("keys list") as engine:
        found = engine.list_keys()
    if as_json:
        out_json({"keys": found})
        return
    if not found:
        note(say("还没有密钥；只有本机可以访问服务", "There are none; only this machine may use the service"))
        return
    heads = say("编号 名称 创建时间 吊销时间", "id name created revoked").split()
    rows = [(one["id"], one["name"], moment(one["created_at"]), moment(one["revoked_at"])) for one in found]
    out(table(heads, rows))


def revoke(ctx: click.Context, key_id: str, as_json: bool) -> None:
    """Revoke a key."""
    session = session_of(ctx)
    with session.engine("keys revoke") as engine:
        was = engine.revoke_key(key_id)
    if as_json:
        out_json(was)
    else:
        out(session.say(f"已吊销密钥 {was['name']}（{was['id']}）", f"Revoked {was['name']} ({was['id']})"))
