"""How long does a search take, beside one raw Chroma query and one raw tantivy query?

python -m benchmarks.search [--chunks 10000 100000] [--runs 5] [--data FOLDER]

The raw queries ask the same two stores, Chroma's being a copy opened in this process, for as many candidates as the
search does: the question's vector, and its tokens. The search adds embedding, the way to Chroma's process and back, the
catalog's check, fusion, rerank by sentence coverage and removal of near-duplicates.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tantivy

import retrieval.retriever
from benchmarks.embedder import NAME, register
from benchmarks.ingest import make_records
from benchmarks.measure import Steps, machine, median, percentile, report, say, stopwatch
from ingest import Ingestor
from retrieval.chroma import ChromaStore
from retrieval.chroma_process.process import Question
from retrieval.data_folder import DataFolder
from retrieval.keyword.tokens import query_weights
from retrieval.protocols import Vectors
from retrieval.settings import RetrievalSettings

TARGET = 2.0
QUESTIONS = 100
"""In a round."""


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.search", description=__doc__)
    parser.add_argument("--chunks", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--runs", type=int, default=5, help="rounds over the questions")
    parser.add_argument("--data", type=Path, help="folder in which built data folders are kept for the next time")
    options = parser.parse_args(argv)
    register()
    about = machine()
    with ExitStack() as stack:
        place = options.data or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="huozi-bench-")))
        sizes = [measure(place / f"search-{n_chunks}", n_chunks, options.runs) for n_chunks in options.chunks]
    publish(sizes, about)


def measure(place: Path, n_chunks: int, runs: int) -> dict[str, Any]:
    """Search one size."""
    # Without texts: no search reads their full-text index, and building takes half the time.
    settings = RetrievalSettings(data_dir=place, embedder=NAME, chroma_texts=False)
    with DataFolder.open(settings) as data:
        build(data, n_chunks)
    with ExitStack() as stack:
        copied = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="huozi-bench-"))) / "chroma"
        shutil.copytree(place / "chroma", copied)
        raw = stack.enter_context(closing(ChromaStore(copied)))
        data = stack.enter_context(DataFolder.open(settings))
        # Different ones in each round, or what searches remember of each other would count for too much.
        *rounds_of, warm_up, profiled = batched(make_questions(data, QUESTIONS * (runs + 2)), QUESTIONS)
        ways = ways_of(data, raw)
        ask_all(ways, warm_up)
        rounds = [ask_all(ways, questions) for questions in rounds_of]
        steps, total = Steps(), 0.0
        watch_steps(steps, data)
        for question in profiled:
            with stopwatch() as watch:
                data.retriever.retrieve(question)
            total += watch.seconds
        steps.unwrap()
        count = data.catalog.get_collection("default", counted=True).n_chunks
    return summary(count, rounds, steps.shares(total))


@dataclass(frozen=True, slots=True)
class Way:
    """One way to ask; only `ask` is timed."""

    name: str
    prepare: Callable[[str], Any]
    ask: Callable[[Any], object]


def build(data: DataFolder, n_chunks: int) -> None:
    """Fill a data folder, if it is new."""
    known = {collection.name: collection.n_chunks for collection in data.catalog.list_collections()}
    if known.get("default", 0) >= n_chunks * 0.8:
        return
    records = make_records(n_chunks)
    with stopwatch() as watch:
        result = Ingestor(data).ingest_records(records)
    say(f"built {result.chunks} chunks in {watch.seconds:.0f} s")


def make_questions(data: DataFolder, count: int) -> list[str]:
    """Return different questions of 8 to 25 characters, each about some chunk."""
    random = np.random.default_rng(11)
    collection_id = data.catalog.get_collection("default").collection_id
    ids = [chunk_id for chunk_id, _ in data.catalog.live_chunk_vectors(collection_id)]
    chosen = [ids[place] for place in random.choice(len(ids), size=count, replace=False)]
    found = data.catalog.live_chunks(collection_id, chosen)
    questions = []
    for chunk_id in chosen:
        text = found[chunk_id].text.replace("\n", "")
        size = int(random.integers(6, 20))
        start = int(random.integers(0, max(1, len(text) - size)))
        questions.append(f"{text[start : start + size].strip('，。')}是什么")
    return questions


def batched(items: Sequence[str], size: int) -> list[Sequence[str]]:
    """Cut into parts of one size."""
    return [items[i : i + size] for i in range(0, len(items), size)]


def ways_of(data: DataFolder, raw: ChromaStore) -> list[Way]:
    """Return ours, and the smallest raw queries that give the candidates which the search takes from each store."""
    collection_id = data.catalog.get_collection("default").collection_id
    fetch_k = data.settings.ranking.fetch_k
    embedder = data.embedder
    assert embedder is not None
    handle: Any = raw._handle(collection_id)
    index = tantivy.Index.open(str(data.path / "keyword" / collection_id))
    index.reload()

    def ask_chroma(vector: Vectors) -> object:
        return handle.query(query_embeddings=[vector], n_results=fetch_k, include=["distances"])

    def ask_tantivy(tokens: list[str]) -> object:
        should, term = tantivy.Occur.Should, tantivy.Query.term_query
        terms = [(should, term(index.schema, "text", token, "freq")) for token in tokens]
        searcher = index.searcher()
        found = searcher.search(tantivy.Query.boolean_query(terms), fetch_k, count=False).hits
        return [searcher.doc(address).get_first("chunk_id") for _, address in found]

    return [
        Way("ours", lambda question: question, data.retriever.retrieve),
        Way("chroma", embedder.embed_question, ask_chroma),
        Way("tantivy", lambda question: list(query_weights(question)), ask_tantivy),
    ]


def ask_all(ways: Sequence[Way], questions: Sequence[str]) -> dict[str, list[float]]:
    """Time each way on each question, taking turns so that a busy moment of the machine hits all alike.

    At any turn each has another question: the second to ask the same one would find the processor's caches filled.
    """
    times: dict[str, list[float]] = {way.name: [] for way in ways}
    apart = len(questions) // len(ways)
    for number in range(len(questions)):
        for place, way in enumerate(ways):
            given = way.prepare(questions[(number + place * apart) % len(questions)])
            started = time.perf_counter()
            way.ask(given)
            times[way.name].append(time.perf_counter() - started)
    return times


def watch_steps(steps: Steps, data: DataFolder) -> None:
    """Time what a search consists of."""
    steps.wrap(data.keyword, "search", "keyword search")
    steps.wrap(data.keyword, "frequencies", "keyword frequencies")
    steps.wrap_block(data.vectors, "searching", "vector search: begin")
    steps.wrap(Question, "answer", "vector search: wait")
    steps.wrap(data.embedder, "embed_question", "embedder")
    steps.wrap(data.retriever, "_rank", "rerank")
    for name in ("get_collection", "list_collections", "live_chunks", "match_documents"):
        steps.wrap(data.catalog, name, f"catalog {name}")
    for name, function in list(vars(retrieval.retriever).items()):
        if (
            callable(function)
            and not isinstance(function, type)
            and getattr(function, "__module__", "").startswith("retrieval.")
        ):
            steps.wrap(retrieval.retriever, name, name.strip("_"))


def summary(n_chunks: int, rounds: Sequence[dict[str, list[float]]], shares: dict[str, float]) -> dict[str, Any]:
    """Return the medians over the rounds, in milliseconds."""
    p50 = {name: [percentile(times[name], 0.5) for times in rounds] for name in rounds[0]}
    ratios = [
        ours / (chroma + raw) for ours, chroma, raw in zip(p50["ours"], p50["chroma"], p50["tantivy"], strict=True)
    ]
    return {
        "chunks": n_chunks,
        "p50_ms": round(median(p50["ours"]) * 1000, 2),
        "p95_ms": round(median(percentile(times["ours"], 0.95) for times in rounds) * 1000, 2),
        "raw_chroma_p50_ms": round(median(p50["chroma"]) * 1000, 2),
        "raw_tantivy_p50_ms": round(median(p50["tantivy"]) * 1000, 2),
        "ratio": round(median(ratios), 2),
        "shares": {step: round(share, 3) for step, share in shares.items() if share >= 0.0005},
    }


def publish(sizes: Sequence[dict[str, Any]], about: dict[str, Any]) -> None:
    """Print one line a size, then where the time goes."""
    columns = ("chunks", "p50_ms", "p95_ms", "raw_chroma_p50_ms", "raw_tantivy_p50_ms", "ratio")
    rows: list[list[Any]] = [[size[column] for column in columns] for size in sizes]
    steps = list(dict.fromkeys(step for size in sizes for step in size["shares"]))
    for step in steps:
        rows.append([f"  {step}", *(f"{size['shares'].get(step, 0):.1%} of {size['chunks']}" for size in sizes)])
    filled = [row + [""] * (len(columns) - len(row)) for row in rows]
    header = ["chunks", "p50 ms", "p95 ms", "Chroma ms", "tantivy ms", f"ours / both (target {TARGET:g})"]
    report("search", {**about, "questions_a_round": QUESTIONS, "target": TARGET, "sizes": list(sizes)}, header, filled)


if __name__ == "__main__":
    main()
