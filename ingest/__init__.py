"""Files in, chunks stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ingest.pipeline import Ingestor
    from ingest.records import TextRecord
    from ingest.report import IngestFailure, IngestProgress, IngestReport

__all__ = ["IngestFailure", "IngestProgress", "IngestReport", "Ingestor", "TextRecord"]

_HOMES = {
    "Ingestor": "ingest.pipeline",
    "TextRecord": "ingest.records",
    "IngestFailure": "ingest.report",
    "IngestProgress": "ingest.report",
    "IngestReport": "ingest.report",
}


def __getattr__(name: str) -> object:
    # Late: opening a data folder imports SQLAlchemy and tantivy, which `huozi --help` must not pay for.
    from importlib import import_module

    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
