"""A numbered source of an answer: neighbouring chunks of one document version, read as one text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from retrieval.models import Chunk, ScoredChunk

Span = tuple[int, int]


@dataclass(frozen=True)
class Source:
    """What `[n]` stands for.

    Args:
        number: The n of `[n]`, from 1; unique in an answer, not always in the order of the sources.
        chunks: One chunk, or neighbours of one version in reading order without a gap; never empty.
        value: What it is worth to the answer, above 0: whoever has no room for all leaves out what is worth least for
            its tokens.
        table_header: The first row of the table in whose middle the text begins; shown above it, never cited.
        omitted: Where `text` was cut to save room, ascending (start, end) in it.
    """

    number: int
    chunks: tuple[ScoredChunk, ...]
    value: float = 1.0
    table_header: str = ""
    omitted: tuple[Span, ...] = ()

    @property
    def best(self) -> ScoredChunk:
        """The chunk with the highest score."""
        return max(self.chunks, key=lambda scored: scored.score)

    @property
    def first(self) -> Chunk:
        """The chunk that comes first in the document."""
        return self.chunks[0].chunk

    @cached_property
    def text(self) -> str:
        """The text of all chunks, each character once; white space that lay between two is a line end."""
        text, end = "", self.first.start
        for scored in self.chunks:
            chunk = scored.chunk
            gap = "\n" if chunk.start > end else ""
            text += gap + chunk.text[max(0, end - chunk.start) :]
            end = max(end, chunk.end)
        return text


def number_chunks(chunks: Sequence[ScoredChunk]) -> tuple[Source, ...]:
    """Return each chunk as a source of its own, numbered from 1."""
    return tuple(Source(number, (chunk,)) for number, chunk in enumerate(chunks, 1))
