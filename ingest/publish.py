"""Bring a batch from the catalog, unseen, through the indexes to the switch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack

import numpy as np

from ingest.embedding import keep_vectors
from ingest.jobs.teller import JobTeller
from ingest.ready import Ready, tokens_of
from retrieval.beside import beside
from retrieval.catalog import BuiltVersion, JobDone
from retrieval.data_folder import DataFolder
from retrieval.protocols import Vectors

CHECKPOINT_CHUNKS = 256
"""A smaller batch leaves it to SQLite, which does it at a commit once there is enough."""


def publish(
    folder: DataFolder,
    collection_id: str,
    batch: Sequence[Ready],
    found: Mapping[bytes, Vectors],
    fresh: Collection[bytes],
    *,
    chunks_a_call: int,
    teller: JobTeller,
    under_way: Callable[[], object] = lambda: None,
) -> list[BuiltVersion]:
    """Write a batch whose vectors are there; nobody else writes meanwhile.

    Args:
        folder: The open data folder.
        collection_id: Where it goes.
        batch: The documents, with the keys of their vectors.
        found: The vectors by key, each (dim,) float32.
        fresh: The keys of those that the catalog does not keep yet.
        chunks_a_call: Most chunks that the vector store gets at a time.
        teller: Tells the documents' jobs.
        under_way: Called once the indexes are being written: for the most part without Python's lock.

    Returns:
        The versions that are visible now, without those of jobs that were cancelled meanwhile. When this raises, what
        it wrote is to be swept.
    """
    catalog = folder.catalog
    built = catalog.build_versions(collection_id, [item.version for item in batch])
    chunks = [chunk for version in built for chunk in version.chunks]
    keys = [key for version in built for key in version.vector_keys if key is not None]
    teller.stage(batch, "index")
    unkept = {key: found[key] for key in _not_kept(folder, keys, fresh)}
    with ExitStack() as aside:
        # Chroma takes longest, in a process of its own: everything else happens beside.
        if folder.vectors is not None:
            vectors = folder.vectors

            def add_vectors() -> None:
                for i in range(0, len(chunks), chunks_a_call):
                    matrix = np.stack([found[key] for key in keys[i : i + chunks_a_call]])
                    vectors.add(collection_id, chunks[i : i + chunks_a_call], matrix)
                    teller.indexed(batch, i + chunks_a_call)

            aside.enter_context(beside(add_vectors))
        under_way()
        if unkept:
            aside.enter_context(beside(lambda: keep_vectors(folder, unkept)))
        aside.enter_context(folder.keyword.adding(collection_id, chunks, tokens_of(batch)))
        if len(chunks) >= CHECKPOINT_CHUNKS:
            aside.enter_context(beside(catalog.checkpoint))
    done = [_job_done(item, version) for item, version in zip(batch, built, strict=True)]
    published = set(catalog.publish([version.version_id for version in built], [one for one in done if one]))
    catalog.jobs.changes.bump()
    return [version for version in built if version.version_id in published]


def _not_kept(folder: DataFolder, keys: Sequence[bytes], fresh: Collection[bytes]) -> list[bytes]:
    """Return the keys of fresh vectors, and of those that a deletion took out before a chunk of ours was there."""
    older = [key for key in keys if key not in fresh]
    there = folder.catalog.has_vectors(older) if older else set()
    return [key for key in keys if key not in there]


def _job_done(item: Ready, version: BuiltVersion) -> JobDone | None:
    """Return what a document's job ends with."""
    if item.job_id is None:
        return None
    n_chunks = len(version.chunks)
    n_embedded = sum(key is not None for key in version.vector_keys)
    counts = {"bytes": item.version.size, "chunks": n_chunks, "embedded": n_embedded, "indexed": n_chunks}
    return JobDone(item.job_id, version.version_id, version.document_id, counts)
