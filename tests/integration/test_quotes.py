"""Every quote is a slice of the stored text: over whole sets, by quoting and by checking what a model says."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from assistant import Assistant
from assistant.checking.check import SentenceCheck
from assistant.checking.citations import without_markers
from assistant.checking.stream import CheckedStream
from assistant.evaluation.corpus import load_corpus, load_questions
from assistant.events import Answer, Citation
from assistant.sources.source import number_chunks
from ingest import Ingestor, TextRecord
from retrieval.data_folder import DataFolder
from retrieval.errors import QuestionError
from retrieval.settings import RetrievalSettings
from tests.unit.assistant.eval_data import EVAL_DIR, needs_eval_data

pytestmark = needs_eval_data
SETS = ("regulations", "dragonball", "dureader")


@pytest.fixture(scope="module", params=SETS)
def answered(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[DataFolder, list[Answer]]]:
    folder = EVAL_DIR / request.param
    settings = RetrievalSettings(data_dir=tmp_path_factory.mktemp("data"), embedder="none")
    with DataFolder.open(settings) as data:
        records = (TextRecord(one.doc_id, one.title, one.text) for one in load_corpus(folder / "corpus.jsonl"))
        Ingestor(data).ingest_records(records, collection="default")
        assistant = Assistant(data.retriever, catalog=data.catalog)
        yield data, asyncio.run(_answers(assistant, [one.question for one in load_questions(folder)]))


async def _answers(assistant: Assistant, questions: list[str]) -> list[Answer]:
    found = []
    for question in questions:
        try:
            found.append(await assistant.aask(question))
        except QuestionError:
            continue
    return found


def slices_back(data: DataFolder, citation: Citation, texts: dict[str, str]) -> bool:
    chunk = citation.source.chunk
    if chunk.document_id not in texts:
        texts[chunk.document_id] = data.catalog.document_text(chunk.document_id).text
    within = chunk.start <= citation.start < citation.end <= chunk.end
    return within and texts[chunk.document_id][citation.start : citation.end] == citation.quote


def test_every_quote_slices_back_when_sentences_are_quoted(answered: tuple[DataFolder, list[Answer]]) -> None:
    data, answers = answered
    citations = [citation for answer in answers for citation in answer.citations]
    texts: dict[str, str] = {}
    assert len(citations) > 40
    assert [one for one in citations if not slices_back(data, one, texts)] == []


def test_every_quote_slices_back_when_a_models_sentences_are_checked(answered: tuple[DataFolder, list[Answer]]) -> None:
    data, answers = answered
    texts: dict[str, str] = {}
    n_kept = 0
    for answer in answers:
        sources = number_chunks(answer.retrieval.hits[:6])
        checked = CheckedStream(SentenceCheck(sources, answer.question))
        said = [without_markers(line) for line in answer.text.splitlines()] if not answer.refused else []
        for written in [*checked.feed("\n".join(f"根据资料，{line}[9]" for line in said)), *checked.finish()]:
            checked.settle(written)
        assert [one for one in checked.citations if not slices_back(data, one, texts)] == []
        n_kept += len(checked.citations)
    assert n_kept > 40


def test_copied_sentences_stay_when_a_model_says_them(answered: tuple[DataFolder, list[Answer]]) -> None:
    _, answers = answered
    total = kept = 0
    for answer in answers:
        for citation in answer.citations:
            checked = CheckedStream(SentenceCheck(number_chunks([citation.source]), answer.question))
            for written in [*checked.feed(f"{' '.join(citation.quote.split())}[1]"), *checked.finish()]:
                checked.settle(written)
            total += 1
            kept += bool(checked.citations)
    assert total > 40 and kept >= 0.97 * total
