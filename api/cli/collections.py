"""`huozi collections list|create|delete|show`."""

from __future__ import annotations

import sys

import click

from api.cli.framework import command, group, json_option
from api.cli.language import Say
from api.cli.output import facts, moment, note, out, out_json, table
from api.cli.session import session_of


def build(say: Say) -> click.Command:
    """Return the group."""
    name = click.Argument(["name"], metavar=say("名称", "NAME"))
    return group(
        "collections",
        say,
        command("list", say, list_all, json_option(say), help=say("列出所有集合。", "List all collections.")),
        command("create", say, create, name, json_option(say), help=say("新建空集合。", "Create an empty collection.")),
        command(
            "delete",
            say,
            delete,
            name,
            yes_option(say),
            json_option(say),
            help=say("删除集合及其全部文档。", "Delete a collection with all its documents."),
        ),
        command("show", say, show, name, json_option(say), help=say("显示一个集合。", "Show one collection.")),
        help=say("管理集合。", "Collections of documents."),
    )


def yes_option(say: Say) -> click.Option:
    """Return `--yes`."""
    return click.Option(["-y", "--yes"], is_flag=True, help=say("不再询问", "do not ask"))


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something that cannot be undone; a script has said what it wants.

    Raises:
        click.exceptions.Exit: With 1, if the user does not want it.
    """
    if not yes and sys.stdin.isatty() and not click.confirm(question, err=True):
        raise click.exceptions.Exit(1)


def list_all(ctx: click.Context, as_json: bool) -> None:
    """List all collections."""
    session = session_of(ctx)
    say = session.say
    with session.engine("collections list") as engine:
        found = engine.list_collections()
    if as_json:
        out_json({"collections": found})
        return
    if not found:
        note(say("还没有集合；用 `huozi ingest 路径` 导入文档", "There are none; `huozi ingest PATH` makes one"))
        return
    heads = say("名称 文档 片段 向量模型 创建时间 编号", "name documents chunks embedder created id").split()
    rows = [
        (one["name"], one["documents"], one["chunks"], one["embedder"], moment(one["created_at"]), one["id"])
        for one in found
    ]
    out(table(heads, rows))


def create(ctx: click.Context, name: str, as_json: bool) -> None:
    """Create a collection."""
    session = session_of(ctx)
    with session.engine("collections create") as engine:
        made = engine.create_collection(name)
    if as_json:
        out_json(made)
    else:
        out(session.say(f"已新建集合 {made['name']}（{made['id']}）", f"Created {made['name']} ({made['id']})"))


def delete(ctx: click.Context, name: str, yes: bool, as_json: bool) -> None:
    """Delete a collection."""
    session = session_of(ctx)
    say = session.say
    with session.engine("collections delete") as engine:
        was = engine.show_collection(name)
        confirm(
            say(
                f"删除集合 {was['name']} 及其 {was['documents']} 个文档？",
                f"Delete {was['name']} with its {was['documents']} documents?",
            ),
            yes=yes,
        )
        was = engine.delete_collection(name)
    if as_json:
        out_json({**was, "deleted": True})
    else:
        out(say(f"已删除集合 {was['name']}", f"Deleted {was['name']}"))


def show(ctx: click.Context, name: str, as_json: bool) -> None:
    """Show one collection."""
    session = session_of(ctx)
    say = session.say
    with session.engine("collections show") as engine:
        one = engine.show_collection(name)
    if as_json:
        out_json(one)
        return
    rows = [
        (say("名称", "name"), one["name"]),
        (say("编号", "id"), one["id"]),
        (say("文档", "documents"), one["documents"]),
        (say("片段", "chunks"), one["chunks"]),
        (say("向量模型", "embedder"), f"{one['embedder']} ({one['dim']})"),
        (say("创建时间", "created"), moment(one["created_at"])),
    ]
    out(facts(rows))
