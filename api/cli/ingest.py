"""`huozi ingest PATH...`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from api.cli.framework import collection_option, command, json_option
from api.cli.language import Say
from api.cli.output import IngestMeter, note, out, out_json
from api.cli.session import Session, session_of

if TYPE_CHECKING:
    from ingest.report import IngestReport


def build(say: Say) -> click.Command:
    """Return the command."""
    return command(
        "ingest",
        say,
        run,
        click.Argument(["paths"], nargs=-1, required=True, metavar=say("路径...", "PATH...")),
        collection_option(say),
        click.Option(
            ["--delete-missing"],
            is_flag=True,
            help=say("删除文件夹中已不存在的文件对应的文档", "delete documents whose files are gone from the folders"),
        ),
        json_option(say),
        help=say(
            "导入文件和文件夹。\n\n未改动的文件会跳过；读不了的文件单独列出，不影响其他文件。",
            "Bring files and folders in.\n\nUnchanged files are skipped; a file that cannot be read is listed "
            "and stops nothing.",
        ),
    )


def run(ctx: click.Context, paths: tuple[str, ...], collection: str, delete_missing: bool, as_json: bool) -> int:
    """Ingest; 1 if a file failed, with everything else done."""
    session = session_of(ctx)
    meter = IngestMeter(session.say)
    with session.engine("ingest") as engine:
        try:
            report = engine.ingest(paths, collection, delete_missing=delete_missing, progress=meter)
        finally:
            meter.close()
    show_failures(report, session)
    if as_json:
        out_json(report.as_dict(session.language))
    else:
        out(summary(report, session.say))
    return 1 if report.failed else 0


def show_failures(report: IngestReport, session: Session) -> None:
    """Write what failed and what to know, a line each."""
    for source, warning in report.warnings:
        note(session.say("注意：", "Note: ") + f"{source}: {warning.render(session.language)}")
    for failure in report.failed:
        note(session.say("失败：", "Failed: ") + f"{failure.source}: {failure.message.render(session.language)}")


def summary(report: IngestReport, say: Say) -> str:
    """Return a run in one line."""
    failed = len(report.failed)
    return say(
        f"新增 {report.added}，更新 {report.updated}，未变 {report.skipped}，删除 {report.deleted}，失败 {failed}；"
        f"写入 {report.chunks} 个片段，用时 {report.seconds:.1f} 秒",
        f"{report.added} added, {report.updated} updated, {report.skipped} unchanged, {report.deleted} deleted, "
        f"{failed} failed; {report.chunks} chunks written in {report.seconds:.1f} s",
    )
