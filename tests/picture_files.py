"""Files that hold pictures: scanned PDFs, office files with screenshots, made of the sheets in tests/pictures."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import pypdfium2 as pdfium
from PIL import Image

FOLDER = Path(__file__).parent / "pictures"


def sheet(name: str) -> bytes:
    """Return a committed sheet: `notice`, `traditional`, `table` or `columns`."""
    return (FOLDER / f"{name}.png").read_bytes()


def turned(name: str, degrees: float) -> bytes:
    """Return a sheet turned against the clock, on white."""
    image = Image.open(FOLDER / f"{name}.png").convert("L")
    return png(image.rotate(degrees, expand=True, fillcolor=255))


def png(image: Image.Image) -> bytes:
    """Return a picture as a file."""
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def scanned_pdf(*names: str) -> bytes:
    """Return a PDF whose pages are sheets without a text layer."""
    pages = [Image.open(FOLDER / f"{name}.png").convert("L") for name in names]
    file = io.BytesIO()
    pages[0].save(file, "PDF", save_all=True, append_images=pages[1:], resolution=110)
    return file.getvalue()


def joined_pdf(parts: Sequence[bytes]) -> bytes:
    """Return the pages of several PDFs as one."""
    whole = pdfium.PdfDocument.new()
    for part in parts:
        with pdfium.PdfDocument(part) as source:
            whole.import_pages(source)
    return _saved(whole)


def pdf_with_picture(data: bytes, name: str, *, left: float, bottom: float, width: float) -> bytes:
    """Return a PDF with a sheet put on its first page, in points."""
    image = Image.open(FOLDER / f"{name}.png").convert("RGB")
    pdf = pdfium.PdfDocument(data)
    page = pdf[0]
    shown = pdfium.PdfImage.new(pdf)
    shown.set_bitmap(pdfium.PdfBitmap.from_pil(image))
    height = width * image.height / image.width
    shown.set_matrix(pdfium.PdfMatrix().scale(width, height).translate(left, bottom))
    page.insert_obj(shown)
    page.gen_content()
    return _saved(pdf)


def docx_with(*names: str, before: str = "前文。", after: str = "后文。", damaged: bool = False) -> bytes:
    """Return a Word file with sheets between two paragraphs; empty ones are left out. Damaged sheets have a hole."""
    from docx import Document

    document = Document()
    for text in filter(None, [before]):
        document.add_paragraph(text)
    for name in names:
        data = sheet(name)
        document.add_picture(io.BytesIO(data[:200] + bytes(900) + data[1100:] if damaged else data))
    for text in filter(None, [after]):
        document.add_paragraph(text)
    return _written(document)


def pptx_with(name: str, *, title: str) -> bytes:
    """Return a presentation of one slide with a sheet."""
    from pptx import Presentation

    presentation = Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[5 if title else 6])
    if title:
        slide.shapes.title.text = title
    slide.shapes.add_picture(io.BytesIO(sheet(name)), 0, 3_000_000)
    return _written(presentation)


def xlsx_with(name: str, *, cell: str) -> bytes:
    """Return a workbook of one row with a sheet's picture at a cell."""
    from openpyxl import Workbook
    from openpyxl.drawing.image import Image as Shown

    workbook = Workbook()
    workbook.active.title = "台账"
    workbook.active.append(["编号", "名称"])
    workbook.active.append(["A1", "水泵"])
    workbook.active.add_image(Shown(io.BytesIO(sheet(name))), cell)
    return _written(workbook)


def _written(file: object) -> bytes:
    target = io.BytesIO()
    file.save(target)  # type: ignore[attr-defined]
    return target.getvalue()


def _saved(pdf: pdfium.PdfDocument) -> bytes:
    target = io.BytesIO()
    pdf.save(target)
    pdf.close()
    return target.getvalue()
