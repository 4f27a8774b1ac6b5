"""How fast are chunks ingested, beside adding the same records to Chroma alone?

python -m benchmarks.ingest [--chunks 10000] [--runs 5] [--no-texts] [--serving]
"""

from __future__ import annotations

import argparse
import concurrent.futures
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import ingest.publish
import ingest.ready
import ingest.sandbox.ahead
import ingest.sandbox.child
import ingest.sandbox.wire
from api.wiring import settle
from benchmarks.embedder import NAME, register
from benchmarks.measure import Steps, machine, median, report, say, stopwatch
from benchmarks.texts import Texts
from ingest import Ingestor, TextRecord
from ingest.sandbox.ahead import prepare
from ingest.settings import IngestSettings
from retrieval.catalog import vector_key
from retrieval.data_folder import DataFolder
from retrieval.models import Chunk
from retrieval.protocols import Vectors
from retrieval.settings import RetrievalSettings

TARGET = 0.9
CHUNKS_A_DOCUMENT = 20
CHARS_A_CHUNK = 370
"""What the splitter makes of these texts, about: enough to choose the number of documents."""


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds of one run, for the same number of chunks."""

    n_chunks: int
    ours: float
    raw: float
    raw_bare: float
    shares: dict[str, float]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.ingest", description=__doc__)
    parser.add_argument("--chunks", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--no-texts", action="store_true", help="with HUOZI_CHROMA_TEXTS=false")
    parser.add_argument("--serving", action="store_true", help="write as a service does, which answers meanwhile")
    options = parser.parse_args(argv)
    register()
    about = machine()
    records = make_records(options.chunks)
    runs = []
    for number in range(options.runs):
        with tempfile.TemporaryDirectory(prefix="huozi-bench-") as folder:
            runs.append(measure(Path(folder), records, serving=options.serving, texts=not options.no_texts))
        last = runs[-1]
        say(f"run {number + 1}: {last.n_chunks} chunks, ours {last.ours:.1f} s, raw Chroma {last.raw:.1f} s")
    publish(runs, {**about, "serving": options.serving, "texts": not options.no_texts})


def make_records(n_chunks: int) -> list[TextRecord]:
    """Return documents that give about so many chunks."""
    count = max(1, n_chunks // CHUNKS_A_DOCUMENT)
    return list(Texts().records(count, chars=CHUNKS_A_DOCUMENT * CHARS_A_CHUNK))


def measure(folder: Path, records: Sequence[TextRecord], *, serving: bool, texts: bool) -> Run:
    """Ingest into a fresh folder, then add the same records to Chroma alone, with and without their documents."""
    steps = Steps()
    settings = RetrievalSettings(data_dir=folder / "data", embedder=NAME, chroma_texts=texts)
    prepare(IngestSettings())  # As `huozi ingest` does.
    with DataFolder.open(settings) as data:
        assert data.embedder is not None and data.embedder.dim  # loaded before the clock starts
        settle()  # As `huozi ingest` and `huozi serve` do; for both sides.
        data.answers_meanwhile = serving
        watch_steps(steps, data)
        with stopwatch() as ours:
            result = Ingestor(data).ingest_records(records)
        steps.unwrap()
        if result.failed:
            raise RuntimeError(f"{len(result.failed)} documents failed, first: {result.failed[0]}")
        chunks, vectors = stored(data)
    with stopwatch() as raw:
        add_raw(folder / "raw", chunks, vectors, with_documents=True)
    with stopwatch() as bare:
        add_raw(folder / "bare", chunks, vectors, with_documents=False)
    return Run(result.chunks, ours.seconds, raw.seconds, bare.seconds, steps.shares(ours.seconds))


def watch_steps(steps: Steps, data: DataFolder) -> None:
    """Time what an ingestion consists of."""
    steps.wrap(ingest.sandbox.ahead, "parse", "parsing here")
    steps.wrap(ingest.sandbox.child.Child, "__init__", "worker: start")
    steps.wrap(ingest.sandbox.child.Child, "send", "worker: send")
    steps.wrap(ingest.sandbox.wire, "read", "worker: wait and read")
    steps.wrap(ingest.sandbox.child.Child, "receive", "worker: unpack")
    steps.wrap(ingest.sandbox.child.Child, "close", "worker: end")
    steps.wrap(concurrent.futures.Future, "result", "wait for embedding and writing")
    steps.wrap(ingest.ready, "vector_key", "vector keys")
    steps.wrap_block(data.originals, "putting", "originals")
    steps.wrap(data.catalog, "build_versions", "catalog: chunks")
    steps.wrap(data.catalog, "get_vectors", "catalog: vectors")
    steps.wrap(data.catalog, "put_vectors", "catalog: vectors")
    steps.wrap(data.catalog, "publish", "catalog: publish")
    steps.wrap(data.vectors, "add", "Chroma")
    steps.wrap_block(data.keyword, "adding", "keyword: write")
    steps.wrap(ingest.publish, "tokens_of", "keyword: tokens")
    assert data.embedder is not None
    steps.wrap(data.embedder, "embed_batch", "embedder")


def stored(data: DataFolder) -> tuple[list[Chunk], Vectors]:
    """Return every chunk of the default collection with its vector."""
    collection_id = data.catalog.get_collection("default").collection_id
    ids = [chunk_id for chunk_id, _ in data.catalog.live_chunk_vectors(collection_id)]
    found = data.catalog.live_chunks(collection_id, ids)
    chunks = [found[chunk_id] for chunk_id in ids]
    keys = [vector_key(NAME, chunk.embedded_text) for chunk in chunks]
    known = data.catalog.get_vectors(keys)
    return chunks, np.stack([known[key] for key in keys])


def add_raw(folder: Path, chunks: Sequence[Chunk], vectors: Vectors, *, with_documents: bool) -> None:
    """Add records to a fresh Chroma collection in batches as large as it takes, and close it."""
    import chromadb
    from chromadb.config import Settings

    from retrieval.chroma import _metadata

    client: Any = chromadb.PersistentClient(folder, settings=Settings(anonymized_telemetry=False))
    handle = client.create_collection("raw", embedding_function=None, configuration={"hnsw": {"space": "cosine"}})
    size = client.get_max_batch_size()
    for i in range(0, len(chunks), size):
        batch = chunks[i : i + size]
        handle.add(
            ids=[chunk.chunk_id for chunk in batch],
            embeddings=vectors[i : i + size],
            documents=[chunk.text for chunk in batch] if with_documents else None,
            metadatas=[_metadata(chunk) for chunk in batch],
        )
    client.close()


def publish(runs: Sequence[Run], about: dict[str, Any]) -> None:
    """Print the medians."""
    n_chunks = runs[0].n_chunks
    ours, raw, bare = (median(getattr(run, name) for run in runs) for name in ("ours", "raw", "raw_bare"))
    ratio = median(run.raw / run.ours for run in runs)
    rest_ratio = median(run.raw_bare / run.ours for run in runs)
    steps = {step: median(run.shares.get(step, 0.0) for run in runs) for step in runs[0].shares}
    figures = {
        **about,
        "runs": len(runs),
        "chunks": n_chunks,
        "chunks_per_s": round(n_chunks / ours, 1),
        "raw_chunks_per_s": round(n_chunks / raw, 1),
        "raw_without_documents_per_s": round(n_chunks / bare, 1),
        "ratio": round(ratio, 3),
        "ratio_without_documents": round(rest_ratio, 3),
        "target": TARGET,
        "shares": {step: round(share, 3) for step, share in steps.items()},
    }
    rows = [
        ["ours", n_chunks / ours, 1.0],
        ["raw Chroma, same records", n_chunks / raw, ratio],
        ["raw Chroma, without documents", n_chunks / bare, rest_ratio],
    ]
    shares = [[f"  {step}", "", f"{share:.1%} of our time"] for step, share in steps.items()]
    report("ingest", figures, ["", "chunks/s", f"ours / it (target {TARGET})"], [*rows, *shares])


if __name__ == "__main__":
    main()
