"""What must be found after a kill, from nothing but what the killed process said: a plain dict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from retrieval.data_folder import DataFolder
from retrieval.doctor import check
from retrieval.keyword.tokens import query_weights
from retrieval.models import Chunk
from tests.kills import texts

Version = int | None
"""Which version of a source is stored; None: none."""


class Oracle:
    """The versions that each source may have."""

    def __init__(self) -> None:
        self.possible: dict[str, set[Version]] = {}
        self.n_acknowledged = 0
        self._collection_ids: set[str] = set()

    def hear(self, event: Mapping[str, Any]) -> None:
        """Take in what the killed process said."""
        for source, version in event.get("begin", {}).items():
            self.possible[source] = self.possible.get(source, {None}) | {version}
        for source, version in event.get("end", {}).items():
            self.n_acknowledged += 1
            self.possible[source] = {version}

    def verify(self, folder: DataFolder) -> None:
        """Check that an opened data folder shows one possible state, by listing, by each search and to the doctor."""
        stored = _stored(folder)
        seen: dict[str, Version] = {}
        for source, possible in self.possible.items():
            seen[source] = next(
                (v for v in possible if v is not None and stored.get(source) == texts.paragraphs(source, v)), None
            )
            assert seen[source] in possible, (source, possible, stored.get(source))
            assert (source in stored) == (seen[source] is not None), (source, "is neither its old nor its new version")
        assert set(stored) <= set(self.possible)
        checkup = check(folder)
        # Chroma's graph loses the way to a record now and then, without any kill; the doctor mends that.
        assert {problem.kind for problem in checkup.problems} <= {"vectors_unreachable"}, checkup.problems
        assert not checkup.problems or check(folder, repair=True).is_healthy, checkup.problems
        for collection in folder.catalog.list_collections():
            live = {
                chunk.chunk_id: chunk
                for chunk in folder.catalog.live_chunks(
                    collection.collection_id,
                    [one for one, _ in folder.catalog.live_chunk_vectors(collection.collection_id)],
                ).values()
            }
            assert max(Counter(chunk.text for chunk in live.values()).values(), default=1) == 1, "doubled"
            _find_each(folder, collection.collection_id, live)
        self._ask_for_what_is_gone(folder, seen)
        self._collection_ids |= {collection.collection_id for collection in folder.catalog.list_collections()}
        assert folder.vectors is not None
        left = (folder.vectors.collection_ids() | folder.keyword.collection_ids()) & self._collection_ids
        assert left <= {collection.collection_id for collection in folder.catalog.list_collections()}, "still indexed"
        self.possible = {source: {version} for source, version in seen.items()}

    def _ask_for_what_is_gone(self, folder: DataFolder, seen: Mapping[str, Version]) -> None:
        """Check that no search shows a word of the versions that might have been, and are not."""
        shown = {text for source, v in seen.items() if v is not None for text in texts.paragraphs(source, v)}
        for source, possible in self.possible.items():
            for version in possible - {seen[source], None}:
                assert version is not None
                for text in texts.paragraphs(source, version):
                    for collection in folder.catalog.list_collections():
                        hits = folder.retriever.retrieve(text, collection=collection.name, top_k=3).hits
                        assert {hit.chunk.text for hit in hits} <= shown, text


def _stored(folder: DataFolder) -> dict[str, list[str]]:
    """Return the chunks of every listed document, in order; a source listed twice is an error."""
    found: dict[str, list[str]] = {}
    for collection in folder.catalog.list_collections():
        for document in folder.catalog.list_documents(collection.collection_id):
            assert document.source not in found, "listed twice"
            chunks = folder.catalog.chunk_range(document.version_id, 0, 1000)
            assert len(chunks) == document.n_chunks
            found[document.source] = [chunk.text for chunk in chunks]
    return found


def _find_each(folder: DataFolder, collection_id: str, live: Mapping[str, Chunk]) -> None:
    """Check that keywords, vectors and both together find each chunk first, and nothing that is not live."""
    assert folder.vectors is not None and folder.embedder is not None
    for chunk in live.values():
        words = folder.keyword.search(collection_id, query_weights(chunk.text), top_k=3)
        near = folder.vectors.search(collection_id, folder.embedder.embed_question(chunk.embedded_text), top_k=3)
        both = folder.retriever.retrieve(chunk.embedded_text, collection=collection_id, top_k=3).hits
        assert words[0].chunk_id == chunk.chunk_id, ("keywords", chunk.text)
        assert near[0].chunk_id == chunk.chunk_id and near[0].score > 0.999, ("vectors", chunk.text)
        assert both[0].chunk == chunk, ("hybrid", chunk.text)
        assert {hit.chunk_id for hit in (*words, *near)} <= set(live), ("leftovers", chunk.text)
