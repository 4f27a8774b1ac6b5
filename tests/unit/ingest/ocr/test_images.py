import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ingest.errors import BrokenFileError, ParserLimitError
from ingest.ocr.images import MAX_SIDE, Picture


def encoded(image, name, **options):
    file = io.BytesIO()
    image.save(file, name, **options)
    return file.getvalue()


def sheet(mode="RGB", size=(60, 40)):
    """Return white paper with a black bar at its left."""
    image = Image.new(mode, size, "white")
    ImageDraw.Draw(image).rectangle((0, 0, 9, size[1]), fill="black")
    return image


def opened(data, max_pixels=10_000_000):
    return Picture(data, source="图.png", max_pixels=max_pixels)


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("PNG", "image/png"),
        ("JPEG", "image/jpeg"),
        ("BMP", "image/bmp"),
        ("TIFF", "image/tiff"),
        ("WEBP", "image/webp"),
        ("GIF", "image/gif"),
    ],
)
def test_picture_is_decoded_when_its_format_is_known(name, media_type):
    picture = opened(encoded(sheet(), name))
    [pixels] = picture.pages()

    assert (picture.media_type, picture.size, pixels.shape, pixels.dtype) == (
        media_type,
        (60, 40),
        (40, 60, 3),
        np.uint8,
    )
    assert pixels[:, :8].max() < 40 and pixels[:, 14:].min() > 215


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK", "I;16"])
def test_picture_is_dark_on_white_when_its_colours_are_stored_otherwise(mode):
    if mode == "I;16":
        values = np.asarray(sheet("L"), dtype=np.uint16) * 16  # A scanner's twelve bits.
        image = Image.fromarray(values)
    elif mode in ("LA", "RGBA"):
        image = sheet("L").convert(mode)
        image.putalpha(Image.eval(sheet("L"), lambda value: 255 - value))  # The paper is nothing but transparent.
    else:
        image = sheet().convert(mode)
    [pixels] = opened(encoded(image, "TIFF" if mode in ("CMYK", "I;16") else "PNG")).pages()

    assert pixels[:, :8].max() < 40 and pixels[:, 14:].min() > 215


def test_photograph_is_turned_when_its_camera_was():
    exif = Image.Exif()
    exif[0x0112] = 6  # The camera's right side is up.
    [pixels] = opened(encoded(sheet(), "JPEG", exif=exif)).pages()

    assert pixels.shape == (60, 40, 3)
    assert pixels[:8].max() < 40  # The bar is above now.


def test_pages_are_all_there_when_a_tiff_has_several():
    picture = opened(encoded(sheet(), "TIFF", save_all=True, append_images=[sheet(size=(30, 20)), sheet()]))

    assert (picture.is_paged, picture.n_pages) == (True, 3)
    assert [page.shape[:2] for page in picture.pages()] == [(40, 60), (20, 30), (40, 60)]


def test_first_picture_is_taken_when_a_gif_moves():
    moving = encoded(sheet(), "GIF", save_all=True, append_images=[Image.new("RGB", (60, 40), "red")])
    picture = opened(moving)

    assert (picture.is_paged, len(list(picture.pages()))) == (False, 1)


def test_picture_is_made_smaller_when_it_is_large():
    [pixels] = opened(encoded(Image.new("L", (3 * MAX_SIDE, 300), "white"), "PNG")).pages()

    assert pixels.shape == (100, MAX_SIDE, 3)


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n" + bytes(40),
        encoded(sheet(), "PNG")[:60],
        encoded(sheet(size=(400, 400)), "JPEG")[:300],
        b"II*\0" + bytes(20),
        b"%!PS-Adobe-3.0 EPSF-3.0\n",  # Formats that Pillow hands to other programs are not opened.
    ],
)
def test_picture_is_refused_when_it_is_damaged(data):
    with pytest.raises(BrokenFileError, match="cannot be read as image"):
        list(opened(data).pages())


def test_picture_is_refused_when_it_has_too_many_pixels():
    bomb = encoded(Image.new("1", (5000, 5000)), "PNG")
    assert len(bomb) < 10_000

    with pytest.raises(ParserLimitError, match="more than the limit of 1000000 pixels") as caught:
        list(opened(bomb, max_pixels=1_000_000).pages())

    assert "HUOZI_OCR__MAX_PIXELS" in str(caught.value)


def test_picture_is_refused_when_it_claims_more_than_can_be():
    header = bytearray(encoded(Image.new("L", (10, 10)), "BMP"))
    header[18:26] = (60_000).to_bytes(4, "little") * 2

    with pytest.raises((BrokenFileError, ParserLimitError)):
        list(opened(bytes(header)).pages())
