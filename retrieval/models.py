"""The shared words of the project: frozen records, standard library only.

Offsets are character offsets (Python string indexes) into a document version's parsed text, never bytes.
Pages are 1-based. Scores mean higher is better, everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any, Literal

BlockKind = Literal["heading", "paragraph", "table"]
Sections = tuple[tuple[int, tuple[str, ...]], ...]
"""(offset in the parsed text, heading path from there on), ascending."""


@dataclass(frozen=True, slots=True)
class Block:
    """A run of a document's text with one role, as its loader saw it.

    Args:
        kind: `heading`; `paragraph`; or `table`, in which each line is one row and no row may be cut.
        start: First character.
        end: One past the last character.
        level: 1 for the highest heading; 0 for what is no heading.
        places: For a sheet's table, the cells of each line, e.g. `A5:F5`; empty elsewhere.
    """

    kind: BlockKind
    start: int
    end: int
    level: int = 0
    places: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """One source item after loading.

    Args:
        title: What a reader would call it; never empty.
        text: The parsed text that every offset counts in; lines end with a line feed.
        page_starts: Offset at which each page starts, page 1 first; empty where the format has no pages.
        blocks: Ordered and disjoint; empty where the loader saw no structure. White space may lie between blocks.
        metadata: Small facts (author, date, sheet) that filters may use.
    """

    title: str
    text: str
    page_starts: tuple[int, ...] = ()
    blocks: tuple[Block, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Span:
    """A chunk before it has an identity: where the splitter cut.

    Args:
        start: First character in the document's text.
        end: One past the last.
        page: Page on which the span starts, or None.
        heading: Heading path, outermost first, that all of the span shares.
        sections: Where several sections share a span: the offset at which each starts, with its whole path.
    """

    start: int
    end: int
    page: int | None = None
    heading: tuple[str, ...] = ()
    sections: Sections = ()


def context_line(title: str, heading: Sequence[str]) -> str:
    """Return title and heading path on one line."""
    return " > ".join((title, *(part for part in heading if part != title)))


def embedded_text(title: str, heading: Sequence[str], text: str) -> str:
    """Return what the embedder sees of a chunk."""
    return f"{context_line(title, heading)}\n{text}"


@dataclass(frozen=True, slots=True)
class Chunk:
    """A span of a document version that is indexed, embedded and cited; `text` is exactly parsed_text[start:end].

    `heading` and `sections` are as in Span: the first is indexed with the text, people are shown `heading_at`.
    """

    chunk_id: str
    document_id: str
    version_id: str
    ordinal: int
    title: str
    source: str
    text: str
    start: int
    end: int
    page: int | None = None
    heading: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    sections: Sections = ()

    def __reduce__(self) -> tuple[type[Chunk], tuple[Any, ...]]:
        """Pickle the values alone, all at once: a frozen class with slots is three times slower, field by field."""
        return Chunk, _values_of(self)

    def heading_at(self, offset: int) -> tuple[str, ...]:
        """Return the heading path at an offset of the parsed text."""
        path = self.heading
        for start, section in self.sections:
            if start > offset:
                break
            path = section
        return path

    @property
    def context_line(self) -> str:
        """Title and heading path on one line: indexed and embedded with the text, never cited as its quote."""
        return context_line(self.title, self.heading)

    @property
    def embedded_text(self) -> str:
        """What the embedder sees."""
        return embedded_text(self.title, self.heading, self.text)


_values_of = attrgetter(*(each.name for each in fields(Chunk)))


@dataclass(frozen=True, slots=True)
class Hit:
    """One line of an index's ranking: a chunk's id and the index's own score."""

    chunk_id: str
    score: float

    def __reduce__(self) -> tuple[type[Hit], tuple[str, float]]:
        """Pickle the values alone, as `Chunk` does."""
        return Hit, (self.chunk_id, self.score)


@dataclass(frozen=True, slots=True)
class ScoredChunk:
    """A retrieved chunk.

    Args:
        chunk: The chunk, as the catalog holds it.
        score: Final score after fusion and rerank.
        keyword: BM25 score, or None if the keyword list does not have it.
        similarity: Cosine with the question, or None if the vector list does not have it.
        coverage: In [0, 1]: idf-weighted share of the question's tokens in the chunk's best sentence.
        fused: Score of keyword and vectors together, before the rerank; None where it is not known.
    """

    chunk: Chunk
    score: float
    keyword: float | None = None
    similarity: float | None = None
    coverage: float = 0.0
    fused: float | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What retrieval knows about a question as a whole: the input of the refusal decision.

    Args:
        coverage: Best coverage of the first three chunks, in [0, 1]; stricter than a ScoredChunk's: pairs count too.
        keyword: BM25 score of the first chunk of the keyword list; 0 when it is empty.
        keyword_mass: BM25 score that a chunk holding every token of the question (and of its context, at its weight)
            once would have, at average length.
        similarity: Highest cosine of the vector list; None without an embedder.
        agreement: Share of the keyword list's first ten that are in the vector list's first ten; None without one.
        n_chunks: Live chunks in the collection.
    """

    coverage: float = 0.0
    keyword: float = 0.0
    keyword_mass: float = 0.0
    similarity: float | None = None
    agreement: float | None = None
    n_chunks: int = 0


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Everything one retrieval found, best chunk first."""

    question: str
    collection: str
    hits: tuple[ScoredChunk, ...]
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Collection:
    """A named set of documents whose chunks share one embedder.

    Args:
        collection_id: `vs_...`, in URLs and as the indexes' name.
        name: The user's word; any Unicode.
        embedder: Embedder spec, e.g. `e5` or `none`.
        dim: Vector dimension; 0 for `none`.
        created_at: Seconds since the epoch.
        n_documents: Live documents.
        n_chunks: Live chunks.
        calibration: What was learnt from its owner's questions, as whoever learnt it wrote it; None: nothing.
        n_changes: Goes up whenever documents of it become visible or invisible.
    """

    collection_id: str
    name: str
    embedder: str
    dim: int
    created_at: float
    n_documents: int = 0
    n_chunks: int = 0
    calibration: Mapping[str, Any] | None = None
    n_changes: int = 0


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A live document as the catalog lists it; `size` in bytes, `updated_at` in seconds since the epoch."""

    document_id: str
    collection_id: str
    version_id: str
    source: str
    title: str
    content_hash: str
    media_type: str
    size: int
    n_chunks: int
    n_pages: int | None
    updated_at: float
