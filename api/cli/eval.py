"""`huozi eval FOLDER`: questions with gold answers through the whole product."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from api.cli.framework import command, json_option
from api.cli.language import Say
from api.cli.output import IngestMeter, note, out, out_json
from api.cli.session import Session, session_of

if TYPE_CHECKING:
    from api.wiring import Built
    from assistant.evaluation.corpus import CorpusDocument
    from assistant.evaluation.run import EvalPlan
    from ingest import Ingestor
    from ingest.report import IngestReport


def build(say: Say) -> click.Command:
    """Return the command."""
    path = click.Path(path_type=Path)
    return command(
        "eval",
        say,
        run,
        click.Argument(["folder"], type=path, metavar=say("文件夹", "FOLDER")),
        click.Option(
            ["--corpus"],
            type=path,
            metavar=say("文件", "FILE"),
            help=say("corpus.jsonl 的位置，默认在文件夹中", "the corpus.jsonl, where it is not in the folder"),
        ),
        click.Option(
            ["--run", "run_file"],
            type=path,
            metavar=say("文件", "FILE"),
            help=say("写出每个问题的结果", "write what came back for each question"),
        ),
        click.Option(
            ["--data"],
            type=path,
            metavar=say("目录", "FOLDER"),
            help=say(
                "保留在此数据目录，下次不再重新向量化；默认用临时目录",
                "keep the data there, so that nothing is embedded twice; a temporary folder where it is left out",
            ),
        ),
        click.Option(
            ["--limit"],
            type=click.IntRange(min=1),
            metavar=say("个数", "N"),
            help=say("只问这么多个问题，均匀抽取", "ask only so many questions, spread evenly"),
        ),
        click.Option(
            ["-c", "--collection"],
            metavar=say("集合", "NAME"),
            help=say(
                "问数据目录中已有的集合，不导入文档",
                "ask a collection that the data folder holds already; no documents are ingested",
            ),
        ),
        click.Option(
            ["--calibrate"],
            is_flag=True,
            help=say(
                "按这些问题校准集合何时拒答，不生成回答；交叉验证更好才保存",
                "learn from the questions when the collection is to refuse, and keep that if it is better on questions "
                "held out; no answers are made",
            ),
        ),
        click.Option(
            ["--uncalibrate"],
            is_flag=True,
            help=say("撤销集合的校准", "forget what a collection was calibrated to"),
        ),
        json_option(say),
        help=say(
            "评测：导入文件夹中的文档，逐个提问并打分。\n\n文件夹中有 queries.jsonl（或 questions.jsonl），"
            "以及 corpus.jsonl 或文件。",
            "Evaluate: ingest a folder's documents, ask its questions, score the answers.\n\nThe folder has "
            "queries.jsonl (or questions.jsonl), and corpus.jsonl or files beside it.",
        ),
    )


def run(
    ctx: click.Context,
    folder: Path,
    corpus: Path | None,
    run_file: Path | None,
    data: Path | None,
    limit: int | None,
    collection: str | None,
    calibrate: bool,
    uncalibrate: bool,
    as_json: bool,
) -> int:
    """Evaluate, or calibrate; 1 if a question ended in an error."""
    session = session_of(ctx)
    say = session.say
    from api.wiring import build
    from assistant.evaluation.run import EvalPlan, evaluate_folder

    settings = session.settings()
    place = data if data is not None or collection is None else settings.data_dir
    with (
        data_folder(place) as opened,
        build(settings.model_copy(update={"data_dir": opened}), purpose="eval") as built,
    ):
        name = collection or folder.resolve().name or "eval"
        plan = EvalPlan(folder, collection=name, corpus=corpus, limit=limit)
        ingests = _Ingests(built.ingestor, session) if collection is None else None
        if uncalibrate:
            return _forget(built, name, say)
        if calibrate:
            return _calibrate(plan, built, ingests, say, is_temporary=place is None, as_json=as_json)
        report = evaluate_folder(plan, built.assistant, ingests, progress=_AskMeter(say))
    if run_file is not None:
        report.write_run(run_file)
    for query_id, message in report.failed:
        note(say("失败：", "Failed: ") + f"{query_id}: {message}")
    if as_json:
        out_json(report.as_json())
    else:
        out(report.as_table())
    return 1 if report.failed else 0


def _calibrate(
    plan: EvalPlan, built: Built, ingests: _Ingests | None, say: Say, *, is_temporary: bool, as_json: bool
) -> int:
    from assistant.evaluation.calibrate import calibrate_folder

    catalog = built.folder.catalog
    report = calibrate_folder(plan, built.assistant, catalog, ingests, progress=_AskMeter(say))
    if as_json:
        out_json(report.as_json())
    else:
        out(report.as_table())
    if not report.is_kept:
        note(say("留出的问题上没有更好，未保存。", "Not better on the questions held out: nothing was changed."))
    elif is_temporary:
        note(
            say(
                "数据目录是临时的，校准不会保留；请用 --data 或 --collection。",
                "The data folder is a temporary one and the calibration goes with it: name --data or --collection.",
            )
        )
    else:
        note(
            say(
                f"已保存到集合“{report.collection}”；--uncalibrate 可撤销。",
                f"Kept with the collection {report.collection!r}; --uncalibrate forgets it.",
            )
        )
    return 0


def _forget(built: Built, name: str, say: Say) -> int:
    from assistant.evaluation.calibrate import forget_calibration

    if forget_calibration(built.folder.catalog, name):
        note(say(f"已撤销集合“{name}”的校准。", f"Forgot the calibration of the collection {name!r}."))
    else:
        note(say(f"集合“{name}”没有校准。", f"The collection {name!r} has no calibration."))
    return 0


@contextmanager
def data_folder(kept: Path | None) -> Iterator[Path]:
    """Yield the data folder: the one to keep, or one that goes away."""
    if kept is not None:
        yield kept
        return
    with tempfile.TemporaryDirectory(prefix="huozi-eval-") as name:
        yield Path(name)


class _Ingests:
    """How the evaluation's documents get in."""

    def __init__(self, ingestor: Ingestor, session: Session) -> None:
        self._ingestor = ingestor
        self._session = session

    def texts(self, documents: Sequence[CorpusDocument], collection: str) -> IngestReport:
        """Ingest the lines of a corpus."""
        from ingest import TextRecord

        records = [TextRecord(one.doc_id, one.title, one.text) for one in documents]
        meter = IngestMeter(self._session.say)
        try:
            return self._told(self._ingestor.ingest_records(records, collection, progress=meter))
        finally:
            meter.close()

    def files(self, paths: Sequence[Path], collection: str) -> IngestReport:
        """Ingest files."""
        meter = IngestMeter(self._session.say)
        try:
            return self._told(self._ingestor.ingest(paths, collection, progress=meter))
        finally:
            meter.close()

    def _told(self, report: IngestReport) -> IngestReport:
        from api.cli.ingest import show_failures, summary

        show_failures(report, self._session)
        note(summary(report, self._session.say))
        return report


class _AskMeter:
    """A line of progress for every tenth of the questions."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._told = 0

    def __call__(self, done: int, total: int) -> None:
        if (tenth := done * 10 // total) > self._told:
            self._told = tenth
            note(self._say(f"已提问 {done}/{total}", f"{done} of {total} questions asked"))
