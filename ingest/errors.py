"""Why a file cannot be ingested. Every `IngestError` is about one file; the rest of a run goes on.

HuoziError
├── EmptiedFolderError        emptied_folder      a folder holds nothing, and all of its documents would be deleted
└── IngestError               `source` says which file
    ├── EmptyFileError        empty_file          nothing in it, or white space only
    ├── BrokenFileError       broken_file         the format is known, the content is damaged
    ├── EncryptedError        encrypted           it needs a password
    ├── NeedsOcrError         needs_ocr           pictures, or pages that are pictures, and no OCR
    ├── UnsupportedFormatError unsupported_format a known or unknown format without a loader
    ├── EncodingError         unknown_encoding    text whose encoding cannot be told with confidence
    ├── BinaryFileError       binary_file         no text at all
    ├── FileTooLargeError     file_too_large      over HUOZI_MAX_UPLOAD_MB, or unpacks to too much
    ├── FileVanishedError     file_vanished       gone between the walk and the reading
    ├── ParserCrashedError    parser_crashed      the parser failed in a way of its own, or died
    ├── ParserLimitError      parser_limit        parsing took more time, memory, pages or pixels than one file may
    └── UnreadableError       unreadable          no permission, a loop of links, an I/O error
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from retrieval.errors import HuoziError, Message

SUPPORTED_EN = "txt, md, html, pdf, docx, xlsx, xls, csv, json, pptx, eml, msg, rtf, odt, ods and epub"
SUPPORTED_ZH = "txt、md、html、pdf、docx、xlsx、xls、csv、json、pptx、eml、msg、rtf、odt、ods、epub"


class IngestError(HuoziError):
    """One file cannot be ingested.

    Args:
        source: The file as the user knows it.
        message: What is wrong.
        hint: What to do.
    """

    code = "ingest_error"

    def __init__(self, source: str, message: Message, *, hint: Message | None = None) -> None:
        super().__init__(message, hint=hint)
        self.source = source

    def __reduce__(self) -> tuple[object, ...]:
        # Subclasses take other arguments than Exception.args holds, and errors cross process borders.
        return rebuild, (type(self), self.source, self.message, self.hint)


def rebuild(cls: type[IngestError], source: str, message: Message, hint: Message | None) -> IngestError:
    """Return an error of a class with the sentences that it had in another process."""
    error = cls.__new__(cls)
    IngestError.__init__(error, source, message, hint=hint)
    return error


class EmptiedFolderError(HuoziError):
    """A folder holds nothing now, and a run was told to delete what is missing.

    Args:
        folder: Its path.
        n_documents: How many documents came from it.
    """

    code = "emptied_folder"

    def __init__(self, folder: str, n_documents: int) -> None:
        super().__init__(
            Message(
                en=f"{folder!r} holds no document now; {n_documents} documents that came from it would be deleted.",
                zh=f"{folder!r} 中现在没有任何文档，由它导入的 {n_documents} 个文档将被全部删除。",
            ),
            hint=Message(
                en="Is the disk mounted? If the folder is meant to be empty, add --allow-empty. Nothing was changed.",
                zh="请检查磁盘是否已挂载；如果确实要清空，请加上 --allow-empty。没有做任何改动。",
            ),
        )


class EmptyFileError(IngestError):
    """Zero bytes, or no text in an intact file."""

    code = "empty_file"

    def __init__(self, source: str) -> None:
        super().__init__(
            source,
            Message(en=f"{source!r} holds no text.", zh=f"{source!r} 中没有文字。"),
            hint=Message(en="Check that it was saved or copied completely.", zh="请检查文件是否保存或复制完整。"),
        )


class BrokenFileError(IngestError):
    """The format is known, the content cannot be read.

    Args:
        source: The file.
        format_name: What it claims to be, e.g. `pdf`.
        reason: The parser's own words, one short line.
    """

    code = "broken_file"

    def __init__(self, source: str, format_name: str, reason: str) -> None:
        super().__init__(
            source,
            Message(
                en=f"{source!r} is damaged and cannot be read as {format_name} ({reason}).",
                zh=f"{source!r} 已损坏，无法按 {format_name} 读取（{reason}）。",
            ),
            hint=Message(en="Open it in its own program, save it again and retry.", zh="请用原程序打开并另存后重试。"),
        )


class EncryptedError(IngestError):
    """It needs a password."""

    code = "encrypted"

    def __init__(self, source: str) -> None:
        super().__init__(
            source,
            Message(en=f"{source!r} is encrypted.", zh=f"{source!r} 已加密。"),
            hint=Message(en="Save a copy without a password and ingest that.", zh="请另存一份无密码的副本后再导入。"),
        )


OCR_HINT = Message(
    en="install the extra 'ocr' (pip install 'huozi-assistant[ocr]') and run `huozi ingest --ocr`.",
    zh="请安装 ocr 组件（pip install 'huozi-assistant[ocr]'），再运行 `huozi ingest --ocr`。",
)
"""What to do about pages and pictures that were not read."""


class NeedsOcrError(IngestError):
    """Its pages are pictures, and pictures are not read here: the extra is not installed, or it is switched off.

    Args:
        source: The file.
        n_pages: How many there are.
        is_picture: Whether it is a picture file, or holds nothing but pictures.
    """

    code = "needs_ocr"

    def __init__(self, source: str, n_pages: int, *, is_picture: bool = False) -> None:
        if is_picture:
            message = Message(
                en=f"{source!r} holds pictures alone, and their text needs OCR.",
                zh=f"{source!r} 只有图片，需要 OCR 才能读取其中的文字。",
            )
        else:
            message = Message(
                en=f"{source!r} has no text layer on any of its {n_pages} pages: it is scanned and needs OCR.",
                zh=f"{source!r} 共 {n_pages} 页，均无文字层：是扫描件，需要 OCR。",
            )
        hint = Message(en=OCR_HINT.en[0].upper() + OCR_HINT.en[1:], zh=OCR_HINT.zh)
        super().__init__(source, message, hint=hint)


class UnsupportedFormatError(IngestError):
    """There is no loader for this format.

    Args:
        source: The file.
        format_name: What it is, e.g. `an Excel workbook` and `Excel 工作簿`.
    """

    code = "unsupported_format"

    def __init__(self, source: str, format_name: Message) -> None:
        super().__init__(
            source,
            Message(
                en=f"{source!r} is {format_name.en}, which is not supported; supported are {SUPPORTED_EN}.",
                zh=f"{source!r} 是{format_name.zh}，暂不支持；支持的格式：{SUPPORTED_ZH}。",
            ),
            hint=Message(en="Export it to one of those and ingest that.", zh="请转换为其中一种格式后再导入。"),
        )


class EncodingError(IngestError):
    """The encoding of a text cannot be told with confidence.

    Args:
        source: The file.
        candidates: Encodings that were tried or are possible, the likeliest first.
    """

    code = "unknown_encoding"

    def __init__(self, source: str, candidates: Sequence[str]) -> None:
        names = ", ".join(candidates) or "none"
        names_zh = "、".join(candidates) or "无"
        super().__init__(
            source,
            Message(
                en=f"The text encoding of {source!r} cannot be told with confidence (candidates: {names}).",
                zh=f"无法确定 {source!r} 的文字编码（可能是：{names_zh}）。",
            ),
            hint=Message(
                en="Convert it to UTF-8, e.g. `iconv -f GB18030 -t UTF-8 IN > OUT`, and ingest that.",
                zh="请先转换为 UTF-8，例如 `iconv -f GB18030 -t UTF-8 IN > OUT`，再导入。",
            ),
        )


class BinaryFileError(IngestError):
    """It holds no text.

    Args:
        source: The file.
        looks_like: What its first bytes say, e.g. `a PNG image`; None if nothing known.
    """

    code = "binary_file"

    def __init__(self, source: str, looks_like: Message | None = None) -> None:
        what = f" ({looks_like.en})" if looks_like else ""
        what_zh = f"（{looks_like.zh}）" if looks_like else ""
        super().__init__(
            source,
            Message(
                en=f"{source!r} is not text but binary data{what}.",
                zh=f"{source!r} 不是文本，而是二进制数据{what_zh}。",
            ),
            hint=Message(
                en=f"Give it its right name, or convert it to one of {SUPPORTED_EN}.",
                zh=f"请改用正确的文件名，或转换为 {SUPPORTED_ZH} 之一。",
            ),
        )


class FileTooLargeError(IngestError):
    """Over the limit for one file.

    Args:
        source: The file.
        size: Bytes, packed or unpacked.
        max_mb: The limit, in units of 1024 * 1024 bytes.
        unpacked: Whether `size` is what a packed file would unpack to.
    """

    code = "file_too_large"

    def __init__(self, source: str, size: int, max_mb: int, *, unpacked: bool = False) -> None:
        mb = -(-size // (1024 * 1024))
        if unpacked:
            message = Message(
                en=f"{source!r} unpacks to {mb} MB, over the limit of {max_mb} MB.",
                zh=f"{source!r} 解压后为 {mb} MB，超过上限 {max_mb} MB。",
            )
            hint = Message(en="Split it, or remove large pictures.", zh="请拆分文件或删除其中的大图。")
        else:
            message = Message(
                en=f"{source!r} is {mb} MB, over the limit of {max_mb} MB.",
                zh=f"{source!r} 为 {mb} MB，超过上限 {max_mb} MB。",
            )
            hint = Message(en="Split it, or raise HUOZI_MAX_UPLOAD_MB.", zh="请拆分文件，或调大 HUOZI_MAX_UPLOAD_MB。")
        super().__init__(source, message, hint=hint)


class FileVanishedError(IngestError):
    """It was there when the folder was listed and is not there now."""

    code = "file_vanished"
    retryable = True

    def __init__(self, source: str) -> None:
        super().__init__(
            source,
            Message(en=f"{source!r} vanished while it was being read.", zh=f"{source!r} 在读取过程中消失了。"),
            hint=Message(en="Run the ingestion again.", zh="请重新导入。"),
        )


class ParserCrashedError(IngestError):
    """The parser failed in a way that no loader foresees, or its process died.

    Args:
        source: The file.
        reason: How it ended, e.g. `SIGSEGV`, or the exception's own words.
    """

    code = "parser_crashed"

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(
            source,
            Message(en=f"Parsing {source!r} crashed ({reason}).", zh=f"解析 {source!r} 时解析程序崩溃（{reason}）。"),
            hint=Message(en="Open it in its own program, save it again and retry.", zh="请用原程序打开并另存后重试。"),
        )


Limit = Literal["time", "memory", "pages", "ocr_time", "pixels"]
"""What one file may take only so much of."""

_LIMITS: dict[Limit, tuple[Message, str]] = {
    "time": (Message("{most:g} seconds", "{most:g} 秒"), "HUOZI_PARSE__MAX_SECONDS"),
    "memory": (Message("{most:g} MB of memory", "{most:g} MB 内存"), "HUOZI_PARSE__MAX_MEMORY_MB"),
    "pages": (Message("{most:g} pages", "{most:g} 页"), "HUOZI_PARSE__MAX_PAGES"),
    "ocr_time": (
        Message("{most:g} seconds for the OCR of one page", "单页识别 {most:g} 秒"),
        "HUOZI_OCR__MAX_SECONDS_PER_PAGE",
    ),
    "pixels": (Message("{most:.0f} pixels of one picture", "单张图片 {most:.0f} 像素"), "HUOZI_OCR__MAX_PIXELS"),
}


class ParserLimitError(IngestError):
    """Parsing it would take more than one file may; its parser was stopped.

    Args:
        source: The file.
        limit: Of what.
        most: The limit, in seconds, units of 1024 * 1024 bytes, pages or pixels.
    """

    code = "parser_limit"

    def __init__(self, source: str, limit: Limit, most: float) -> None:
        amount, variable = _LIMITS[limit]
        super().__init__(
            source,
            Message(
                en=f"Parsing {source!r} was stopped: it takes more than the limit of {amount.en.format(most=most)}.",
                zh=f"解析 {source!r} 已中止：超过上限 {amount.zh.format(most=most)}。",
            ),
            hint=Message(en=f"Split it, or raise {variable}.", zh=f"请拆分文件，或调大 {variable}。"),
        )


class UnreadableError(IngestError):
    """The operating system does not let us read it.

    Args:
        source: The file or folder.
        reason: The system's own words.
    """

    code = "unreadable"

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(
            source,
            Message(en=f"{source!r} cannot be read ({reason}).", zh=f"无法读取 {source!r}（{reason}）。"),
            hint=Message(en="Check its permissions and links.", zh="请检查权限与链接。"),
        )
