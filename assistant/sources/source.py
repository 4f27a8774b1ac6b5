"""A numbered source of an answer: neighbouring chunks of one document version, read as one text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from retrieval.models import Chunk, ScoredChunk


@dataclass(frozen=True, slots=True)
class Source:
    """What `[n]` stands for.

    Args:
        number: The n of `[n]`, from 1; unique in an answer, not always in the order of the sources.
        chunks: One chunk, or neighbours of one version in reading order without a gap; never empty.
    """

    number: int
    chunks: tuple[ScoredChunk, ...]

    @property
    def best(self) -> ScoredChunk:
        """The chunk with the highest score."""
        return max(self.chunks, key=lambda scored: scored.score)

    @property
    def first(self) -> Chunk:
        """The chunk that comes first in the document."""
        return self.chunks[0].chunk

    @property
    def text(self) -> str:
        """The text of all chunks, each character once."""
        text, end = "", self.first.start
        for scored in self.chunks:
            chunk = scored.chunk
            text += chunk.text[max(0, end - chunk.start) :]
            end = max(end, chunk.end)
        return text


def number_chunks(chunks: Sequence[ScoredChunk]) -> tuple[Source, ...]:
    """Return each chunk as a source of its own, numbered from 1."""
    return tuple(Source(number, (chunk,)) for number, chunk in enumerate(chunks, 1))
