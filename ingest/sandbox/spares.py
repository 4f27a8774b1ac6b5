"""Workers that a run has done with, kept for the next one: to start another takes longer than to parse most files."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from ingest.sandbox.lane import Lane
from ingest.settings import IngestSettings
from retrieval.spares import Spares

SPARES: Spares[Lane[Any]] = Spares()
"""This process's: a worker belongs to no data folder, but to limits and sizes."""


def kind_of(settings: IngestSettings) -> Hashable:
    """Return what a worker works by; the other settings are the parent's."""
    return settings.load, settings.split
