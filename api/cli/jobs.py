"""`huozi jobs list|show|cancel|retry`."""

from __future__ import annotations

from typing import Any

import click

from api.cli.framework import command, group, json_option
from api.cli.language import Say
from api.cli.output import facts, moment, note, out, out_json, table
from api.cli.session import Session, session_of

STATES = ("queued", "running", "completed", "failed", "cancelled")
MOST = 50


def build(say: Say) -> click.Command:
    """Return the group."""
    job_id = click.Argument(["job_id"], metavar=say("编号", "ID"))
    return group(
        "jobs",
        say,
        command(
            "list",
            say,
            list_all,
            *_filters(say),
            json_option(say),
            help=say(
                "列出任务，新的在前：上传的文件，以及导入文件夹时失败的文件。",
                "List jobs, newest first: uploaded files, and files of folders that could not be taken in.",
            ),
        ),
        command("show", say, show, job_id, json_option(say), help=say("显示一个任务。", "Show one job.")),
        command(
            "cancel",
            say,
            cancel,
            job_id,
            json_option(say),
            help=say("取消任务；已结束的不变。", "End a job; one that has ended stays as it is."),
        ),
        command("retry", say, retry, job_id, json_option(say), help=say("重试失败的任务。", "Try a failed job again.")),
        help=say("上传文件的任务，以及失败的文件。", "Uploaded files on their way, and files that failed."),
    )


def _filters(say: Say) -> tuple[click.Option, ...]:
    return (
        click.Option(
            ["-c", "--collection"], metavar=say("名称", "NAME"), help=say("只看一个集合", "of one collection")
        ),
        click.Option(
            ["--state"], type=click.Choice(STATES), multiple=True, help=say("只看这些状态", "in these states")
        ),
        click.Option(
            ["-n", "--limit"],
            type=click.IntRange(1, 1000),
            default=MOST,
            metavar=say("数目", "N"),
            help=say(f"最多列出多少个，默认 {MOST}", f"most to list, {MOST} where it is left out"),
        ),
    )


def list_all(ctx: click.Context, collection: str | None, state: tuple[str, ...], limit: int, as_json: bool) -> None:
    """List jobs; those that failed with their reason."""
    session = session_of(ctx)
    say = session.say
    with session.engine("jobs list") as engine:
        found = [told(one, session) for one in engine.list_jobs(collection, list(state), limit)]
    if as_json:
        out_json({"jobs": found})
        return
    if not found:
        note(say("没有任务", "There are none"))
        return
    heads = say("编号 状态 进度 集合 文件", "id state progress collection file").split()
    out(
        table(
            heads,
            [
                (one["id"], state_text(one, say), progress_text(one, say), one["collection"], one["source"])
                for one in found
            ],
        )
    )
    for one in found:
        if one["error"] is not None and one["state"] in ("failed", "queued"):
            note(f"{one['id']}: {one['error']['message']}")


def show(ctx: click.Context, job_id: str, as_json: bool) -> None:
    """Show one job."""
    session = session_of(ctx)
    with session.engine("jobs show") as engine:
        tell(engine.show_job(job_id), session, as_json=as_json)


def cancel(ctx: click.Context, job_id: str, as_json: bool) -> None:
    """Cancel a job."""
    session = session_of(ctx)
    with session.engine("jobs cancel") as engine:
        tell(engine.cancel_job(job_id), session, as_json=as_json)


def retry(ctx: click.Context, job_id: str, as_json: bool) -> int:
    """Try a failed job again; 1 if it failed again."""
    session = session_of(ctx)
    with session.engine("jobs retry") as engine:
        job = engine.retry_job(job_id)
    tell(job, session, as_json=as_json)
    return 1 if job["state"] == "failed" else 0


def tell(job: dict[str, Any], session: Session, *, as_json: bool) -> None:
    """Write one job."""
    say, one = session.say, told(job, session)
    if as_json:
        out_json(one)
        return
    rows = [
        (say("编号", "id"), one["id"]),
        (say("文件", "file"), one["source"]),
        (say("集合", "collection"), one["collection"] or ""),
        (say("文档", "document"), one["document_id"]),
        (say("状态", "state"), state_text(one, say)),
        (say("进度", "progress"), progress_text(one, say)),
        (say("尝试次数", "attempts"), one["attempts"]),
        (say("创建时间", "created"), moment(one["created_at"])),
        (say("结束时间", "finished"), moment(one["finished_at"])),
    ]
    if one["next_attempt_at"] is not None:
        at = one["next_attempt_at"]
        rows.append((say("下次尝试", "next attempt"), f"{moment(at)}:{int(at % 60):02}"))
    if one["error"] is not None:
        rows.append((say("原因", "reason"), " ".join(filter(None, (one["error"]["message"], one["error"]["hint"])))))
    out(facts(rows))


def told(job: dict[str, Any], session: Session) -> dict[str, Any]:
    """Return a job with its error in the user's language."""
    from api.job_objects import told_job

    return told_job(job, session.language)


def state_text(job: dict[str, Any], say: Say) -> str:
    """Return a state in a word."""
    if job["cancelling"]:
        return say("取消中", "cancelling")
    names = {
        "queued": say("排队", "queued"),
        "running": say("进行中", "running"),
        "completed": say("完成", "completed"),
        "failed": say("失败", "failed"),
        "cancelled": say("已取消", "cancelled"),
    }
    return names[job["state"]]


def progress_text(job: dict[str, Any], say: Say) -> str:
    """Return how far a job is: its stage, and the counts that are known."""
    if job["state"] in ("queued", "cancelled"):
        return ""
    counts = job["counts"]
    n_chunks = counts["chunks"]
    if job["state"] == "completed":
        return "" if n_chunks is None else say(f"{n_chunks} 个片段", f"{n_chunks} chunks")
    stages = {
        "parse": say("解析", "parsing"),
        "split": say("切分", "splitting"),
        "embed": say("向量化", "embedding"),
        "index": say("写入", "indexing"),
    }
    stage = stages.get(job["stage"], "")
    done = {"embed": counts["embedded"], "index": counts["indexed"]}.get(job["stage"])
    return stage if n_chunks is None or done is None else f"{stage} {done}/{n_chunks}"
