"""What a file is, by its content first and its suffix second (pure)."""

from __future__ import annotations

import io
import re
import zipfile

from ingest.errors import (
    BinaryFileError,
    BrokenFileError,
    EmptyFileError,
    EncryptedError,
    FileTooLargeError,
    UnsupportedFormatError,
)
from ingest.settings import LoadSettings
from retrieval.errors import Message

SUFFIXES = {
    ".txt": "text", ".text": "text", ".log": "text",
    ".md": "markdown", ".markdown": "markdown",
    ".html": "html", ".htm": "html", ".xhtml": "html",
    ".pdf": "pdf",
    ".docx": "docx", ".docm": "docx",
    ".xlsx": "xlsx", ".xlsm": "xlsx",
    ".xls": "xls", ".xlsb": "xls", ".ods": "xls",
    ".csv": "csv", ".tsv": "csv",
    ".pptx": "pptx", ".pptm": "pptx", ".ppsx": "pptx",
    ".eml": "eml", ".msg": "msg",
    ".rtf": "rtf", ".odt": "odt", ".epub": "epub",
    ".json": "json", ".jsonl": "json", ".ndjson": "json",
}  # fmt: skip
"""Suffix -> loader, for the formats that are supported."""

PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif"})
"""Pictures: read where the extra `ocr` is installed; a folder's run leaves them out unless told otherwise."""

_UNSUPPORTED_SUFFIXES = {
    ".doc": Message("an old Word file (.doc)", "旧版 Word 文件（.doc）"),
    ".wps": Message("a WPS file", "WPS 文件"),
    ".ppt": Message("an old PowerPoint file (.ppt)", "旧版 PowerPoint 文件（.ppt）"),
}
_MAGIC = (
    (b"RIFF", Message("a RIFF file (sound or video)", "RIFF 文件（音频或视频）")),
    (b"\x1f\x8b", Message("a gzip archive", "gzip 压缩包")),
    (b"7z\xbc\xaf\x27\x1c", Message("a 7z archive", "7z 压缩包")),
    (b"Rar!\x1a\x07", Message("a RAR archive", "RAR 压缩包")),
    (b"\x7fELF", Message("a program", "可执行程序")),
    (b"MZ", Message("a program", "可执行程序")),
    (b"SQLite format 3\0", Message("an SQLite database", "SQLite 数据库")),
    (b"ID3", Message("an MP3 sound file", "MP3 音频")),
)
_PRINTABLE_MAGIC = (b"MZ", b"ID3", b"RIFF")  # A text may start with these letters.
_PICTURE_MAGIC = re.compile(
    rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|GIF8[79]a|II\*\0|MM\0\*|RIFF.{4}WEBP|BM.{4}\0\0\0\0", re.DOTALL
)
_ZIP_MEMBERS = (
    ("word/", "docx"),
    ("xl/workbook.bin", "xls"),
    ("xl/", "xlsx"),
    ("ppt/", "pptx"),
)
_OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE_STREAMS = (("WordDocument", ".doc"), ("PowerPoint Document", ".ppt"))
_OLE_WORKBOOKS = ("Workbook", "Book")
_OLE_MESSAGE = "__properties_version1.0"
_ZIPPED = ("docx", "xlsx", "xls", "pptx", "odt", "epub")
_HTML_START = re.compile(
    rb"^\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.I | re.S
)
_MAIL_START = re.compile(rb"(?:[A-Z][\w-]*:[^\n]*\n(?:[ \t][^\n]*\n)*)*?MIME-Version: 1\.0\r?\n", re.I)
_EVALUATION = ("queries.jsonl", "questions.jsonl", "manifest.jsonl")
"""What `huozi eval` asks of a folder's documents, and what a set says of them: the best answer to every question."""
_HEAD_BYTES = 4096


def suffix_of(name: str) -> str:
    """Return the suffix of a path or URL path in lower case, with its dot; empty if there is none."""
    match = re.search(r"[^/\\](\.[0-9A-Za-z]{1,8})$", name)
    return match.group(1).lower() if match else ""


def is_candidate(name: str, *, pictures: bool = False) -> bool:
    """Tell whether a folder's run looks at a file of this name.

    Hidden files, office lock files (`~$`), temporary files and suffixes that are no document's are passed over. Known
    document formats without a loader are candidates: a user who put one there should read that it was not ingested.

    Args:
        name: Path or name.
        pictures: Whether pictures are documents: most folders hold photographs and icons that say nothing.
    """
    base = re.split(r"[/\\]", name)[-1]
    if base.startswith((".", "~$", "~")) or base.endswith("~") or base in _EVALUATION:
        return False
    suffix = suffix_of(base)
    is_document = suffix in SUFFIXES or suffix in _UNSUPPORTED_SUFFIXES or suffix == ".zip"
    return is_document or (pictures and suffix in PICTURE_SUFFIXES)


