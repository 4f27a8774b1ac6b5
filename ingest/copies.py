"""Content that is stored already, taken over for another path without parsing or embedding it again."""

from __future__ import annotations

import os
from dataclasses import replace

from ingest.loaders.base import retitled
from ingest.loaders.formats import suffix_of
from ingest.ready import Ready
from retrieval.catalog import LiveVersion, NewVersion
from retrieval.data_folder import DataFolder
from retrieval.models import Collection


class Copies:
    """Knows which content a run need not parse.

    Args:
        folder: An open data folder.
        collection: Where the run's documents go.
    """

    def __init__(self, folder: DataFolder, collection: Collection) -> None:
        self._catalog = folder.catalog
        self._embedder = collection.embedder
        self._known = folder.catalog.live_content_hashes()

    def expect(self, content_hash: str) -> bool:
        """Tell whether some content is stored or on its way; from now on it is."""
        is_known = content_hash in self._known
        self._known.add(content_hash)
        return is_known

    def find(self, source_id: str, source: str, content_hash: str, recipe: str) -> Ready | None:
        """Return a document made of one with the same content, ready for the stores; None if it has to be parsed.

        What a file holds can depend on its suffix, so only one with the same is taken over.
        """
        for copy in self._catalog.find_copies(content_hash, recipe=recipe, embedder=self._embedder):
            # What was uploaded may have attributes of its own.
            if not os.path.isabs(copy.source_id) or suffix_of(copy.source) != suffix_of(source):
                continue
            stored = self._catalog.live_version(copy.document_id)
            if stored is not None:
                return Ready(_version(stored, source_id, source, content_hash, recipe), None)
        return None


def _version(stored: LiveVersion, source_id: str, source: str, content_hash: str, recipe: str) -> NewVersion:
    return NewVersion(
        source_id=source_id,
        source=source,
        document=replace(stored.document, title=retitled(stored.document, source)),
        spans=stored.spans,
        content_hash=content_hash,
        recipe=recipe,
        media_type=stored.media_type,
        size=stored.size,
        vector_keys=stored.vector_keys,
    )
