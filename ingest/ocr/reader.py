"""What loaders call: one document's pictures -> lines or paragraphs, and a count of those that nobody read."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ingest.errors import IngestError, NeedsOcrError
from ingest.loaders.builder import DocumentBuilder
from ingest.loaders.paragraphs import add_paragraphs
from ingest.loaders.pdf_line import Line
from ingest.loaders.pdf_lines import Paragraph, layout
from ingest.ocr.availability import is_on
from ingest.ocr.boxes import TextBox, as_lines, evened
from ingest.ocr.images import Picture
from ingest.ocr.page_clock import timed
from ingest.settings import LoadSettings

if TYPE_CHECKING:
    from ingest.ocr.images import Pixels

_USUAL_POINTS = 13.0
"""Height of a box around print of 10.5 points, the usual size."""
_MIN_SIDE = 24
"""A picture that is lower or narrower is a rule, a bullet or a border."""


class PictureReader:
    """Reads the pictures of one document, where that is wanted and the extra is there.

    Args:
        settings: Limits, and what is wanted.
        source: For messages.
    """

    def __init__(self, settings: LoadSettings, source: str) -> None:
        self._settings = settings.ocr
        self._source = source
        self._seen: set[bytes] = set()
        self.is_on = is_on(settings.ocr)
        self.n_unread = 0  # Pictures or pages that would be read if OCR were on.

    @property
    def is_looking(self) -> bool:
        """Whether pictures inside the document are of interest, and their most is not reached."""
        return self._settings.embedded and len(self._seen) < self._settings.max_pictures

    def is_taken(self, content: bytes) -> bool:
        """Tell whether a picture inside the document is to be read now; each is once, and counted where OCR is off."""
        key = hashlib.sha256(content).digest()
        if not self.is_looking or key in self._seen:
            return False
        self._seen.add(key)
        self.n_unread += not self.is_on
        return self.is_on

    @property
    def dpi(self) -> int:
        """Dots an inch for what is drawn to be read."""
        return self._settings.dpi

    def boxes(self, pixels: Pixels) -> list[TextBox]:
        """Return the lines of text of a picture or page; only where `is_on`."""
        from ingest.ocr import engine

        with timed():
            return engine.read(pixels, self._settings)

    def lines(self, picture: Picture) -> list[list[Line]]:
        """Return the lines of each page of a picture; only where `is_on`."""
        return evened([_lines_of(self.boxes(page), page.shape[0]) for page in picture.pages()])

    def is_worth_reading(self, width: float, height: float) -> bool:
        """Tell a picture that may hold text from a logo, by its size in pixels."""
        return width * height >= self._settings.min_pixels and min(width, height) >= _MIN_SIDE

    def take(self, data: bytes) -> list[Paragraph]:
        """Return the text of a picture file inside a document.

        Small ones, repeated ones, damaged ones and vector graphics have none. Where OCR is off it is counted instead.
        """
        if not self.is_looking:
            return []
        try:
            picture = Picture(data, source=self._source, max_pixels=self._settings.max_pixels)
            if not self.is_worth_reading(*picture.size) or not self.is_taken(data):
                return []
            return layout(self.lines(picture))
        except IngestError:
            return []  # The document's own text is worth more than a picture that cannot be decoded.

    def check_read(self, builder: DocumentBuilder) -> None:
        """Check that a document without any text is not one whose pictures were left unread.

        Raises:
            NeedsOcrError: If it is.
        """
        if self.n_unread and not builder.length:
            raise NeedsOcrError(self._source, self.n_unread, is_picture=True)

    def add_to(self, builder: DocumentBuilder, data: bytes, *, label: str = "") -> None:
        """Add the text of a picture file inside a document where the builder stands; `label` first, if there is any."""
        paragraphs = self.take(data)
        if paragraphs and label:
            builder.paragraph(label)
        add_paragraphs(builder, paragraphs, has_headings=False)


def _lines_of(boxes: Sequence[TextBox], height: float) -> list[Line]:
    """Return a picture's lines as if it were a sheet with print of the usual size (pure)."""
    usual = sorted(box.height for box in boxes)[len(boxes) // 2] if boxes else 1.0
    # Layout knows sizes in points; a photograph has none of its own.
    return as_lines(boxes, height=height, scale=_USUAL_POINTS / max(usual, 1.0))
