"""Files with another name: told by their content, renamed without being parsed or embedded again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ingest.errors import IngestError
from ingest.loaders.base import retitled
from ingest.loaders.formats import suffix_of
from ingest.sync import FileEntry, Unreadable, match_moves
from retrieval.catalog import KnownSource, Move
from retrieval.data_folder import DataFolder
from retrieval.models import Chunk, Collection

RENAMED_TOGETHER = 100
"""Documents renamed in one transaction, after both indexes have taken their chunks."""

Contents = Callable[[Iterable[FileEntry | Unreadable]], Iterator[tuple[FileEntry | Unreadable, bytes | IngestError]]]


@dataclass(frozen=True, slots=True)
class Rename:
    """A file that is known, and what it is called now."""

    document_id: str
    entry: FileEntry


def find_moves(
    entries: Sequence[FileEntry], known: Mapping[str, KnownSource], gone: Sequence[str], contents: Contents
) -> dict[str, str]:
    """Return which of the files are ones that are gone: new source_id -> old one.

    Args:
        entries: What was found.
        known: What the collection holds.
        gone: Sources of which nothing was found.
        contents: Reads files; asked only for those that are new and as long as one that is gone.
    """
    sizes = {known[source_id].size for source_id in gone}
    if not sizes:
        return {}
    new = [entry for entry in entries if entry.source_id not in known and entry.size() in sizes]
    hashes = {
        entry.source_id: hashlib.sha256(data).hexdigest()
        for entry, data in contents(new)
        if isinstance(entry, FileEntry) and not isinstance(data, IngestError)
    }
    return match_moves({source_id: known[source_id] for source_id in gone}, hashes)


def rename(folder: DataFolder, collection: Collection, renames: Sequence[Rename]) -> set[str]:
    """Give documents their files' new names, and titles where those are the names.

    The indexes are told first: a stop between leaves the old name shown, and the next run does the same again. Another
    suffix may be another loader's: such a document is to be read again.

    Returns:
        The ids of the documents renamed.
    """
    renamed: set[str] = set()
    for i in range(0, len(renames), RENAMED_TOGETHER):
        with folder.writing:
            renamed |= _rename_together(folder, collection.collection_id, renames[i : i + RENAMED_TOGETHER])
    return renamed


def _rename_together(folder: DataFolder, collection_id: str, renames: Sequence[Rename]) -> set[str]:
    moves: list[Move] = []
    chunks: list[Chunk] = []
    retitled_chunks: list[Chunk] = []
    keys: dict[str, bytes] = {}
    for one in renames:
        live = folder.catalog.live_version(one.document_id)
        if live is None:
            continue
        source = one.entry.source
        title = retitled(live.document, source)
        is_alike = suffix_of(source) == suffix_of(live.source)
        moves.append(Move(one.document_id, one.entry.source_id, source, title, must_reread=not is_alike))
        named = [replace(chunk, title=title, source=source) for chunk in live.chunks]
        chunks += named
        retitled_chunks += named if title != live.document.title else []
        keys |= {chunk.chunk_id: key for chunk, key in zip(named, live.vector_keys, strict=True) if key is not None}
    folder.keyword.upsert(collection_id, retitled_chunks)
    if folder.vectors is not None:
        known = folder.catalog.get_vectors(list(keys.values()))
        told = [chunk for chunk in chunks if keys.get(chunk.chunk_id) in known]
        if told:
            folder.vectors.upsert(collection_id, told, np.stack([known[keys[chunk.chunk_id]] for chunk in told]))
    return set(folder.catalog.move_documents(moves))
