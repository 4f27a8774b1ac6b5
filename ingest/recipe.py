"""Names the way in which text and chunks are made, so that a change of it makes unchanged files worth reading again."""

from __future__ import annotations

from ingest.settings import IngestSettings

RECIPE_VERSION = 3
"""Raise it when loaders or splitter give other text or chunks: unchanged files are then read again."""


def recipe_of(settings: IngestSettings) -> str:
    """Return the name under which versions are kept; never empty."""
    return f"{RECIPE_VERSION} {settings.split.max_chars}/{settings.split.min_chars}"
