"""A picture file's bytes -> its pixels, however it is stored; no more of them than fits."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ingest.errors import BrokenFileError, ParserLimitError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL.Image import Image

    Pixels = npt.NDArray[np.uint8]
    """(height, width, 3), red first."""

MAX_SIDE = 2000
"""Longest side that is read, in pixels: of a sheet of A4 170 dots an inch; a larger picture is made smaller."""
MEDIA_TYPES = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
    "WEBP": "image/webp",
    "GIF": "image/gif",
}
"""What is decoded, by Pillow's name."""
_DAMAGE = (OSError, SyntaxError, ValueError, TypeError, EOFError, IndexError, KeyError, ArithmeticError)
_PAGED = ("TIFF",)
"""Formats whose frames are pages; of the others' frames (films) the first is read."""


class Picture:
    """An opened picture file: its format, its size, its pages.

    Args:
        data: The file.
        source: For messages.
        max_pixels: Most pixels of one page.

    Raises:
        BrokenFileError: If it is no picture of a known format, or damaged.
        ParserLimitError: If it has more pixels.
    """

    def __init__(self, data: bytes, *, source: str, max_pixels: int) -> None:
        self._source = source
        self._max_pixels = max_pixels
        self._image = self._decoded(lambda: _open(data))
        self.media_type = MEDIA_TYPES[str(self._image.format)]
        frames = self._decoded(lambda: int(getattr(self._image, "n_frames", 1)))
        self.is_paged = self._image.format in _PAGED and frames > 1
        self.n_pages = frames if self.is_paged else 1

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the first page, in pixels."""
        width, height = self._image.size
        return int(width), int(height)

    def pages(self) -> Iterator[Pixels]:
        """Yield each page's pixels, upright, on white, no side longer than `MAX_SIDE`."""
        for number in range(self.n_pages):
            yield self._decoded(lambda number=number: self._page(number))

    def _page(self, number: int) -> Pixels:
        import numpy as np
        from PIL import ImageOps

        image = self._image
        if number:
            image.seek(number)
        width, height = image.size
        if width * height > self._max_pixels:
            raise ParserLimitError(self._source, "pixels", self._max_pixels)
        if image.format == "JPEG":
            image.draft("RGB", (MAX_SIDE, MAX_SIDE))  # Decodes at half, a quarter or an eighth, but never below that.
        image = ImageOps.exif_transpose(image)
        image.thumbnail((MAX_SIDE, MAX_SIDE))
        return np.asarray(_on_white(image), dtype=np.uint8)

    def _decoded(self, decode: Any) -> Any:
        try:
            with warnings.catch_warnings():
                # Of sizes and of odd metadata: the first is bounded here, the second is not read.
                warnings.simplefilter("ignore")
                return decode()
        except _DAMAGE as exc:
            reason = str(exc).split("\n")[0][:100] or type(exc).__name__
            raise BrokenFileError(self._source, "image", reason) from exc


def _open(data: bytes) -> Image:
    from PIL import Image

    try:
        return Image.open(io.BytesIO(data), formats=[name for name in MEDIA_TYPES if name != "MPO"])
    except Image.DecompressionBombError as exc:
        raise ValueError("too many pixels") from exc


def _on_white(image: Image) -> Image:
    """Return it in red, green and blue; what shows through is white, as on paper."""
    import numpy as np
    from PIL import Image

    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        # More than eight bits: scaled by what is there, as scanners use only part of the range.
        values = np.asarray(image, dtype=np.float32)
        low, high = float(values.min()), float(values.max())
        scaled = (values - low) * (255.0 / max(high - low, 1.0))
        return Image.fromarray(scaled.astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        shown = image.convert("RGBA")
        paper = Image.new("RGB", shown.size, "white")
        paper.paste(shown, mask=shown.getchannel("A"))
        return paper
    return image.convert("RGB")
