"""Real files of every format: the evaluation's, the samples, and small ones made here for formats that these lack."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

from ingest.loaders import SUFFIXES
from ingest.loaders.formats import PICTURE_SUFFIXES, suffix_of
from ingest.ocr.availability import is_installed
from tests import picture_files
from tests.msg_files import MessageFile, make_msg

ROOT = Path(__file__).parents[2]
EVAL = Path(os.environ.get("HUOZI_EVAL_DIR", "../shared/eval")) / "documents"
MAX_BYTES = 400_000
"""Of a larger seed a mutation changes next to nothing, and each case costs more."""
_LINES = ("员工每年享受五天带薪年休假。", "病假须提供医院证明，𠮷田店除外。", "出差住宿标准为每晚 400 元。")
_ODF = "urn:oasis:names:tc:opendocument:xmlns"
_NAMES = " ".join(f'xmlns:{name}="{_ODF}:{name}:1.0"' for name in ("office", "text", "table"))


def seeds() -> dict[str, bytes]:
    """Return files by name, at least one of each supported format; the evaluation's only where they are."""
    found = {**made(), **(pictures() if is_installed() else {})}
    for folder in (ROOT / "samples", EVAL):
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if suffix_of(path.name) in SUFFIXES and 0 < path.stat().st_size <= MAX_BYTES:
                found[path.name] = path.read_bytes()
    return found


def format_of(name: str) -> str:
    """Return a seed's loader by its name; `zip` for an archive."""
    suffix = suffix_of(name)
    return "zip" if suffix == ".zip" else "image" if suffix in PICTURE_SUFFIXES else SUFFIXES[suffix]


def pictures() -> Mapping[str, bytes]:
    """Return pictures of text, a scanned PDF, and documents with a picture in them."""
    from PIL import Image

    sheet = Image.open(picture_files.FOLDER / "notice.png").convert("L")
    small = sheet.crop((0, 0, sheet.width, sheet.height // 3))
    found = {}
    for suffix, kind in (
        (".png", "PNG"),
        (".jpg", "JPEG"),
        (".bmp", "BMP"),
        (".tif", "TIFF"),
        (".webp", "WEBP"),
        (".gif", "GIF"),
    ):
        file = io.BytesIO()
        small.save(file, kind)
        found[f"通知{suffix}"] = file.getvalue()
    return {
        **found,
        "扫描.pdf": picture_files.scanned_pdf("notice"),
        "截图.docx": picture_files.docx_with("notice"),
        "截图.pptx": picture_files.pptx_with("notice", title="通知"),
    }


def made() -> Mapping[str, bytes]:
    """Return the files that are made here."""
    records = [{"编号": number, "标题": line, "内容": line * 3} for number, line in enumerate(_LINES * 4)]
    table = "".join(f"{number}\t{line}\n" for number, line in enumerate(_LINES * 4))
    return {
        "记录.json": json.dumps(records, ensure_ascii=False).encode(),
        "配置.json": json.dumps({"休假": {"年假": 5, "说明": _LINES}}, ensure_ascii=False).encode(),
        "记录.jsonl": "\n".join(json.dumps(one, ensure_ascii=False) for one in records).encode(),
        "表.tsv": f"编号\t内容\n{table}".encode(),
        "通知.rtf": _rtf(),
        "办法.odt": _open_document("text", "".join(f"<text:p>{line}</text:p>" for line in _LINES * 5)),
        "台账.ods": _open_document("spreadsheet", _sheet()),
        "手册.epub": _book(),
        "来函.msg": _message(),
        "资料.zip": _archive(),
        "链接.xhtml": f"<html><body><table><tr><td>{_LINES[0]}</td></tr></table><p>{_LINES[1]}</body></html>".encode(),
    }


def zipped(members: Mapping[str, str | bytes]) -> bytes:
    """Return a zip archive; its first member is stored as it is, as OpenDocument and EPUB want it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, (name, content) in enumerate(members.items()):
            archive.writestr(name, content, zipfile.ZIP_STORED if number == 0 else None)
    return file.getvalue()


class GbkName(zipfile.ZipInfo):
    """A member whose name is written in GBK, as Chinese systems do."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:
        return self.filename.encode("gbk"), self.flag_bits & ~0x800


def _archive() -> bytes:
    """Return an archive with names in GBK, and an archive in it."""
    inner, file = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(GbkName("附件/病假.txt"), "\n".join(_LINES * 3).encode("gb18030"))
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(GbkName("制度/年假.md"), "# 年假\n\n" + "\n\n".join(_LINES * 3))
        archive.writestr(GbkName("制度/表.csv"), "品名,价格\n镜头,45\n光源,30\n")
        archive.writestr(GbkName("制度/办法.rtf"), _rtf())
        archive.writestr(GbkName("旧版.zip"), inner.getvalue())
    return file.getvalue()


def _rtf() -> bytes:
    # Each byte of GBK as \'hh.
    text = "".join("".join(f"\\'{byte:02x}" for byte in line.encode("gbk", "replace")) + "\\par\n" for line in _LINES)
    return (r"{\rtf1\ansi\ansicpg936\deff0{\fonttbl{\f0\fcharset134 SimSun;}}" + text * 4 + "}").encode("ascii")


def _open_document(kind: str, body: str) -> bytes:
    inside = f"<office:body><office:{kind}>{body}</office:{kind}></office:body>"
    content = f"<office:document-content {_NAMES}>{inside}</office:document-content>"
    return zipped(
        {
            "mimetype": f"application/vnd.oasis.opendocument.{kind}",
            "content.xml": f'<?xml version="1.0"?>{content}',
            "META-INF/manifest.xml": f'<manifest:manifest xmlns:manifest="{_ODF}:manifest:1.0"/>',
        }
    )


def _message() -> bytes:
    receivers = [{0x3001: "采购部", 0x39FE: "buy@example.com", 0x0C15: 1}]
    attached = {0x3707: "附件.csv", 0x3701: "品名,价格\n镜头,45\n光源,30".encode()}
    inner = MessageFile({0x0037: "转发", 0x1000: _LINES[1] * 3})
    return make_msg(
        MessageFile({0x0037: "关于年假", 0x1000: "\r\n\r\n".join(_LINES * 4)}, receivers, [attached, inner])
    )


def _sheet() -> str:
    cells = [
        f'<table:table-row><table:table-cell office:value-type="float" office:value="{number}"/>'
        f'<table:table-cell office:value-type="string"><text:p>{line}</text:p></table:table-cell></table:table-row>'
        for number, line in enumerate(_LINES * 4)
    ]
    return f'<table:table table:name="台账">{"".join(cells)}</table:table>'


def _book() -> bytes:
    chapters = {f"c{number}.xhtml": f"<html><body><h1>第{number}章</h1><p>{line}</p></body></html>"
                for number, line in enumerate(_LINES, 1)}  # fmt: skip
    items = "".join(f'<item id="{name}" href="{name}" media-type="application/xhtml+xml"/>' for name in chapters)
    spine = "".join(f'<itemref idref="{name}"/>' for name in chapters)
    return zipped(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
            '<rootfile full-path="book.opf"/></rootfiles></container>',
            "book.opf": '<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/">'
            f"<metadata><dc:title>员工手册</dc:title></metadata><manifest>{items}</manifest><spine>{spine}</spine></package>",
            **chapters,
        }
    )
