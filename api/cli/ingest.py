"""`huozi ingest PATH...`."""

from __future__ import annotations

import os
from collections.abc import Container, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import click

from api.cli.framework import collection_option, command, json_option
from api.cli.language import Say
from api.cli.output import IngestMeter, note, out, out_json
from api.cli.session import Session, session_of
from retrieval.errors import HuoziError

if TYPE_CHECKING:
    from ingest.report import IngestReport


def build(say: Say) -> click.Command:
    """Return the command."""
    return command(
        "ingest",
        say,
        run,
        click.Argument(["paths"], nargs=-1, metavar=say("路径...", "PATH...")),
        collection_option(say),
        click.Option(
            ["--delete-missing"],
            is_flag=True,
            help=say("删除文件夹中已不存在的文件对应的文档", "delete documents whose files are gone from the folders"),
        ),
        click.Option(
            ["--allow-empty"],
            is_flag=True,
            help=say(
                "与 --delete-missing 同用：文件夹空了也照样删除其全部文档",
                "with --delete-missing: also where a folder holds nothing any more",
            ),
        ),
        click.Option(
            ["--ocr"],
            is_flag=True,
            help=say(
                "识别扫描页和图片，文件夹中的图片也导入；不给路径时，补读集合中未识别的内容",
                "read scanned pages and pictures, also in folders; without paths: what the collection holds unread",
            ),
        ),
        click.Option(
            ["--dry-run"],
            is_flag=True,
            help=say(
                "只显示会做什么，不保存；加 --json 列出每个片段",
                "only tell what would be done; with --json every chunk",
            ),
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
    ctx: click.Context,
    paths: tuple[str, ...],
    collection: str,
    delete_missing: bool,
    allow_empty: bool,
    ocr: bool,
    dry_run: bool,
    watch: bool,
    as_json: bool,
) -> int:
    """Ingest; 1 if a file failed, with everything else done."""
    session = session_of(ctx)
    check_options(session.say, {"--watch": watch, "--json": as_json, "--dry-run": dry_run})
    if not paths and (not ocr or watch or dry_run):
        raise click.UsageError(session.say("缺少参数 路径...", "Missing PATH..."))
    wanted = Wanted(paths, collection, delete_missing, allow_empty, ocr)
    if dry_run:
        from api.cli import dry_run as dry

        return dry.dry_run(session, as_json=as_json, **asdict(wanted))
    report = ingest(session, wanted)
    if as_json:
        out_json(report.as_dict(session.language))
    else:
        out(summary(report, session.say))
    if watch:
        follow(session, wanted, failures(report, session))
    return 1 if report.failed else 0


@dataclass(frozen=True)
class Wanted:
    """What to ingest, and how."""

    paths: Sequence[str]
    collection: str
    delete_missing: bool = False
    allow_empty: bool = False
    ocr: bool = False


def check_options(say: Say, given: Mapping[str, bool]) -> None:
    """Refuse options that contradict each other."""
    for one, other in (("--watch", "--json"), ("--watch", "--dry-run")):
        if given[one] and given[other]:
            raise click.UsageError(say(f"{one} 和 {other} 不能同时使用", f"{one} and {other} cannot be used together"))


def ingest(session: Session, wanted: Wanted, told: Container[str] = ()) -> IngestReport:
    """Ingest once; the data folder is free again when this returns.

    Args:
        session: Of the command.
        wanted: What to ingest.
        told: What was said of failures before, and need not be said again.
    """
    meter = IngestMeter(session.say)
    with session.engine("ingest") as engine:
        try:
            report = engine.ingest(
                wanted.paths,
                wanted.collection,
                delete_missing=wanted.delete_missing,
                allow_empty=wanted.allow_empty,
                ocr=wanted.ocr,
                progress=meter,
            )
        finally:
            meter.close()
    show_failures(report, session, told)
    return report


def follow(session: Session, wanted: Wanted, failed: list[str]) -> None:
    """Ingest again after every change, until Ctrl-C; what fails is told once and tried again.

    Args:
        session: Of the command.
        wanted: What to ingest.
        failed: What was said of the failures of the first run.
    """
    from api.cli.watch import Patience, due

    paths = [os.path.abspath(os.path.expanduser(path)) for path in wanted.paths]
    if not any(map(os.path.exists, paths)):
        return
    note(session.say("正在监视改动，Ctrl-C 停止", "Watching for changes; Ctrl-C ends it"))
    patience = Patience()
    told = ""
    for is_due in due(paths):
        there = [path for path in paths if os.path.exists(path)]
        if not there or not (is_due or patience.is_over):
            continue
        try:
            report = ingest(session, replace(wanted, paths=there), told=failed)
        except (HuoziError, OSError) as error:
            patience.failed()
            problem = error.render(session.language) if isinstance(error, HuoziError) else str(error)
            if problem != told:
                note(session.say("错误：", "Error: ") + problem + session.say("（会再试）", " (will be tried again)"))
            told = problem
            continue
        patience.succeeded()
        told = ""
        before, failed = failed, failures(report, session)
        if report.added or report.updated or report.moved or report.deleted or failed != before:
            out(summary(report, session.say))


def show_failures(report: IngestReport, session: Session, told: Container[str] = ()) -> None:
    """Write what failed and what to know, a line each; of failures what is not told yet."""
    for source, warning in report.warnings:
        note(session.say("注意：", "Note: ") + f"{source}: {warning.render(session.language)}")
    for line in failures(report, session):
        if line not in told:
            note(line)


def failures(report: IngestReport, session: Session) -> list[str]:
    """Return what is said of each file that failed."""
    start, language = session.say("失败：", "Failed: "), session.language
    return [start + f"{failure.source}: {failure.message.render(language)}" for failure in report.failed]


def summary(report: IngestReport, say: Say) -> str:
    """Return a run in one line."""
    failed, moved = len(report.failed), report.moved
    moved_zh, moved_en = (f"移动 {moved}，", f"{moved} moved, ") if moved else ("", "")
    queued_zh = f"；另有 {report.queued} 个上传的文件作为任务重新处理" if report.queued else ""
    queued_en = f"; {report.queued} uploaded files taken up again as jobs" if report.queued else ""
    return say(
        f"新增 {report.added}，更新 {report.updated}，未变 {report.skipped}，{moved_zh}删除 {report.deleted}，"
        f"失败 {failed}；写入 {report.chunks} 个片段，用时 {report.seconds:.1f} 秒{queued_zh}",
        f"{report.added} added, {report.updated} updated, {report.skipped} unchanged, {moved_en}{report.deleted} "
        f"deleted, {failed} failed; {report.chunks} chunks written in {report.seconds:.1f} s{queued_en}",
    )
