"""The chunks that a trace names, as the catalog holds them now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from retrieval.errors import NotFoundError
from retrieval.models import Chunk, Collection


class KnowsChunks(Protocol):
    """What is asked of `retrieval.catalog.Catalog`."""

    def get_collection(self, name_or_id: str) -> Collection:
        """Return a collection by name or id."""

    def live_chunks(self, collection_id: str, chunk_ids: Sequence[str]) -> dict[str, Chunk]:
        """Return those of the chunks that may be shown, by id."""


def cited_chunks(catalog: KnowsChunks, body: Mapping[str, Any]) -> dict[str, Chunk]:
    """Return the chunks of a trace's candidates by id, without those that are gone since.

    Args:
        catalog: The truth.
        body: The trace.
    """
    if body["retrieval"] is None:
        return {}
    try:
        collection = catalog.get_collection(body["collection"])
    except NotFoundError:
        return {}
    return catalog.live_chunks(collection.collection_id, [one["chunk_id"] for one in body["retrieval"]["candidates"]])
