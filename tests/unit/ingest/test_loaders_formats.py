import io
import zipfile

import pytest

from ingest.errors import (
    BinaryFileError,
    BrokenFileError,
    EmptyFileError,
    EncryptedError,
    FileTooLargeError,
    IngestError,
    UnsupportedFormatError,
)
from ingest.loaders import is_candidate, load
from ingest.loaders.base import choose_title, stem
from ingest.loaders.formats import recognise
from ingest.settings import LoadSettings

PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
GZIP = b"\x1f\x8b\x08" + bytes(64)
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)


def zipped(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/"), content)
    return file.getvalue()


@pytest.mark.parametrize("name", ["制度.md", "A.PDF", "x/报告.docx", "a.htm", "a.xlsx", "旧.doc", "信.eml", "价格.csv"])
def test_file_is_a_candidate_when_its_suffix_is_a_documents(name):
    assert is_candidate(name)


@pytest.mark.parametrize(
    "name", [".hidden.md", "~$报告.docx", "a.md~", "x/.git", "a.png", "a.py", "README", "~a.docx", "x/questions.jsonl"]
)
def test_file_is_passed_over_when_it_is_hidden_locked_or_no_document(name):
    assert not is_candidate(name)


@pytest.mark.parametrize(
    ("data", "name", "loader"),
    [
        ("<html><body>任命通知</body></html>".encode(), "通知.doc", "html"),
        ("  <!DOCTYPE HTML>\n<p>任命通知".encode(), "通知.txt", "html"),
        ("<!-- 注 --><html><body>任命通知".encode("utf-16"), "通知.xls", "html"),
        ("# 标题\n正文".encode(), "a.md", "markdown"),
        ("# 标题\n正文".encode(), "a.txt", "text"),
        ("通知正文".encode(), "无后缀", "text"),
        ("纯文本，另存时写错了后缀".encode(), "a.doc", "text"),
        (b"BMW and MZ-80 are names.", "a.txt", "text"),
        (b"GIF8 is how a picture starts.", "a.txt", "text"),
    ],
)
def test_loader_is_chosen_by_content_when_the_suffix_says_otherwise(data, name, loader):
    assert load(data, source=name).loader == loader


@pytest.mark.parametrize(
    ("data", "name", "error", "message"),
    [
        (b"", "a.txt", EmptyFileError, "'a.txt' holds no text."),
        (b" \r\n\t", "a.txt", EmptyFileError, "'a.txt' holds no text."),
        (b"\xef\xbb\xbf", "a.md", EmptyFileError, "'a.md' holds no text."),
        (b"<html><body><img src=x></body></html>", "a.html", EmptyFileError, "'a.html' holds no text."),
        (GZIP, "a.txt", BinaryFileError, "'a.txt' is not text but binary data (a gzip archive)."),
        (GZIP, "a.gz", UnsupportedFormatError, "'a.gz' is a gzip archive, which is not supported;"),
        (b"not a picture", "a.png", BrokenFileError, "'a.png' is damaged and cannot be read as image ("),
        (b"MZ\x90\0\3\0\0\0", "a.md", BinaryFileError, "'a.md' is not text but binary data (a program)."),
        (zipped(xl__workbook=b""), "a.xlsx", BrokenFileError, "'a.xlsx' is damaged and cannot be read as xlsx ("),
        (zipped(ppt__p=b""), "a.docx", BrokenFileError, "'a.docx' is damaged and cannot be read as pptx ("),
        (zipped(mimetype=b"", a=b""), "a.odt", BrokenFileError, "'a.odt' is damaged and cannot be read as odt ("),
        (zipped(a=b"x"), "a.zip", UnsupportedFormatError, "'a.zip' is a zip archive, which is not supported;"),
        (zipped(a=b"x"), "a.docx", BrokenFileError, "'a.docx' is damaged and cannot be read as docx (no document part"),
        (b"PK\x03\x04 cut off", "a.docx", BrokenFileError, "cannot be read as docx (File is not a zip file)."),
        (b"not a pdf", "a.pdf", BrokenFileError, "cannot be read as pdf (it does not start like one)."),
        (b"not a docx", "a.docx", BrokenFileError, "cannot be read as docx (it does not start like one)."),
        (
            OLE + "WordDocument".encode("utf-16-le"),
            "a.doc",
            UnsupportedFormatError,
            "'a.doc' is an old Word file (.doc),",
        ),
        (OLE + "Workbook".encode("utf-16-le"), "a.xls", BrokenFileError, "is damaged and cannot be read as xls ("),
        (OLE, "a.msi", UnsupportedFormatError, "'a.msi' is an OLE compound file, which is not supported;"),
        (OLE + "EncryptedPackage".encode("utf-16-le"), "a.docx", EncryptedError, "'a.docx' is encrypted."),
        (
            b"{nope",
            "a.json",
            BrokenFileError,
            "'a.json' is damaged and cannot be read as json (Expecting",
        ),
        (b"a,b\n1,2", "a.xlsx", BrokenFileError, "cannot be read as xlsx (it does not start like one)."),
    ],
)
def test_file_is_refused_when_no_loader_can_read_it(data, name, error, message):
    with pytest.raises(IngestError) as caught:
        load(data, source=name)

    assert type(caught.value) is error
    assert message in str(caught.value)


def test_zip_bomb_is_refused_before_it_is_unpacked():
    bomb = zipped(word__document=bytes(3 * 1024 * 1024))

    with pytest.raises(FileTooLargeError) as caught:
        load(bomb, source="a.docx", settings=LoadSettings(max_unpacked_mb=2))

    assert "'a.docx' unpacks to 3 MB, over the limit of 2 MB." in str(caught.value)


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.html"])
def test_text_is_refused_when_it_is_longer_than_the_limit(name):
    with pytest.raises(FileTooLargeError):
        load("<p>很长的正文</p>".encode() * 100, source=name, settings=LoadSettings(max_text_chars=500))


@pytest.mark.parametrize(
    ("source", "name"),
    [("制度/员工手册.docx", "员工手册"), ("C:\\文件\\报告.v2.pdf", "报告.v2"), ("https://x/y/", "y"), (".txt", ".txt")],
)
def test_stem_is_the_files_name(source, name):
    assert stem(source) == name


@pytest.mark.parametrize(
    ("candidates", "title"),
    [
        (["员工手册"], "员工手册"),
        ([None, "", "  ", "采购\n管理办法"], "采购 管理办法"),
        (["Microsoft Word - 年度报告.doc"], "年度报告"),
        (["untitled", "文档1", "C:\\a\\b.doc", "12345-678", "标题"], "来源"),
        (["Ô±¹¤ÊÖ²á"], "来源"),
        (["长" * 200], "来源"),
    ],
)
def test_title_is_the_first_that_a_person_would_write(candidates, title):
    assert choose_title(candidates, "来源.pdf") == title


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (PNG, "a.png"),
        (PNG, "a.txt"),
        (b"\xff\xd8\xff\xe0" + bytes(64), "a.pdf"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "a.webp"),
        (b"BM\x10\0\0\0\0\0\0\0", "a"),
    ],
)
def test_picture_is_recognised_when_its_suffix_says_otherwise(data, name):
    assert recognise(data, source=name, settings=LoadSettings()) == "image"


def test_pictures_are_candidates_when_they_are_asked_for():
    assert [is_candidate("照片.JPG"), is_candidate("照片.JPG", pictures=True)] == [False, True]
    assert not is_candidate("._照片.jpg", pictures=True)
