"""Citations: a number in an answer, and the words of a document that it stands for (pure)."""

from __future__ import annotations

import re
from collections.abc import Callable

from assistant.events import Citation
from retrieval.models import Chunk, ScoredChunk

PageOf = Callable[[Chunk, int], int | None]
"""Chunk and character offset -> 1-based page, or None."""

_PLAIN_MARKERS = re.compile(r"(?:\[\d+\])+")


def page_of_chunk(chunk: Chunk, offset: int) -> int | None:
    """Return the page on which the chunk starts: all that is known without the document's page starts."""
    del offset
    return chunk.page


def without_markers(text: str) -> str:
    """Return the answer without its `[n]` markers."""
    return _PLAIN_MARKERS.sub("", text)


def cite(number: int, source: ScoredChunk, start: int, end: int, page_of: PageOf = page_of_chunk) -> Citation:
    """Return the citation of source `number` that quotes `source.chunk.text[start:end]`."""
    chunk = source.chunk
    first, last = chunk.start + start, chunk.start + end
    return Citation(number, source, chunk.text[start:end], first, last, page_of(chunk, first))
