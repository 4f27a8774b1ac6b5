"""What do the size of chunks and the places of their cuts do to retrieval?

python -m benchmarks.splitting [--questions 200]

Each way of splitting ingests the evaluation's sets (HUOZI_EVAL_DIR) anew and answers their questions by keywords alone.
Longer chunks hold more, so they are right more often: compare ways of equal size.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import mean

from assistant.evaluation.corpus import load_corpus, load_questions
from assistant.evaluation.metrics import Passage, Row, score
from assistant.evaluation.run import doc_id_of, spread
from benchmarks.measure import machine, report, say
from ingest import Ingestor, TextRecord
from ingest.settings import IngestSettings, SplitSettings
from ingest.split import packing
from ingest.split.units import Opens
from retrieval.data_folder import DataFolder
from retrieval.settings import RetrievalSettings

EVAL = Path(os.environ.get("HUOZI_EVAL_DIR", "../shared/eval"))
SETS = ("cmrc", "drcd", "dureader", "dragonball", "regulations")
BOOK = "chatgpt_book"
NEVER = 100.0
WAYS: Mapping[str, tuple[SplitSettings, Mapping[str, object]]] = {
    "as it is (500)": (SplitSettings(), {}),
    "300": (SplitSettings(max_chars=300), {}),
    "400": (SplitSettings(max_chars=400), {}),
    "600": (SplitSettings(max_chars=600), {}),
    "800": (SplitSettings(max_chars=800), {}),
    "each article alone": (SplitSettings(), {"RUN_OVER_COSTS": {Opens.HEADING: 1.2, Opens.ARTICLE: NEVER}}),
    "articles like paragraphs": (SplitSettings(), {"RUN_OVER_COSTS": {Opens.HEADING: 1.2, Opens.ARTICLE: 0.0}}),
    "each section alone": (SplitSettings(), {"RUN_OVER_COSTS": {Opens.HEADING: NEVER, Opens.ARTICLE: 0.4}}),
    "headings like paragraphs": (SplitSettings(), {"RUN_OVER_COSTS": {Opens.HEADING: 0.0, Opens.ARTICLE: 0.4}}),
    "over pages": (SplitSettings(), {"RUN_OVER_PAGE": 0.0}),
}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.splitting", description=__doc__)
    parser.add_argument("--questions", type=int, default=200, help="at most, for each set")
    options = parser.parse_args(argv)
    about = machine()
    header = ["", "chunks", "MRR@10", "hit@5", *SETS, "book, page"]
    rows: list[list[object]] = []
    if not EVAL.exists():
        say(f"no evaluation data in {str(EVAL)!r}: set HUOZI_EVAL_DIR")
    for name, (settings, costs) in WAYS.items() if EVAL.exists() else ():
        with changed(costs), tempfile.TemporaryDirectory(prefix="huozi-bench-") as data_dir:
            found = measured(Path(data_dir), settings, options.questions)
        sets = [found[one]["passage MRR@10"] for one in SETS]
        hits = mean(found[one]["passage hit@5"] for one in SETS)
        rows.append([name, int(found["all"]["chunks"]), mean(sets), hits, *sets, found[BOOK]["passage MRR@10"]])
        say(" ".join(map(str, rows[-1])))
    figures = [dict(zip(header, row, strict=True)) for row in rows]
    report("splitting", {**about, "questions": options.questions, "rows": figures}, header, rows)


@contextmanager
def changed(costs: Mapping[str, object]) -> Iterator[None]:
    """Change the splitter's costs for a while."""
    before = {name: getattr(packing, name) for name in costs}
    for name, value in costs.items():
        setattr(packing, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(packing, name, value)


def measured(data_dir: Path, settings: SplitSettings, questions: int) -> dict[str, dict[str, float]]:
    """Ingest every set, ask its questions, and return the figures by set."""
    found: dict[str, dict[str, float]] = {"all": {"chunks": 0}}
    with DataFolder.open(RetrievalSettings(data_dir=data_dir, embedder="none")) as folder:
        ingestor = Ingestor(folder, IngestSettings(split=settings))
        for name in (*SETS, BOOK):
            if name == BOOK:
                done = ingestor.ingest([EVAL / name / "chatgpt_book.pdf"], collection=name)
            else:
                corpus = load_corpus(EVAL / name / "corpus.jsonl")
                done = ingestor.ingest_records((TextRecord(d.doc_id, d.title, d.text) for d in corpus), collection=name)
            found["all"]["chunks"] += done.chunks
            found[name] = asked(folder, name, questions)
    return found


def asked(folder: DataFolder, name: str, count: int) -> dict[str, float]:
    """Ask a set's questions; a chunk counts for the page on which it starts."""
    questions = spread(load_questions(EVAL / name), count)
    rows = []
    for question in questions:
        hits = folder.retriever.retrieve(question.question, collection=name, top_k=10).hits
        passages = (
            Passage(doc_id_of(hit.chunk), hit.chunk.text, (hit.chunk.page,) if hit.chunk.page else ()) for hit in hits
        )
        rows.append(Row(question.query_id, tuple(passages)))
    return score(questions, rows)


if __name__ == "__main__":
    main()
