import pickle

import pytest

from ingest import errors as e
from retrieval.errors import Message

CASES = [
    (
        e.EmptyFileError("空.txt"),
        "empty_file",
        "'空.txt' holds no text. Check that it was saved or copied completely.",
        "'空.txt' 中没有文字。请检查文件是否保存或复制完整。",
    ),
    (
        e.BrokenFileError("a.pdf", "pdf", "no xref"),
        "broken_file",
        "'a.pdf' is damaged and cannot be read as pdf (no xref). Open it in its own program, save it again and retry.",
        "'a.pdf' 已损坏，无法按 pdf 读取（no xref）。请用原程序打开并另存后重试。",
    ),
    (
        e.EncryptedError("a.pdf"),
        "encrypted",
        "'a.pdf' is encrypted. Save a copy without a password and ingest that.",
        "'a.pdf' 已加密。请另存一份无密码的副本后再导入。",
    ),
    (
        e.NeedsOcrError("a.pdf", 3),
        "needs_ocr",
        "'a.pdf' has no text layer on any of its 3 pages: it is scanned and needs OCR. "
        "Install the extra 'ocr' (pip install 'huozi-assistant[ocr]') and run `huozi ingest --ocr`.",
        "'a.pdf' 共 3 页，均无文字层：是扫描件，需要 OCR。"
        "请安装 ocr 组件（pip install 'huozi-assistant[ocr]'），再运行 `huozi ingest --ocr`。",
    ),
    (
        e.NeedsOcrError("公告.png", 1, is_picture=True),
        "needs_ocr",
        "'公告.png' holds pictures alone, and their text needs OCR. "
        "Install the extra 'ocr' (pip install 'huozi-assistant[ocr]') and run `huozi ingest --ocr`.",
        "'公告.png' 只有图片，需要 OCR 才能读取其中的文字。"
        "请安装 ocr 组件（pip install 'huozi-assistant[ocr]'），再运行 `huozi ingest --ocr`。",
    ),
    (
        e.UnsupportedFormatError("a.xlsx", Message("an Excel workbook", " Excel 工作簿")),
        "unsupported_format",
        "'a.xlsx' is an Excel workbook, which is not supported; supported are "
        "txt, md, html, pdf, docx, xlsx, xls, csv, json, pptx, eml, msg, rtf, odt, ods and epub. "
        "Export it to one of those and ingest that.",
        "'a.xlsx' 是 Excel 工作簿，暂不支持；支持的格式："
        "txt、md、html、pdf、docx、xlsx、xls、csv、json、pptx、eml、msg、rtf、odt、ods、epub。请转换为其中一种格式后再导入。",
    ),
    (
        e.EncodingError("a.txt", ["GB18030", "Big5"]),
        "unknown_encoding",
        "The text encoding of 'a.txt' cannot be told with confidence (candidates: GB18030, Big5). "
        "Convert it to UTF-8, e.g. `iconv -f GB18030 -t UTF-8 IN > OUT`, and ingest that.",
        "无法确定 'a.txt' 的文字编码（可能是：GB18030、Big5）。"
        "请先转换为 UTF-8，例如 `iconv -f GB18030 -t UTF-8 IN > OUT`，再导入。",
    ),
    (
        e.EncodingError("a.txt", []),
        "unknown_encoding",
        "The text encoding of 'a.txt' cannot be told with confidence (candidates: none). "
        "Convert it to UTF-8, e.g. `iconv -f GB18030 -t UTF-8 IN > OUT`, and ingest that.",
        "无法确定 'a.txt' 的文字编码（可能是：无）。"
        "请先转换为 UTF-8，例如 `iconv -f GB18030 -t UTF-8 IN > OUT`，再导入。",
    ),
    (
        e.BinaryFileError("a.txt", Message("a PNG image", "PNG 图片")),
        "binary_file",
        "'a.txt' is not text but binary data (a PNG image). "
        "Give it its right name, or convert it to one of "
        "txt, md, html, pdf, docx, xlsx, xls, csv, json, pptx, eml, msg, rtf, odt, ods and epub.",
        "'a.txt' 不是文本，而是二进制数据（PNG 图片）。请改用正确的文件名，或转换为 "
        "txt、md、html、pdf、docx、xlsx、xls、csv、json、pptx、eml、msg、rtf、odt、ods、epub 之一。",
    ),
    (
        e.BinaryFileError("a.txt"),
        "binary_file",
        "'a.txt' is not text but binary data. "
        "Give it its right name, or convert it to one of "
        "txt, md, html, pdf, docx, xlsx, xls, csv, json, pptx, eml, msg, rtf, odt, ods and epub.",
        "'a.txt' 不是文本，而是二进制数据。请改用正确的文件名，或转换为 "
        "txt、md、html、pdf、docx、xlsx、xls、csv、json、pptx、eml、msg、rtf、odt、ods、epub 之一。",
    ),
    (
        e.FileTooLargeError("a.txt", 300 * 1024 * 1024, 200),
        "file_too_large",
        "'a.txt' is 300 MB, over the limit of 200 MB. Split it, or raise HUOZI_MAX_UPLOAD_MB.",
        "'a.txt' 为 300 MB，超过上限 200 MB。请拆分文件，或调大 HUOZI_MAX_UPLOAD_MB。",
    ),
    (
        e.FileTooLargeError("a.docx", 600 * 1024 * 1024 + 1, 500, unpacked=True),
        "file_too_large",
        "'a.docx' unpacks to 601 MB, over the limit of 500 MB. Split it, or remove large pictures.",
        "'a.docx' 解压后为 601 MB，超过上限 500 MB。请拆分文件或删除其中的大图。",
    ),
    (
        e.FileVanishedError("a.txt"),
        "file_vanished",
        "'a.txt' vanished while it was being read. Run the ingestion again.",
        "'a.txt' 在读取过程中消失了。请重新导入。",
    ),
    (
        e.ParserCrashedError("a.txt", "SIGSEGV"),
        "parser_crashed",
        "Parsing 'a.txt' crashed (SIGSEGV). Open it in its own program, save it again and retry.",
        "解析 'a.txt' 时解析程序崩溃（SIGSEGV）。请用原程序打开并另存后重试。",
    ),
    (
        e.ParserLimitError("a.pdf", "time", 120.0),
        "parser_limit",
        "Parsing 'a.pdf' was stopped: it takes more than the limit of 120 seconds. "
        "Split it, or raise HUOZI_PARSE__MAX_SECONDS.",
        "解析 'a.pdf' 已中止：超过上限 120 秒。请拆分文件，或调大 HUOZI_PARSE__MAX_SECONDS。",
    ),
    (
        e.ParserLimitError("a.xlsx", "memory", 2048),
        "parser_limit",
        "Parsing 'a.xlsx' was stopped: it takes more than the limit of 2048 MB of memory. "
        "Split it, or raise HUOZI_PARSE__MAX_MEMORY_MB.",
        "解析 'a.xlsx' 已中止：超过上限 2048 MB 内存。请拆分文件，或调大 HUOZI_PARSE__MAX_MEMORY_MB。",
    ),
    (
        e.UnreadableError("a.txt", "Permission denied"),
        "unreadable",
        "'a.txt' cannot be read (Permission denied). Check its permissions and links.",
        "无法读取 'a.txt'（Permission denied）。请检查权限与链接。",
    ),
]


@pytest.mark.parametrize(("error", "code", "english", "chinese"), CASES)
def test_message_says_what_failed_and_what_to_do(error, code, english, chinese):
    assert (error.code, str(error), error.render("zh")) == (code, english, chinese)


@pytest.mark.parametrize("error", [case[0] for case in CASES])
def test_error_is_the_same_when_it_comes_from_another_process(error):
    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is type(error)
    assert (copy.source, copy.message, copy.hint) == (error.source, error.message, error.hint)
