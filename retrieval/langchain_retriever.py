"""The retriever as LangChain sees it: a thin adapter."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import PrivateAttr

from retrieval.data_folder import DataFolder
from retrieval.models import ScoredChunk
from retrieval.settings import RetrievalSettings


class HybridRetriever(BaseRetriever):
    """Keyword and vector search over one collection, fused and reranked.

    Args:
        collection: The collection's name or id.
        k: Most documents to return.
        filters: Title, source or metadata values that a document must have.
        data_dir: The data folder; None: as `HUOZI_DATA_DIR` and the other settings say.
        folder: A data folder that is open already; the retriever then does not close it.

    Raises:
        DataFolderOwnedError: If another process has the data folder open.

    Example:
        >>> from retrieval import HybridRetriever
        >>> HybridRetriever(collection="default", k=3).invoke("年假有多少天")  # doctest: +SKIP
    """

    collection: str = "default"
    k: int = 5
    filters: Mapping[str, str] = {}
    data_dir: Path | None = None

    _folder: DataFolder = PrivateAttr()
    _is_ours: bool = PrivateAttr(default=False)

    def __init__(self, *, folder: DataFolder | None = None, **fields: Any) -> None:
        super().__init__(**fields)
        self._is_ours = folder is None
        if folder is None:
            settings = RetrievalSettings.from_environment()
            if self.data_dir is not None:
                settings = settings.model_copy(update={"data_dir": self.data_dir})
            folder = DataFolder.open(settings, purpose="retriever")
        self._folder = folder

    def close(self) -> None:
        """Give the data folder back, if this retriever opened it."""
        if self._is_ours:
            self._is_ours = False
            self._folder.close()

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, k: int | None = None
    ) -> list[Document]:
        found = self._folder.retriever.retrieve(
            query, collection=self.collection, top_k=k or self.k, filters=self.filters
        )
        return [as_langchain(hit) for hit in found.hits]


def as_langchain(hit: ScoredChunk) -> Document:
    """Return a hit as a LangChain document: its text as content, the contract's other fields as metadata."""
    chunk = hit.chunk
    return Document(
        id=chunk.chunk_id,
        page_content=chunk.text,
        metadata={
            **chunk.metadata,
            "chunk_id": chunk.chunk_id,
            "document_id": chunk.document_id,
            "title": chunk.title,
            "source": chunk.source,
            "page": chunk.page,
            "heading": list(chunk.heading_at(chunk.start)),
            "start": chunk.start,
            "end": chunk.end,
            "score": hit.score,
        },
    )
