"""Documents that are text already, e.g. the lines of a corpus."""

from __future__ import annotations

import codecs
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ingest.loaders.base import LoadedFile
from ingest.settings import LoadSettings

# A lone "# " may be a hash sign in a sentence; several lines of it are Markdown.
_MARKDOWN_HEADING = re.compile(r"^#{1,6} \S", re.MULTILINE)
MIN_MARKDOWN_HEADINGS = 2


@dataclass(frozen=True, slots=True)
class TextRecord:
    """A document that is text already.

    Args:
        source_id: Identity within the collection; also what is shown.
        title: May be empty.
        text: Its text; Markdown headings are understood.
        metadata: For filters.
    """

    source_id: str
    title: str
    text: str
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def data(self) -> bytes:
        """The bytes that are hashed and kept as the original."""
        return self.text.encode("utf-8", "replace")

    @property
    def label_hash(self) -> str:
        """Eight hex digits that change with title and metadata."""
        label = repr((self.title, sorted(self.metadata.items())))
        return hashlib.sha256(label.encode("utf-8", "replace")).hexdigest()[:8]


def load_record(record: TextRecord, settings: LoadSettings) -> LoadedFile:
    """Parse a record as Markdown if it is written so, else as plain text.

    Raises:
        IngestError: As for a file of the same content.
    """
    # Late, as in `loaders`: the Markdown parser is not needed for plain text.
    if len(_MARKDOWN_HEADING.findall(record.text)) >= MIN_MARKDOWN_HEADINGS:
        from ingest.loaders.markdown import load
    else:
        from ingest.loaders.text import load
    # With a mark, as its encoding is no question: nothing to detect, and nothing to get wrong in a short text.
    loaded = load(codecs.BOM_UTF8 + record.data, source=record.source_id, settings=settings)
    title = record.title.strip() or loaded.document.title
    metadata = {**loaded.document.metadata, **record.metadata}
    return replace(loaded, document=replace(loaded.document, title=title, metadata=metadata))
