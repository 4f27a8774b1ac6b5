"""`huozi documents list|show|delete`."""

from __future__ import annotations

import click

from api.cli.collections import confirm, yes_option
from api.cli.framework import collection_option, command, group, json_option
from api.cli.language import Say
from api.cli.output import facts, moment, note, out, out_json, table
from api.cli.session import session_of


def build(say: Say) -> click.Command:
    """Return the group."""

    def document() -> click.Argument:
        return click.Argument(["document"], metavar=say("文档", "DOCUMENT"))

    return group(
        "documents",
        say,
        command(
            "list",
            say,
            list_all,
            collection_option(say),
            json_option(say),
            help=say("列出一个集合的文档。", "List the documents of a collection."),
        ),
        command(
            "show",
            say,
            show,
            document(),
            collection_option(say),
            click.Option(["--text"], is_flag=True, help=say("输出解析后的全文", "print the parsed text")),
            click.Option(
                ["--markdown"],
                is_flag=True,
                help=say("输出解析后的全文，其中的表格为 Markdown", "print the parsed text, its tables as Markdown"),
            ),
            json_option(say),
            help=say("显示一个文档；可用编号或来源。", "Show one document, by its id or its source."),
        ),
        command(
            "delete",
            say,
            delete,
            document(),
            collection_option(say),
            yes_option(say),
            json_option(say),
            help=say("删除一个文档；可用编号或来源。", "Delete one document, by its id or its source."),
        ),
        help=say("管理文档。", "Documents of a collection."),
    )


def list_all(ctx: click.Context, collection: str, as_json: bool) -> None:
    """List a collection's documents."""
    session = session_of(ctx)
    say = session.say
    with session.engine("documents list") as engine:
        found = engine.list_documents(collection)
    if as_json:
        out_json({"collection": collection, "documents": found})
        return
    if not found:
        note(say(f"集合 {collection} 里还没有文档", f"There are no documents in {collection}"))
        return
    heads = say("编号 来源 标题 页数 片段 更新时间", "id source title pages chunks updated").split()
    rows = [
        (one["document_id"], one["source"], one["title"], one["pages"] or "-", one["chunks"], moment(one["updated_at"]))
        for one in found
    ]
    out(table(heads, rows))


def show(ctx: click.Context, document: str, collection: str, text: bool, markdown: bool, as_json: bool) -> None:
    """Show one document."""
    session = session_of(ctx)
    say = session.say
    with session.engine("documents show") as engine:
        one = engine.show_document(document, collection)
    if as_json:
        out_json(one)
        return
    if markdown:
        from ingest.loaders.table_view import as_markdown

        out(as_markdown(one["text"]))
        return
    if text:
        out(one["text"])
        return
    rows: list[tuple[str, object]] = [
        (say("编号", "id"), one["document_id"]),
        (say("标题", "title"), one["title"]),
        (say("来源", "source"), one["source"]),
        (say("类型", "type"), one["media_type"]),
        (say("字节", "bytes"), one["size"]),
        (say("字符", "characters"), len(one["text"])),
        (say("页数", "pages"), one["pages"] or "-"),
        (say("片段", "chunks"), one["chunks"]),
        (say("更新时间", "updated"), moment(one["updated_at"])),
    ]
    out(facts(rows))


def delete(ctx: click.Context, document: str, collection: str, yes: bool, as_json: bool) -> None:
    """Delete one document."""
    session = session_of(ctx)
    say = session.say
    with session.engine("documents delete") as engine:
        was = engine.show_document(document, collection)
        confirm(say(f"删除文档 {was['title']}？", f"Delete {was['title']}?"), yes=yes)
        was = engine.delete_document(was["document_id"], collection)
    if as_json:
        out_json({**was, "deleted": True})
    else:
        out(say(f"已删除文档 {was['title']}（{was['document_id']}）", f"Deleted {was['title']} ({was['document_id']})"))
