"""An open data folder on real parts, with the fake embedder in place of a model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from retrieval.data_folder import DataFolder
from retrieval.embedders import REGISTRY, Backend
from retrieval.settings import RetrievalSettings
from tests.fakes import FakeEmbedder

FAKE = Backend("tests.stores", needs=(), dim=32)


def create(_argument: str, **_options: object) -> FakeEmbedder:
    """Build the embedder, as the registry asks its modules to."""
    return FakeEmbedder(32)


def settings(
    path: Path, *, embedder: str = "fake", chroma_url: str | None = None, chroma_texts: bool = True
) -> RetrievalSettings:
    """Return settings of a data folder whose embedder is the fake one."""
    REGISTRY.setdefault("fake", FAKE)
    return RetrievalSettings(data_dir=path, embedder=embedder, chroma_url=chroma_url, chroma_texts=chroma_texts)


@contextmanager
def open_folder(
    path: Path, *, embedder: str = "fake", chroma_url: str | None = None, chroma_texts: bool = True
) -> Iterator[DataFolder]:
    """Open a data folder for the length of a test."""
    chosen = settings(path, embedder=embedder, chroma_url=chroma_url, chroma_texts=chroma_texts)
    with DataFolder.open(chosen, purpose="test") as folder:
        yield folder
