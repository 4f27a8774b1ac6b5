"""Rich text, OpenDocument texts and e-books."""

from __future__ import annotations

import io
import zipfile

import pytest

from ingest.errors import BrokenFileError, EmptyFileError, EncryptedError, IngestError
from ingest.loaders import load

NAMESPACES = (
    'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" '
    'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/"'
)
CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
)


def zipped(members: dict[str, str | bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def odt(body: str, *, manifest: str = "<manifest/>", before: str = "") -> bytes:
    inside = f"<office:body><office:text>{body}</office:text></office:body>"
    said = "<dc:title>休假办法</dc:title><dc:creator>王敏</dc:creator><dc:date>2024-03-01T08:00:00</dc:date>"
    return zipped(
        {
            "mimetype": "application/vnd.oasis.opendocument.text",
            "content.xml": f"{before}<office:document-content {NAMESPACES}>{inside}</office:document-content>",
            "meta.xml": f"<office:document-meta {NAMESPACES}><office:meta>{said}</office:meta></office:document-meta>",
            "META-INF/manifest.xml": manifest,
        }
    )


def cell(text: str, attributes: str = "") -> str:
    return f"<table:table-cell {attributes}><text:p>{text}</text:p></table:table-cell>"


def row(*cells: str) -> str:
    return f"<table:table-row>{''.join(cells)}</table:table-row>"


def epub(spine: str = '<itemref idref="two"/><itemref idref="one"/>', **more: str | bytes) -> bytes:
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>'
        "<dc:title>员工手册</dc:title><dc:creator>人事部</dc:creator></metadata><manifest>"
        '<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>'
        '<item id="one" href="text/%E7%AC%AC%E4%B8%80.xhtml" media-type="application/xhtml+xml"/>'
        '<item id="two" href="two.xhtml" media-type="application/xhtml+xml"/>'
        '<item id="css" href="a.css" media-type="text/css"/></manifest>'
        f'<spine><itemref idref="nav"/><itemref idref="css"/>{spine}</spine></package>'
    )
    return zipped(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": CONTAINER,
            "OEBPS/book.opf": package,
            "OEBPS/nav.xhtml": "<html><body>目录</body></html>",
            "OEBPS/text/第一.xhtml": "<html><body><h1>第一章</h1><p>年假为5天。</p></body></html>",
            "OEBPS/two.xhtml": "<html><body><h1>前言</h1><p>适用于𠮷田。</p><script>x()</script></body></html>",
            **more,
        }
    )


def test_opendocument_keeps_its_structure_when_read() -> None:
    note = "<text:note><text:note-citation>1</text:note-citation><text:note-body>附注</text:note-body></text:note>"
    table = (
        row(cell("部门"), cell("姓名"))
        + row(cell("研发", 'table:number-rows-spanned="2"'), cell("张三"))
        + row("<table:covered-table-cell/>", cell("䶮"))
    )
    body = (
        '<text:h text:outline-level="1">总则</text:h>'
        f"<text:p>甲<text:s/>乙<text:line-break/>丙{note}</text:p>"
        "<text:list><text:list-item><text:p>第一项</text:p></text:list-item></text:list>"
        "<text:tracked-changes><text:p>删去的</text:p></text:tracked-changes>"
        f"<table:table>{table}</table:table>"
    )
    loaded = load(odt(body), source="a.odt")
    assert loaded.document.text.split("\n") == [
        "总则",
        "甲 乙",
        "丙（注：附注）",
        "- 第一项",
        "部门 | 姓名",
        "研发 | 张三",
        "研发 | 䶮",
    ]
    assert (loaded.document.title, loaded.document.metadata) == ("休假办法", {"author": "王敏", "date": "2024-03-01"})
    assert [block.level for block in loaded.document.blocks][:2] == [1, 0]


def test_chapters_come_in_the_books_order_when_an_epub_is_read() -> None:
    loaded = load(epub(), source="手册.epub")
    assert loaded.document.text == "前言\n适用于𠮷田。\n\n第一章\n年假为5天。"
    assert (loaded.document.title, loaded.document.metadata) == ("员工手册", {"author": "人事部"})


def test_rich_text_is_read_in_its_code_page_when_it_names_one() -> None:
    words = "".join(f"\\'{byte:02x}" for byte in "年假为5天。".encode("gbk"))
    title = "".join(f"\\'{byte:02x}" for byte in "休假办法".encode("gbk"))
    halves = "".join(f"\\u{int.from_bytes(half, 'little', signed=True)}?" for half in (b"\x42\xd8", b"\xb7\xdf"))
    table = r"\trowd\cellx1\cellx2 a\cell b\cell\row 1\cell 2\cell\row\pard "
    data = rf"{{\rtf1\ansi\ansicpg936{{\info{{\title {title}}}}}\f0 {words}\par {halves}\par {table}}}"
    loaded = load(data.encode(), source="a.doc")
    assert loaded.document.text == "年假为5天。\n𠮷\na | b\n1 | 2"
    assert loaded.document.title == "休假办法"
    assert [block.kind for block in loaded.document.blocks] == ["paragraph", "paragraph", "table"]


@pytest.mark.parametrize(
    ("data", "name", "error"),
    [
        (odt("<text:p>x</text:p>", manifest="<a><encryption-data/></a>"), "a.odt", EncryptedError),
        (epub(**{"META-INF/rights.xml": "<x/>"}), "a.epub", EncryptedError),
        (odt(""), "a.odt", EmptyFileError),
        (odt("<text:p>"), "a.odt", BrokenFileError),
        (odt("<text:p>正文</text:p>")[:-30], "a.odt", BrokenFileError),
        (epub(spine='<itemref idref="gone"/>'), "a.epub", EmptyFileError),
        (zipped({"mimetype": "application/epub+zip", "a.opf": ""}), "a.epub", BrokenFileError),
        (b"{\\rtf1 }", "a.rtf", EmptyFileError),
        (b"plain", "a.epub", BrokenFileError),
    ],
)
def test_file_is_refused_when_it_cannot_be_read(data: bytes, name: str, error: type[IngestError]) -> None:
    with pytest.raises(error):
        load(data, source=name)


def test_entities_are_not_resolved_when_a_document_defines_them() -> None:
    before = '<!DOCTYPE a [<!ENTITY x "正文"><!ENTITY f SYSTEM "file:///etc/hostname">]>'
    assert load(odt("<text:p>甲&f;乙</text:p>", before=before), source="a.odt").document.text == "甲乙"
