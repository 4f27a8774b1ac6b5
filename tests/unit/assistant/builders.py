"""Chunks, retrievals and a retriever that returns what a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from assistant.events import Turn
from assistant.sources.source import Source
from assistant.window.context import ContextWindow
from assistant.window.draft import draft
from assistant.window.fit import fit
from assistant.window.meter import BoundMeter
from assistant.window.price import price
from retrieval.errors import HuoziError
from retrieval.models import Chunk, Collection, Evidence, Retrieval, ScoredChunk

GOOD = Evidence(coverage=0.9, keyword=30.0, keyword_mass=32.0, similarity=0.9, agreement=0.6, n_chunks=3)
BAD = Evidence(coverage=0.02, keyword=1.0, keyword_mass=40.0, similarity=0.7, agreement=0.0, n_chunks=3)


def source(
    text: str, *, title: str = "员工手册", name: str = "手册.pdf", start: int = 0, coverage: float = 0.9, **fields: Any
) -> ScoredChunk:
    """A retrieved chunk that lies at `start` in its document."""
    chunk = Chunk(
        chunk_id=f"{name}#{start}",
        document_id=f"file_{name}",
        version_id=f"ver_{name}",
        ordinal=0,
        title=title,
        source=name,
        text=text,
        start=start,
        end=start + len(text),
        **fields,
    )
    return ScoredChunk(chunk, score=1.0, keyword=20.0, coverage=coverage)


def packed(
    question: str,
    history: Sequence[Turn],
    sources: Sequence[Source],
    *,
    window_tokens: int,
    answer_tokens: int,
    system: str | None = None,
) -> ContextWindow:
    """Fit a prompt by the bound alone, with 8 tokens around each turn."""
    wanted = draft(question, history, sources, system)
    priced = asyncio.run(price(BoundMeter(8), wanted, window_tokens - answer_tokens))
    return fit(
        priced.draft,
        priced.costs,
        window_tokens=window_tokens,
        answer_tokens=answer_tokens,
        gone=priced.gone,
        n_gone_turns=priced.n_gone_turns,
    )


@dataclass
class FakeRetriever:
    """Returns the same hits for every question, and remembers what it was asked."""

    hits: Sequence[ScoredChunk] = ()
    evidence: Evidence = GOOD
    error: HuoziError | None = None
    asked: list[dict[str, Any]] = field(default_factory=list)

    def retrieve(
        self,
        question: str,
        *,
        collection: str = "default",
        top_k: int | None = None,
        context: Sequence[str] = (),
        filters: Mapping[str, str] = {},
    ) -> Retrieval:
        self.asked.append(
            {"question": question, "collection": collection, "top_k": top_k, "context": context, "filters": filters}
        )
        if self.error is not None:
            raise self.error
        return Retrieval(question, collection, tuple(self.hits), self.evidence)


@dataclass
class FakeCatalog:
    """Knows one collection, and gives every version the same page starts."""

    starts: tuple[int, ...] = ()
    n_documents: int = 2

    def get_collection(self, name_or_id: str, *, counted: bool = False) -> Collection:
        return Collection("vs_1", name_or_id, "none", 0, 0.0, *((self.n_documents, 3) if counted else ()))

    def page_starts(self, version_ids: Sequence[str]) -> dict[str, tuple[int, ...]]:
        return dict.fromkeys(version_ids, self.starts) if self.starts else {}

    def chunk_range(self, version_id: str, first: int, last: int) -> list[Chunk]:
        return []
