"""Bytes -> Document. The content chooses the loader, the suffix only where the content leaves it open.

To add a format: a module here with a `load` function (see `base.Loader`), its name in `_NAMES`, and its suffix and
signature in `formats.py`.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from importlib import import_module
from typing import cast

from ingest.errors import BrokenFileError
from ingest.loaders.base import LoadedFile, Loader
from ingest.loaders.formats import SUFFIXES, is_candidate, recognise
from ingest.settings import LoadSettings

__all__ = ["SUFFIXES", "LoadedFile", "is_candidate", "load"]

DAMAGE = (
    *(ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, NotImplementedError, RecursionError),
    *(SyntaxError, TypeError, ValueError, struct.error, zipfile.BadZipFile, zlib.error),
)
"""What parsers raise for contents that contradict themselves, beyond what their loaders foresee.

Found by mutating files (lxml's are syntax errors). Others are defects, of a loader or its library.
"""
_NAMES = (
    *("text", "markdown", "html", "pdf", "docx", "xlsx", "xls", "csv", "pptx", "eml", "msg", "json", "rtf", "odt"),
    *("epub", "image"),
)
_MODULES = {name: f"ingest.loaders.{name}" for name in _NAMES}


def load(data: bytes, *, source: str, settings: LoadSettings | None = None) -> LoadedFile:
    """Parse one file.

    Args:
        data: The whole content.
        source: Path, name or URL: its suffix helps, its stem is the last resort for a title.
        settings: Limits; defaults if None.

    Raises:
        IngestError: One of its kin, saying why this file cannot be ingested.
    """
    settings = settings or LoadSettings()
    name = recognise(data, source=source, settings=settings)
    loader = cast(Loader, import_module(_MODULES[name]).load)  # Late: each format's parser is heavy.
    try:
        return loader(data, source=source, settings=settings)
    except DAMAGE as exc:
        raise BrokenFileError(source, name, f"{type(exc).__name__}: {exc}"[:200]) from exc
    except BaseException as exc:
        # A library in Rust that meets what it held impossible: no `Exception`, and without a name to import.
        if type(exc).__name__ == "PanicException":
            raise BrokenFileError(source, name, f"{exc}"[:200]) from exc
        raise
