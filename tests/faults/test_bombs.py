"""Files made to use up time, memory or the stack: each has one outcome, and the file behind it is parsed."""

import json
import random
import zipfile
from email.message import EmailMessage
from io import BytesIO

import pytest
from docx import Document
from openpyxl import Workbook

from ingest.errors import IngestError
from ingest.sandbox.ahead import Parser
from ingest.sandbox.parse import ParseJob
from ingest.settings import IngestSettings, LoadSettings
from tests.fuzz.mutate import add_entities
from tests.fuzz.seeds import made, zipped

LIMITS = LoadSettings(max_seconds=20.0, max_memory_mb=512, max_pages=500, max_text_chars=5_000_000)
SETTINGS = IngestSettings(parse_apart="always", load=LIMITS)


def saved(package):
    file = BytesIO()
    package.save(file)
    return file.getvalue()


def repacked(data, name, change):
    """Return the zip archive with one part changed."""
    with zipfile.ZipFile(BytesIO(data)) as archive:
        parts = {one: archive.read(one) for one in archive.namelist()}
    return zipped(parts | {name: change(parts[name])})


def docx(*paragraphs):
    package = Document()
    for text in paragraphs:
        package.add_paragraph(text)
    return saved(package)


def xlsx(*cells):
    workbook = Workbook()
    for place, value in cells:
        workbook.active[place] = value
    return saved(workbook)


def billion_laughs(data, name):
    return repacked(data, name, lambda part: add_entities(part, random.Random(1)))


def lying_size():
    """Return a .docx whose one part says that it is small, and unpacks to 300 MB."""
    packed = bytearray(zipped({"a": b"x", "word/document.xml": b"<a>" + b" " * 300_000_000 + b"</a>"}))
    place = packed.rindex(b"PK\x01\x02")  # The last entry of the archive's list.
    packed[place + 24 : place + 28] = (1000).to_bytes(4, "little")
    return bytes(packed)


def pdf(kids, extra=b"", count=1):
    """Return a PDF without a table of objects, which readers then look for."""
    return (
        b"%%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n"
        b"2 0 obj\n<< /Type /Pages /Kids [%b] /Count %d >>\nendobj\n%btrailer\n<< /Root 1 0 R >>\n%%%%EOF\n"
        % (kids, count, extra)
    )


def mail(n_parts):
    message = EmailMessage()
    message["Subject"] = "通知"
    message.set_content("年假五天。")
    for number in range(n_parts):
        message.add_attachment("附件。", filename=f"{number}.txt")
    return bytes(message)


def nested_mail(depth):
    message = EmailMessage()
    message["Subject"] = "通知"
    message.set_content("年假五天。")
    for _ in range(depth):
        outer = EmailMessage()
        outer["Subject"] = "转发"
        outer.set_content("见附件。")
        outer.add_attachment(message)
        message = outer
    return bytes(message)


def ods_repeated():
    part = (
        '<table:table-row table:number-rows-repeated="1048576"><table:table-cell table:number-columns-repeated="16384"'
    )

    def change(data):
        return data.replace(b"<table:table-row><table:table-cell", part.encode())

    return repacked(made()["台账.ods"], "content.xml", change)


def million_rows():
    """Return a workbook with as many rows as a sheet can have."""
    row = '<row><c t="inlineStr"><is><t>年假五天</t></is></c></row>'.encode()
    head = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    return repacked(
        xlsx(("A1", "年假")),
        "xl/worksheets/sheet1.xml",
        lambda _: head + row * 1_048_576 + b"</sheetData></worksheet>",
    )


def drawn(content, extra=b"", resources=b""):
    """Return a PDF with one page that draws `content`."""
    page = (
        b"3 0 obj\n<< /Type /Page /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << %b >> >>\nendobj\n"
        b"4 0 obj\n<< /Length %d >>\nstream\n%b\nendstream\nendobj\n" % (resources, len(content), content)
    )
    return pdf(b"3 0 R", page + extra)


def recursive_form():
    """Return a PDF whose form draws itself, twice."""
    form = b"5 0 obj\n<< /Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /F 5 0 R >> >> "
    return drawn(
        b"/F Do", form + b"/Length 11 >>\nstream\n/F Do /F Do\nendstream\nendobj\n", b"/XObject << /F 5 0 R >>"
    )


def deep_pages(depth):
    """Return a PDF whose list of pages lies in a list, in a list, and so on."""
    inner = b"".join(
        b"%d 0 obj\n<< /Type /Pages /Kids [%d 0 R] /Count 1 >>\nendobj\n" % (number, number + 1)
        for number in range(10, 10 + depth)
    )
    return pdf(b"10 0 R", inner + b"%d 0 obj\n<< /Type /Page >>\nendobj\n" % (10 + depth))


TEXT_OF_PAGE = b"BT /F1 12 Tf 50 700 Td (annual leave is five days) Tj ET"


def with_font(font, extra):
    """Return a PDF whose text is in a font of its own."""
    return drawn(TEXT_OF_PAGE, b"5 0 obj\n%b\nendobj\n%b" % (font, extra), b"/Font << /F1 5 0 R >>")


