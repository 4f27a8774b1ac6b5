"""Names the way in which text and chunks are made, so that a change of it makes unchanged files worth reading again."""

from __future__ import annotations

from ingest.settings import IngestSettings

RECIPE_VERSION = 4
"""Raise it when loaders or splitter give other text or chunks: unchanged files are then read again."""


def recipe_of(settings: IngestSettings) -> str:
    """Return the name under which versions are kept; never empty."""
    return f"{RECIPE_VERSION} {settings.split.max_chars}/{settings.split.min_chars}"


UNREAD = " unread"
"""Ends the recipe of a version whose file holds scanned pages or pictures that were not read, for want of OCR."""


def recipe_made(recipe: str, *, needs_ocr: bool) -> str:
    """Return the recipe to keep with a version: also whether pictures in its file were left unread."""
    return recipe + UNREAD if needs_ocr else recipe


def is_made_so(stored: str, recipe: str, *, reads_pictures: bool) -> bool:
    """Tell whether a version need not be made again: only what was left unread is, and only once OCR is there."""
    return stored == recipe or (stored == recipe + UNREAD and not reads_pictures)
