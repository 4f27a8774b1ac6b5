"""Query in, scored chunks out; the lowest package, so it owns the shared words and the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retrieval.langchain_retriever import HybridRetriever

__all__ = ["HybridRetriever"]


def __getattr__(name: str) -> object:
    # LangChain takes 0.4 s to import: only who asks for the adapter pays.
    if name == "HybridRetriever":
        from retrieval.langchain_retriever import HybridRetriever

        return HybridRetriever
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