def broken_font():
    """Return a PDF whose font file is noise under a font's first bytes."""
    noise = b"\0\1\0\0\xff\xff" + random.Random(1).randbytes(20_000)
    return with_font(
        b"<< /Type /Font /Subtype /TrueType /BaseFont /Bad /FirstChar 0 /LastChar 255 /FontDescriptor 6 0 R >>",
        b"6 0 obj\n<< /Type /FontDescriptor /FontName /Bad /Flags 4 /FontFile2 7 0 R >>\nendobj\n"
        b"7 0 obj\n<< /Length %d >>\nstream\n%b\nendstream\nendobj\n" % (len(noise), noise),
    )


def recursive_font():
    """Return a PDF whose glyph is a picture of itself."""
    return with_font(
        b"<< /Type /Font /Subtype /Type3 /FontBBox [0 0 9 9] /FontMatrix [1 0 0 1 0 0] /FirstChar 97 /LastChar 97"
        b" /Widths [9] /Encoding << /Differences [97 /a] >> /CharProcs << /a 6 0 R >>"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"6 0 obj\n<< /Length 42 >>\nstream\n9 0 d0 BT /F1 12 Tf (aaaaaaaaaaaaaaaaaa) Tj ET\nendstream\nendobj\n",
    )


def endless_map():
    """Return a PDF whose font names a character for each of two thousand million codes."""
    ranges = b"begincmap 1 begincodespacerange <00000000> <7fffffff> endcodespacerange 1 beginbfrange"
    content = ranges + b" <00000000> <7fffffff> <4e00> endbfrange endcmap"
    return with_font(
        b"<< /Type /Font /Subtype /TrueType /BaseFont /Helvetica /ToUnicode 6 0 R >>",
        b"6 0 obj\n<< /Length %d >>\nstream\n%b\nendstream\nendobj\n" % (len(content), content),
    )


PAGE = b"3 0 obj\n<< /Type /Page >>\nendobj\n"
BOMBS = {
    "zip that says so": ("a.docx", lambda: zipped({"a": b"", "word/a.xml": b" " * 600_000_000}), "file_too_large"),
    "zip that lies": ("a.docx", lying_size, "broken_file"),
    "docx entities": ("a.docx", lambda: billion_laughs(docx("年假"), "word/document.xml"), "broken_file"),
    "odt entities": ("a.odt", lambda: billion_laughs(made()["办法.odt"], "content.xml"), "broken_file"),
    "epub entities": ("a.epub", lambda: billion_laughs(made()["手册.epub"], "book.opf"), "broken_file"),
    "corners of a sheet": ("a.xlsx", lambda: xlsx(("A1", "年假"), ("XFD1048576", "五天")), "done"),
    "repeated cells": ("a.ods", ods_repeated, "broken_file"),
    "loop of pages": ("a.pdf", lambda: pdf(b"2 0 R", count=100), "broken_file"),
    "too many pages": ("a.pdf", lambda: pdf(b"3 0 R " * 600, PAGE, 600), "parser_limit"),
    "million lines": ("a.csv", lambda: "姓名,天数\n".encode() + "年假五天,5\n".encode() * 1_000_000, "file_too_large"),
    "form in itself": ("a.pdf", recursive_form, "parser_crashed or parser_limit"),
    "deep pages": ("a.pdf", lambda: deep_pages(20_000), "broken_file"),
    "broken font": ("a.pdf", broken_font, "done"),
    "font in itself": ("a.pdf", recursive_font, "done"),
    "endless map": ("a.pdf", endless_map, "done"),
    "deep HTML": ("a.html", lambda: b"<html>" + b"<div>" * 200_000 + "年假".encode(), "broken_file"),
    "deep JSON": ("a.json", lambda: b"[" * 200_000 + b"]" * 200_000, "broken_file"),
    "wide JSON": ("a.json", lambda: json.dumps([{str(n): "年"} for n in range(20_000)]).encode(), "done"),
    "many parts": ("a.eml", lambda: mail(2_000), "done"),
    "mails in mails": ("a.eml", lambda: nested_mail(60), "done"),
    "deep Markdown": ("a.md", lambda: b">" * 50_000 + "年假".encode(), "empty_file"),
    "brackets": ("b.md", lambda: b"[" * 50_000 + "年假".encode(), "done"),
    "deep RTF": ("a.rtf", lambda: rb"{\rtf1 " + b"{" * 200_000 + b"abc" + b"}" * 200_001, "done"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "make", "outcome"), BOMBS.values(), ids=BOMBS)
def test_bomb_has_its_outcome_and_the_next_file_is_parsed(name, make, outcome):
    jobs = [("bomb", ParseJob(name, make())), ("next", ParseJob("b.md", "# 年假\n\n五天。".encode()))]

    with Parser(SETTINGS) as parser:
        (_, bomb), (_, after) = parser.parse_all(jobs)

    assert (bomb.code if isinstance(bomb, IngestError) else "done") in outcome.split(" or ")
    assert not isinstance(after, IngestError)


def test_sheet_of_a_million_rows_ends_at_its_time_and_the_next_file_is_parsed():
    """With the limits as they are it is read whole, in more than a minute."""
    settings = IngestSettings(load=LoadSettings(max_seconds=3.0, max_seconds_per_mb=0))
    jobs = [("sheet", ParseJob("a.xlsx", million_rows())), ("next", ParseJob("b.md", "# 年假\n\n五天。".encode()))]

    with Parser(settings) as parser:
        (_, sheet), (_, after) = parser.parse_all(jobs)

    assert isinstance(sheet, IngestError) and sheet.code == "parser_limit"
    assert not isinstance(after, IngestError)
