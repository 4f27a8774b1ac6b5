"""What disagrees between catalog, keyword index, vectors and original files, and how to mend it.

The catalog is the truth: an index is mended from it, without the embedder. Only a missing or damaged original cannot be
made again here; its document still answers.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from retrieval.catalog import Catalog
from retrieval.errors import KeywordIndexError
from retrieval.models import Collection
from retrieval.originals import Originals
from retrieval.protocols import KeywordIndex, VectorStore
from retrieval.unreachable import reach_all, restore_vectors

ProblemKind = Literal[
    "keyword_missing",
    "keyword_extra",
    "vectors_missing",
    "vectors_extra",
    "vectors_unreachable",
    "catalog_vectors_missing",
    "leftover_versions",
    "original_missing",
    "original_damaged",
    "original_unused",
]
REPAIR_BATCH = 500

_log = logging.getLogger(__name__)


class Stores(Protocol):
    """What is compared: an open `DataFolder` is one."""

    catalog: Catalog
    originals: Originals
    keyword: KeywordIndex
    vectors: VectorStore | None


@dataclass(frozen=True, slots=True)
class Problem:
    """One disagreement.

    Args:
        kind: What disagrees.
        collection: The collection's name; empty where it concerns none.
        ids: The chunks, versions or content hashes concerned.
        mended: Whether it was mended just now.
    """

    kind: ProblemKind
    collection: str
    ids: tuple[str, ...]
    mended: bool = False


@dataclass(frozen=True, slots=True)
class Checkup:
    """What the doctor saw.

    Args:
        problems: Empty when all agree.
        n_documents: Live documents looked at.
        n_chunks: Live chunks looked at.
    """

    problems: tuple[Problem, ...]
    n_documents: int
    n_chunks: int

    @property
    def is_healthy(self) -> bool:
        """Whether nothing is left to mend."""
        return all(problem.mended for problem in self.problems)


def check(folder: Stores, *, repair: bool = False) -> Checkup:
    """Compare everything in a data folder, and mend what can be mended when asked.

    Each vector is asked for too, which takes 0.2 ms: see `unreachable.py`.

    Raises:
        CatalogError: If the catalog itself is damaged.
    """
    folder.catalog.check()
    problems: list[Problem] = []
    n_documents = n_chunks = 0
    problems += _leftovers(folder, repair)
    for collection in folder.catalog.list_collections():
        n_documents += collection.n_documents
        n_chunks += collection.n_chunks
        problems += check_indexes(folder, collection, repair=repair)
        if folder.vectors is not None and collection.embedder != "none":
            out_of_reach, mended = reach_all(folder.catalog, folder.vectors, collection.collection_id, repair=repair)
            if out_of_reach:
                problems.append(Problem("vectors_unreachable", collection.name, out_of_reach, mended))
    problems += _originals(folder, repair)
    return Checkup(tuple(problems), n_documents, n_chunks)


def check_indexes(folder: Stores, collection: Collection, *, repair: bool) -> list[Problem]:
    """Compare both indexes of one collection with the catalog."""
    live = folder.catalog.live_chunk_vectors(collection.collection_id)
    wanted = [chunk_id for chunk_id, _ in live]
    problems: list[Problem] = []
    indexed = folder.keyword.chunk_ids(collection.collection_id)
    missing, extra = _difference(wanted, indexed)
    if missing:
        problems.append(Problem("keyword_missing", collection.name, missing, repair))
    if extra:
        problems.append(Problem("keyword_extra", collection.name, extra, repair))
    if repair:
        _mend_keyword(folder, collection.collection_id, wanted, missing if indexed else None, extra)
    if collection.embedder == "none" or folder.vectors is None:
        return problems
    keys = {chunk_id: key for chunk_id, key in live if key is not None}
    known = folder.catalog.get_vectors(list(keys.values()))
    lost = tuple(chunk_id for chunk_id in wanted if keys.get(chunk_id) not in known)
    if lost:
        problems.append(Problem("catalog_vectors_missing", collection.name, lost))
    missing, extra = _difference(wanted, folder.vectors.chunk_ids(collection.collection_id))
    missing = tuple(chunk_id for chunk_id in missing if chunk_id not in set(lost))
    if missing:
        problems.append(Problem("vectors_missing", collection.name, missing, repair))
    if extra:
        problems.append(Problem("vectors_extra", collection.name, extra, repair))
    if repair:
        folder.vectors.delete(collection.collection_id, extra)
        vectors = {chunk_id: known[keys[chunk_id]] for chunk_id in missing}
        restore_vectors(folder.catalog, folder.vectors, collection.collection_id, vectors)
    return problems


def sweep(folder: Stores, document_ids: Sequence[str] | None = None) -> tuple[str, ...]:
    """Take versions that are not live out of the indexes, then forget them.

    Args:
        folder: The data folder.
        document_ids: Only these documents' versions; None: all, which no ingestion may be running beside.

    Returns:
        The ids of the versions that are gone.
    """
    leftovers = folder.catalog.leftovers(document_ids)
    by_collection: dict[str, list[str]] = {}
    for leftover in leftovers:
        by_collection.setdefault(leftover.collection_id, []).extend(leftover.chunk_ids)
    for collection_id, chunk_ids in by_collection.items():
        folder.keyword.delete(collection_id, chunk_ids)
        if folder.vectors is not None:
            folder.vectors.delete(collection_id, chunk_ids)
    version_ids = tuple(leftover.version_id for leftover in leftovers)
    unused = folder.catalog.forget_versions(version_ids)
    folder.originals.remove_unused(unused, folder.catalog.wanted_hashes)
    return version_ids


def tidy(folder: Stores) -> tuple[str, ...]:
    """Sweep everything, and have the indexes forget deleted collections; nobody may be writing beside.

    A keyword index that cannot be written is made again.

    Returns:
        The ids of the versions that are gone.

    Raises:
        HuoziError: If a store cannot be told.
    """
    gone: tuple[str, ...] = ()
    if folder.catalog.has_leftovers():
        try:
            gone = sweep(folder)
        except KeywordIndexError as error:
            _log.warning("The keyword indexes are made again: %s", error)
            for collection in folder.catalog.list_collections():
                wanted = [chunk_id for chunk_id, _ in folder.catalog.live_chunk_vectors(collection.collection_id)]
                _mend_keyword(folder, collection.collection_id, wanted, None, ())
            gone = sweep(folder)
    for collection_id in folder.catalog.removed_collections():
        folder.keyword.drop(collection_id)
        if folder.vectors is not None:
            folder.vectors.drop(collection_id)
        folder.catalog.forget_removed(collection_id)
    return gone


def _leftovers(folder: Stores, repair: bool) -> list[Problem]:
    version_ids = sweep(folder) if repair else tuple(x.version_id for x in folder.catalog.leftovers())
    return [Problem("leftover_versions", "", version_ids, repair)] if version_ids else []


def _mend_keyword(
    folder: Stores, collection_id: str, wanted: Sequence[str], missing: Sequence[str] | None, extra: Sequence[str]
) -> None:
    """Bring a keyword index in line; `missing` None: it is lost, or cannot be read."""
    if missing is not None:
        try:
            folder.keyword.delete(collection_id, extra)
            _restore_keyword(folder, collection_id, missing)
            return
        except KeywordIndexError as error:
            _log.warning("A keyword index is made again: %s", error)
    folder.keyword.drop(collection_id)
    _restore_keyword(folder, collection_id, wanted)


def _restore_keyword(folder: Stores, collection_id: str, missing: Sequence[str]) -> None:
    chunks = [
        chunk
        for i in range(0, len(missing), REPAIR_BATCH)
        for chunk in folder.catalog.live_chunks(collection_id, missing[i : i + REPAIR_BATCH]).values()
    ]
    if chunks:
        folder.keyword.upsert(collection_id, chunks)


def _originals(folder: Stores, repair: bool) -> list[Problem]:
    stored = set(folder.originals.hashes())
    wanted = folder.catalog.wanted_hashes()
    missing = tuple(sorted(wanted - stored))
    damaged = tuple(
        content_hash
        for content_hash in sorted(wanted & stored)
        if hashlib.sha256(folder.originals.get(content_hash)).hexdigest() != content_hash
    )
    # What came in meanwhile is no problem: its row was written after its bytes.
    unused = tuple(sorted(stored - wanted - folder.originals.kept() - folder.catalog.wanted_hashes()))
    if repair:
        unused = tuple(folder.originals.remove_unused(unused, folder.catalog.wanted_hashes))
    found = (
        Problem("original_missing", "", missing),
        Problem("original_damaged", "", damaged),
        Problem("original_unused", "", unused, repair),
    )
    return [problem for problem in found if problem.ids]


def _difference(wanted: Sequence[str], found: set[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tuple(x for x in wanted if x not in found), tuple(sorted(found.difference(wanted)))
