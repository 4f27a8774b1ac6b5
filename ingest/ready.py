"""A parsed document on its way into a batch, and what is made of its chunks (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ingest.sandbox.parse import indexed_texts
from retrieval.catalog import NewVersion, vector_key
from retrieval.models import embedded_text


@dataclass(frozen=True, slots=True)
class Ready:
    """A parsed document, waiting for its batch.

    Args:
        version: What goes into the catalog.
        data: Its original bytes; None where they are stored already.
        indexed_texts: For each span its tokens for the keyword index, where they are made already.
        job_id: The job that ends when this is visible, and without which it does not become so; None: no job's.
    """

    version: NewVersion
    data: bytes | None
    indexed_texts: tuple[str, ...] | None = None
    job_id: str | None = None


def with_keys(item: Ready, embedder: str | None) -> Ready:
    """Return a document with the key of each chunk's vector.

    Args:
        item: The document; one that has keys keeps them.
        embedder: The collection's; None: there are no vectors, and the keys are None.
    """
    version = item.version
    if version.vector_keys is not None:
        return item
    keys: tuple[bytes | None, ...] = (None,) * len(version.spans)
    if embedder is not None:
        keys = tuple(vector_key(embedder, text) for text in embedded_texts(version))
    return replace(item, version=replace(version, vector_keys=keys))


def embedded_texts(version: NewVersion) -> Iterator[str]:
    """Yield what the embedder sees of each chunk."""
    title, text = version.document.title, version.document.text
    for span in version.spans:
        yield embedded_text(title, span.heading, text[span.start : span.end])


def tokens_of(items: Sequence[Ready]) -> list[str]:
    """Return every chunk's tokens, in order; made here where no worker has made them."""
    texts: list[str] = []
    for item in items:
        texts += item.indexed_texts or indexed_texts(item.version.document, item.version.spans)
    return texts
