"""The constant-time embedder as `HUOZI_EMBEDDER=fake`: what is measured is everything but a model."""

from __future__ import annotations

from retrieval.embedders import REGISTRY, Backend
from retrieval.protocols import Embedder
from tests.fakes import FakeEmbedder

NAME = "fake"
DIM = 384


def register() -> None:
    """Make the name known to this process."""
    REGISTRY[NAME] = Backend("benchmarks.embedder", needs=(), dim=DIM)


def create(argument: str, *, base_url: str | None, api_key: str | None) -> Embedder:
    """Build it."""
    return FakeEmbedder(DIM, name=NAME)
