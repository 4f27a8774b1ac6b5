"""`huozi ingest PATH...`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from api.cli.framework import collection_option, command, json_option
from api.cli.language import Say
from api.cli.output import IngestMeter, note, out, out_json
from api.cli.session import Session, session_of

if TYPE_CHECKING:
    from ingest.report import IngestReport


TICK_MS = 1000
"""How often a watch that saw nothing comes round."""


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
        click.Option(
            ["--watch"],
            is_flag=True,
            help=say(
                "持续监视，有改动就再次导入，Ctrl-C 停止",
                "go on, and ingest again whenever something changes; Ctrl-C ends it",
            ),
        ),
        json_option(say),
        help=say(
            "导入文件和文件夹。\n\n未改动的文件会跳过；读不了的文件单独列出，不影响其他文件。",
            "Bring files and folders in.\n\nUnchanged files are skipped; a file that cannot be read is listed "
            "and stops nothing.",
        ),
    )


def run(
    ctx: click.Context, paths: tuple[str, ...], collection: str, delete_missing: bool, watch: bool, as_json: bool
) -> int:
    """Ingest; 1 if a file failed, with everything else done."""
    session = session_of(ctx)
    if watch and as_json:
        raise click.UsageError(
            session.say("--watch 和 --json 不能同时使用", "--watch and --json cannot be used together")
        )
    report = ingest(session, paths, collection, delete_missing=delete_missing)
    if as_json:
        out_json(report.as_dict(session.language))
    else:
        out(summary(report, session.say))
    if watch:
        follow(session, paths, collection, delete_missing=delete_missing)
    return 1 if report.failed else 0


def ingest(session: Session, paths: Sequence[str], collection: str, *, delete_missing: bool) -> IngestReport:
    """Ingest once; the data folder is free again when this returns."""
    meter = IngestMeter(session.say)
    with session.engine("ingest") as engine:
        try:
            report = engine.ingest(paths, collection, delete_missing=delete_missing, progress=meter)
        finally:
            meter.close()
    show_failures(report, session)
    return report


def follow(session: Session, paths: Sequence[str], collection: str, *, delete_missing: bool) -> None:
    """Ingest again after every change, until Ctrl-C."""
    from watchfiles import watch

    there = [path for path in map(os.path.expanduser, paths) if os.path.exists(path)]
    if not there:
        return
    note(session.say("正在监视改动，Ctrl-C 停止", "Watching for changes; Ctrl-C ends it"))
    is_first = True
    for changes in watch(*there, raise_interrupt=True, yield_on_timeout=True, rust_timeout=TICK_MS):
        # The first tick looks again: something may have changed before the watch began.
        if changes or is_first:
            is_first = False
            report = ingest(session, paths, collection, delete_missing=delete_missing)
            if report.added or report.updated or report.deleted or report.failed:
                out(summary(report, session.say))


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
