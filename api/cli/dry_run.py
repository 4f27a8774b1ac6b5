"""`huozi ingest --dry-run`: what a run would do. Nothing is created, whoever owns the data folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from api.cli.language import Say
from api.cli.output import note, out, out_json
from api.cli.session import Session

if TYPE_CHECKING:
    from ingest.preview import FilePreview, IngestPreview
    from ingest.sandbox.parse import Parsed

SHOWN_CHUNKS = 20
"""Of each file; `--json` shows all, whole."""
SHOWN_CHARS = 60


def dry_run(
    session: Session,
    paths: Sequence[str],
    collection: str,
    *,
    delete_missing: bool,
    allow_empty: bool,
    ocr: bool,
    as_json: bool,
) -> int:
    """Tell what a run would do; 1 if a file would fail.

    Raises:
        EmbedderMismatchError: As the run would.
        EmptiedFolderError: As the run would.
        MissingExtraError: As the run would.
    """
    from api.wiring import ingest_settings
    from ingest.ocr.availability import require, with_pictures
    from ingest.preview import preview
    from retrieval.catalog.peek import peek
    from retrieval.models import Collection
    from retrieval.retriever import check_embedder

    settings = session.settings()
    held = peek(settings.data_dir.expanduser() / "catalog.db", collection)
    if held.embedder is not None:
        check_embedder(Collection("", collection, held.embedder, held.dim, 0.0), settings.retrieval().embedder)
    how = ingest_settings(settings)
    if ocr:
        require()
        how = with_pictures(how)
    told = preview(paths, held.sources, how, delete_missing=delete_missing, allow_empty=allow_empty)
    if as_json:
        out_json(told.as_dict(session.language))
    else:
        show(told, session)
    return 1 if told.failed else 0


def show(told: IngestPreview, session: Session) -> None:
    """Write a line for each file that would not stay as it is, a line for each of its chunks, and the counts."""
    for one in told.files:
        if one.outcome != "skip":
            out(line(one, session.say))
        if one.parsed is not None:
            for chunk in chunk_lines(one.parsed, session.say):
                out(chunk)
    for failure in told.failed:
        note(session.say("会失败：", "Would fail: ") + f"{failure.source}: {failure.message.render(session.language)}")
    out(summary(told, session.say))


def line(one: FilePreview, say: Say) -> str:
    """Return what would become of a file."""
    word = {
        "add": say("新增", "add"),
        "update": say("更新", "update"),
        "move": say("移动", "move"),
        "delete": say("删除", "delete"),
    }[one.outcome]
    if one.was is not None:
        return f"{word}  {one.was} -> {one.source}"
    if one.parsed is None:
        return f"{word}  {one.source}"
    n_chunks = len(one.parsed.spans)
    return f"{word}  {one.source}" + say(f"（{n_chunks} 个片段）", f" ({n_chunks} chunks)")


def chunk_lines(parsed: Parsed, say: Say) -> Iterator[str]:
    """Yield for each chunk its page, what it stands under, and how its text begins."""
    for number, span in enumerate(parsed.spans[:SHOWN_CHUNKS], 1):
        words = " ".join(parsed.document.text[span.start : span.end].split())
        begin = words if len(words) <= SHOWN_CHARS else words[:SHOWN_CHARS] + "…"
        page = "" if span.page is None else say(f"第{span.page}页 ", f"p. {span.page} ")
        heading = "".join(f"{part} > " for part in span.heading)
        size = say(f"{span.end - span.start} 字", f"{span.end - span.start} characters")
        yield f"  {number}. {page}{heading}{begin} [{size}]"
    if (n_more := len(parsed.spans) - SHOWN_CHUNKS) > 0:
        yield say(f"  另有 {n_more} 个片段（--json 显示全部）", f"  {n_more} more chunks (--json shows all)")


def summary(told: IngestPreview, say: Say) -> str:
    """Return the counts in one line."""
    added, updated, moved = told.count("add"), told.count("update"), told.count("move")
    skipped, deleted, failed, n_chunks = told.count("skip"), told.count("delete"), len(told.failed), told.n_chunks
    return say(
        f"将新增 {added}，更新 {updated}，未变 {skipped}，移动 {moved}，删除 {deleted}，失败 {failed}；"
        f"将写入 {n_chunks} 个片段。没有保存任何内容。",
        f"Would be {added} added, {updated} updated, {skipped} unchanged, {moved} moved, {deleted} deleted, "
        f"{failed} failed; {n_chunks} chunks. Nothing was stored.",
    )