def is_picture(name: str) -> bool:
    """Tell whether a file of this name is a picture."""
    return suffix_of(name) in PICTURE_SUFFIXES


def recognise(data: bytes, *, source: str, settings: LoadSettings) -> str:
    """Return the name of the loader for this content.

    Raises:
        EmptyFileError: Zero bytes.
        UnsupportedFormatError: A format without a loader.
        BinaryFileError: A program or film under a text's name.
        BrokenFileError: The suffix promises a format that the content does not have.
        EncryptedError: An encrypted office file.
        FileTooLargeError: A zip-based file that would unpack to more than the limit.
    """
    if not data:
        raise EmptyFileError(source)
    if b"%PDF-" in data[:1024]:
        return "pdf"
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _recognise_zip(data, source, settings)
    if data.startswith(_OLE_MAGIC):
        return _recognise_ole(data, source)
    if _PICTURE_MAGIC.match(data):
        return "image"
    _refuse_magic(data, source)
    return _recognise_text(data, source)


def _recognise_zip(data: bytes, source: str, settings: LoadSettings) -> str:
    suffix = suffix_of(source)
    format_name = SUFFIXES.get(suffix, "zip")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError) as exc:
        raise BrokenFileError(source, format_name, str(exc)) from exc
    names = [member.filename for member in members]
    kind = next((kind for prefix, kind in _ZIP_MEMBERS if any(name.startswith(prefix) for name in names)), None)
    if kind is None and "mimetype" in names:
        kind = _open_document(data, names)
    if kind in _ZIPPED:
        _check_unpacked(members, source, settings)
        return kind
    if kind is None and format_name in _ZIPPED:
        raise BrokenFileError(source, format_name, "no document part in it")
    raise UnsupportedFormatError(source, _UNSUPPORTED_SUFFIXES.get(kind or "", Message("a zip archive", "zip 压缩包")))


def _open_document(data: bytes, names: list[str]) -> str:
    """Return what a zip with a `mimetype` in it is."""
    # Stored without compression as the first member, so that it can be read here.
    if b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet" in data[:200]:
        return "xls"
    return "epub" if any(name.endswith(".opf") for name in names) else "odt"


def _check_unpacked(members: list[zipfile.ZipInfo], source: str, settings: LoadSettings) -> None:
    unpacked = sum(member.file_size for member in members)
    if unpacked > settings.max_unpacked_mb * 1024 * 1024:
        raise FileTooLargeError(source, unpacked, settings.max_unpacked_mb, unpacked=True)
    if any(member.flag_bits & 1 for member in members):
        raise EncryptedError(source)


def _recognise_ole(data: bytes, source: str) -> str:
    # First: what is attached to a message has its own streams in the same file.
    if _OLE_MESSAGE.encode("utf-16-le") in data:
        return "msg"
    if "EncryptedPackage".encode("utf-16-le") in data:
        raise EncryptedError(source)
    for stream, suffix in _OLE_STREAMS:
        if stream.encode("utf-16-le") in data:
            raise UnsupportedFormatError(source, _UNSUPPORTED_SUFFIXES[suffix])
    if any(stream.encode("utf-16-le") in data for stream in _OLE_WORKBOOKS):
        return "xls"
    if suffix_of(source) == ".msg":
        raise BrokenFileError(source, "msg", "no message in it")
    raise UnsupportedFormatError(source, Message("an OLE compound file", "OLE 复合文档"))


def _refuse_magic(data: bytes, source: str) -> None:
    for magic, name in _MAGIC:
        if data.startswith(magic) and not (magic in _PRINTABLE_MAGIC and not _has_controls(data[:_HEAD_BYTES])):
            if suffix_of(source) in SUFFIXES:
                raise BinaryFileError(source, name)
            raise UnsupportedFormatError(source, name)


def _has_controls(head: bytes) -> bool:
    return re.search(rb"[\x00-\x08\x0e-\x1a]", head) is not None


def _recognise_text(data: bytes, source: str) -> str:
    """Choose among the formats whose content is text."""
    head = data[:_HEAD_BYTES].removeprefix(b"\xef\xbb\xbf")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in head:
        head = head[2 * head.startswith((b"\xff\xfe", b"\xfe\xff")) :].replace(b"\0", b"")
    suffix = suffix_of(source)
    if _HTML_START.match(head):
        return "html"
    if head.startswith(b"{\\rtf"):
        return "rtf"
    if _MAIL_START.match(head):
        return "eml"
    loader = "image" if suffix in PICTURE_SUFFIXES else SUFFIXES.get(suffix, "text")
    if loader in ("pdf", "rtf", "msg", "image", *_ZIPPED):
        raise BrokenFileError(source, loader, "it does not start like one")
    if suffix in _UNSUPPORTED_SUFFIXES and _has_controls(head):
        raise UnsupportedFormatError(source, _UNSUPPORTED_SUFFIXES[suffix])
    return loader
