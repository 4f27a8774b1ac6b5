"""Ask every question of an evaluation folder, and keep what came back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Protocol

from assistant.assistant import Assistant
from assistant.checking.citations import PageOf, without_markers
from assistant.errors import ModelServerDownError
from assistant.evaluation.corpus import CorpusDocument, Question, find_corpus, load_corpus, load_questions
from assistant.evaluation.metrics import Passage, Row, score, score_by_type
from assistant.evaluation.report import EvalReport
from assistant.evaluation.wrong_citations import dropped_citations, wrong_citations
from assistant.events import Answer
from retrieval.errors import HuoziError, QuestionError
from retrieval.models import Chunk, ScoredChunk

PASSAGES = 10
"""Retrieved passages kept for each question."""

Progress = Callable[[int, int], None]
"""Called with the questions done and the questions in all."""


class Ingests(Protocol):
    """How the documents get into the collection; the command line passes what does it."""

    def texts(self, documents: Sequence[CorpusDocument], collection: str) -> object:
        """Ingest the lines of a corpus; each one's source is its doc_id."""

    def files(self, paths: Sequence[Path], collection: str) -> object:
        """Ingest files; the name at the end of each one's source is its doc_id."""


@dataclass(frozen=True, slots=True)
class EvalPlan:
    """What to evaluate.

    Args:
        folder: Holds `queries.jsonl`, and the documents unless `corpus` does.
        collection: Where the documents go.
        corpus: A `corpus.jsonl` elsewhere.
        limit: Only so many questions, spread evenly over the file; None: all.
        concurrency: Questions asked at a time.
    """

    folder: Path
    collection: str
    corpus: Path | None = None
    limit: int | None = None
    concurrency: int = 1


def evaluate_folder(
    plan: EvalPlan, assistant: Assistant, ingest: Ingests | None, *, progress: Progress | None = None
) -> EvalReport:
    """Ingest a folder's documents, ask its questions through the whole product, and score the answers.

    Args:
        plan: What to evaluate.
        assistant: Answers.
        ingest: Brings the documents in; None: they are in the collection already.
        progress: Told of each question.

    Raises:
        EvaluationError: If the folder is not one.
        ModelServerDownError: If the model server does not answer.
    """
    questions = spread(load_questions(plan.folder), plan.limit)
    if ingest is not None:
        ingest_folder(plan, ingest)
    started = time.monotonic()
    asked = asyncio.run(_ask_all(questions, plan, assistant, progress))
    rows = [row for row in asked if isinstance(row, Row)]
    return EvalReport(
        metrics=score(questions, rows),
        by_type=score_by_type(questions, rows),
        wrong_citations=wrong_citations(questions, rows),
        dropped_citations=dropped_citations(rows),
        rows=tuple(rows),
        failed=tuple(failure for failure in asked if not isinstance(failure, Row)),
        seconds=time.monotonic() - started,
    )


def ingest_folder(plan: EvalPlan, ingest: Ingests) -> None:
    """Ingest a folder's documents.

    Raises:
        EvaluationError: If there are none, or they cannot be read.
    """
    corpus = find_corpus(plan.folder, plan.corpus)
    if isinstance(corpus, Path):
        ingest.texts(load_corpus(corpus), plan.collection)
    else:
        ingest.files(corpus, plan.collection)


def spread(questions: Sequence[Question], limit: int | None) -> Sequence[Question]:
    """Return at most `limit` questions, taken evenly from the whole."""
    if limit is None or limit >= len(questions):
        return questions
    return [questions[i * len(questions) // limit] for i in range(limit)]


def row_of(question: Question, answer: Answer, page_of: PageOf) -> Row:
    """Return what a run file keeps of an answer; a passage cited twice is one citation."""
    cited = {citation.source.chunk.chunk_id: citation.source for citation in answer.citations}
    return Row(
        query_id=question.query_id,
        retrieved=tuple(_passage(hit, page_of) for hit in answer.retrieval.hits[:PASSAGES]),
        answer="" if answer.refused else without_markers(answer.text),
        is_refused=answer.refused,
        citations=tuple(_passage(source, page_of) for source in cited.values()),
        dropped=tuple(one.reason for one in answer.dropped),
    )


def doc_id_of(chunk: Chunk) -> str:
    """Return the corpus's id of a chunk's document: its source, or the file name of it."""
    return PurePath(chunk.source).name


async def _ask_all(
    questions: Sequence[Question], plan: EvalPlan, assistant: Assistant, progress: Progress | None
) -> list[Row | tuple[str, str]]:
    gate = asyncio.Semaphore(plan.concurrency)
    done = 0

    async def ask(question: Question) -> Row | tuple[str, str]:
        nonlocal done
        async with gate:
            row = await _ask(question, plan.collection, assistant)
        done += 1
        if progress is not None:
            progress(done, len(questions))
        return row

    try:
        return list(await asyncio.gather(*map(ask, questions)))
    finally:
        await assistant.aclose()


async def _ask(question: Question, collection: str, assistant: Assistant) -> Row | tuple[str, str]:
    try:
        answer = await assistant.aask(question.question, question.history, collection)
    except ModelServerDownError:
        raise
    except QuestionError:
        # Some sets hold empty questions: nothing retrieved, nothing answered, but the run is sound.
        return Row(question.query_id)
    except HuoziError as error:
        return question.query_id, str(error)
    return row_of(question, answer, assistant.page_finder(answer.retrieval.hits[:PASSAGES]))


def _passage(source: ScoredChunk, page_of: PageOf) -> Passage:
    chunk = source.chunk
    first, last = page_of(chunk, chunk.start), page_of(chunk, max(chunk.start, chunk.end - 1))
    pages: Iterable[int] = range(first, last + 1) if first is not None and last is not None else ()
    return Passage(doc_id_of(chunk), chunk.text, tuple(pages))
