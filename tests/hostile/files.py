"""The hostile documents as files, for real ingestion."""

from __future__ import annotations

import io
from pathlib import Path

from docx import Document
from docx.shared import Pt, RGBColor

from tests.hostile.documents import Hostile
from tests.pdf_files import make_pdf


def write(document: Hostile, folder: Path) -> Path:
    """Write the document's file, and return its path."""
    name = document.filled(document.file_name) or f"{document.number:03d}-{document.name}"
    path = folder / f"{name}.{document.form}"
    path.write_bytes(_BYTES[document.form](document, document.filled(_with_fact(document))))
    return path


def _with_fact(document: Hostile) -> str:
    if "{fact}" in document.body:
        return document.body.replace("{fact}", document.fact)
    if document.form == "html":
        return f"<p>{document.fact}</p>{document.body}"
    return f"{document.fact}\n\n{document.body}"


def _text(document: Hostile, text: str) -> bytes:
    return text.encode()


def _html(document: Hostile, text: str) -> bytes:
    title = document.filled(document.title).replace("<", "&lt;")
    return f'<html><head><meta charset="utf-8"><title>{title}</title></head><body>{text}</body></html>'.encode()


def _docx(document: Hostile, text: str) -> bytes:
    package = Document()
    package.core_properties.title = document.filled(document.title)
    for line in text.splitlines():
        mark, _, rest = line.partition(" ")
        if mark == "#h":
            package.add_heading(rest, 1)
        elif mark == "#table":
            cells = rest.split(" | ")
            row = package.add_table(1, len(cells)).rows[0]
            for cell, words in zip(row.cells, cells, strict=True):
                cell.text = words
        elif mark in ("#white", "#hidden"):
            run = package.add_paragraph().add_run(rest)
            run.font.color.rgb = RGBColor(0xFF, 0xFF, 0xFF)
            run.font.hidden = mark == "#hidden"
            run.font.size = Pt(1)
        elif line:
            package.add_paragraph(line)
    file = io.BytesIO()
    package.save(file)
    return file.getvalue()


def _pdf(document: Hostile, text: str) -> bytes:
    lines, before = [], {}
    for number, line in enumerate(filter(None, text.splitlines())):
        mark, _, rest = line.partition(" ")
        if mark in ("#white", "#hidden", "#tiny"):
            before[number] = {"#white": b"1 g 0 Tr ", "#hidden": b"0 g 3 Tr ", "#tiny": b"0 g 0 Tr "}[mark]
        size = 1 if mark == "#tiny" else 12
        lines.append((72.0, 760.0 - 20 * number, float(size), rest if number in before else line))
    return make_pdf([lines], title=document.filled(document.title), before=before)


_BYTES = {"txt": _text, "md": _text, "html": _html, "docx": _docx, "pdf": _pdf}
