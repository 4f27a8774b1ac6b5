"""Plain text: its lines are kept as they are; the splitter finds headings and articles in them."""

from __future__ import annotations

from ingest.clean import clean_text
from ingest.encoding import decode
from ingest.errors import EmptyFileError, FileTooLargeError
from ingest.loaders.base import FileNameTitle, LoadedFile, stem
from ingest.settings import LoadSettings
from retrieval.models import Document


def load(data: bytes, *, source: str, settings: LoadSettings) -> LoadedFile:
    """Decode and clean."""
    decoded = decode(data, source=source)
    text = clean_text(decoded.text)
    if not text.strip():
        raise EmptyFileError(source)
    if len(text) > settings.max_text_chars:
        raise FileTooLargeError(source, len(text), settings.max_text_chars // (1024 * 1024), unpacked=True)
    document = Document(title=FileNameTitle(stem(source)), text=text, metadata={"encoding": decoded.encoding})
    return LoadedFile(document, "text/plain", "text")
