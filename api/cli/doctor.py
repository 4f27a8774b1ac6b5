"""`huozi doctor [--repair]`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from api.cli.framework import command, json_option
from api.cli.language import Say
from api.cli.model_server import good_line, problem_lines, report_object
from api.cli.output import out, out_json
from api.cli.session import Session, session_of

if TYPE_CHECKING:
    from assistant.serving.server_report import ServerReport


def build(say: Say) -> click.Command:
    """Return the command."""
    return command(
        "doctor",
        say,
        run,
        click.Option(["--repair"], is_flag=True, help=say("修复能修复的问题", "mend what can be mended")),
        json_option(say),
        help=say(
            "核对目录库、索引、向量和原文件是否一致，并检查模型服务。",
            "Check that catalog, indexes and files agree, and the model server.",
        ),
    )


def run(ctx: click.Context, repair: bool, as_json: bool) -> int:
    """Check; 1 if something is left to mend."""
    session = session_of(ctx)
    with session.engine("doctor") as engine:
        found = engine.check(repair)
    report = ask_model_server(session)
    is_well = found["healthy"] and (report is None or report.status != "failed")
    if as_json:
        told = {} if report is None else {"model_server": report_object(report, session.language)}
        out_json(found | told)
    else:
        show(found, repair, session.say)
        if report is not None:
            for line in problem_lines(report, session.say) or [good_line(report, session.say)]:
                out(line)
    return 0 if is_well else 1


def ask_model_server(session: Session) -> ServerReport | None:
    """Return what the configured model server is; None where none is configured."""
    from api.settings import load_settings

    llm = load_settings(session.overrides).llm
    if llm.base_url is None:
        return None
    from assistant.serving.probe import probe

    return probe(llm)


def show(found: dict[str, Any], repair: bool, say: Say) -> None:
    """Say what the data folder's check found."""
    for problem in found["problems"]:
        out(describe(problem, say))
    counts = say(
        f"{found['documents']} 个文档，{found['chunks']} 个片段",
        f"{found['documents']} documents, {found['chunks']} chunks",
    )
    if found["healthy"]:
        out(say(f"一切正常：{counts}", f"All agrees: {counts}"))
        return
    hint = say("用 `huozi doctor --repair` 修复", "`huozi doctor --repair` mends them")
    rest = say("其余问题无法自动修复，见上", "what is left cannot be mended here, see above")
    out(say(f"有问题（{counts}）；", f"There are problems ({counts}); ") + (rest if repair else hint))


def describe(problem: dict[str, Any], say: Say) -> str:
    """Return a problem in one line."""
    n = len(problem["ids"])
    where = say(f"集合 {problem['collection']}：", f"{problem['collection']}: ") if problem["collection"] else ""
    what = words(say).get(problem["kind"], problem["kind"]).format(n=n)
    mended = say("（已修复）", " (mended)") if problem["mended"] else ""
    return f"{where}{what}{mended}"


def words(say: Say) -> dict[str, str]:
    """Return what each kind of problem is called."""
    return {
        "keyword_missing": say("关键词索引缺少 {n} 个片段", "{n} chunks missing in the keyword index"),
        "keyword_extra": say("关键词索引多出 {n} 个片段", "{n} stray chunks in the keyword index"),
        "vectors_missing": say("向量库缺少 {n} 个片段", "{n} chunks missing in the vector store"),
        "vectors_extra": say("向量库多出 {n} 个片段", "{n} stray chunks in the vector store"),
        "vectors_unreachable": say(
            "向量检索找不到 {n} 个片段（关键词仍能找到）", "{n} chunks that no search by vector finds; keywords do"
        ),
        "catalog_vectors_missing": say(
            "目录库缺少 {n} 个片段的向量，请重新导入这些文档",
            "the catalog lacks the vectors of {n} chunks; ingest their documents again",
        ),
        "leftover_versions": say("有 {n} 个未清理的旧版本", "{n} old versions are left over"),
        "original_missing": say(
            "缺少 {n} 个原文件，请重新导入；其回答不受影响",
            "{n} original files are missing; ingest them again, their answers are not affected",
        ),
        "original_damaged": say("{n} 个原文件已损坏，请重新导入", "{n} original files are damaged; ingest them again"),
        "original_unused": say("有 {n} 个不再使用的原文件", "{n} original files are used no more"),
    }
