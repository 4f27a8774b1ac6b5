from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.uploading.names import (
    MAX_PART_CHARS,
    MAX_PARTS,
    Field,
    decode_name,
    distinct,
    parse_disposition,
    safe_name,
    safe_path,
)


@pytest.mark.parametrize(
    ("header", "field"),
    [
        (b'form-data; name="file"; filename="a.txt"', Field("file", "a.txt")),
        (b'form-data; name="purpose"', Field("purpose")),
        (b"form-data; name=file; filename=a b.txt", Field("file", "a b.txt")),
        (b'form-data; name="file"; filename=""', Field("file", "")),
        ('form-data; name="file"; filename="员工手册𠮷.md"'.encode(), Field("file", "员工手册𠮷.md")),
        ('form-data; name="file"; filename="通知.txt"'.encode("gbk"), Field("file", "通知.txt")),
        ('form-data; name="file"; filename="學習誠.txt"'.encode("gbk"), Field("file", "學習誠.txt")),
        (b"form-data; name=\"file\"; filename*=UTF-8''%E9%80%9A%E7%9F%A5.txt", Field("file", "通知.txt")),
        (b'form-data; name="file"; filename="x"; filename*=GBK\'\'%CD%A8%D6%AA.txt', Field("file", "通知.txt")),
        (b'form-data; name="file"; filename="x"; filename*=nope\'\'%CD%A8%D6%AA.txt', Field("file", "通知.txt")),
        (b'form-data; name="file"; filename="x.txt"; filename*=broken', Field("file", "x.txt")),
        (b'form-data; name="file"; filename="a%22b; name=c.txt"', Field("file", 'a"b; name=c.txt')),
        (b'form-data; name="file"; filename="a\\"b.txt"', Field("file", 'a"b.txt')),
        (b'form-data; name="file"; filename="C:\\docs\\a.txt"', Field("file", "C:\\docs\\a.txt")),
        (b'form-data; name="file"; name="other"; filename="a"', Field("file", "a")),
        (b'form-data; filename="a.txt"', None),
        (b"form-data", None),
        (b"", None),
    ],
)
def test_disposition_is_read_as_its_writer_meant(header: bytes, field: Field | None):
    assert parse_disposition(header) == field


@pytest.mark.parametrize(
    "name",
    [
        "员工手册.md",
        "résumé.pdf",
        "Привет.txt",
        "阿尔伯特·爱因斯坦.pdf",
        "שלום.txt",
        "مرحبا.txt",
        "a·b.txt",
        "😀𠮷䶮.txt",
    ],
)
def test_utf8_stays_utf8_when_its_bytes_are_gbk_too(name: str):
    assert decode_name(name.encode()) == name


@pytest.mark.parametrize("name", ["通知.txt", "学习.docx", "财务制度.xlsx", "合同（2026）.pdf", "镕.md"])
def test_gbk_is_told_from_utf8(name: str):
    assert decode_name(name.encode("gbk")) == name


def test_bytes_that_are_no_text_still_give_a_name():
    assert decode_name(b"a\xff\xfe.txt") == "aÿþ.txt"


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("a.txt", "a.txt"),
        ("制度/人事/员工手册.md", "制度/人事/员工手册.md"),
        ("../../etc/passwd", "etc/passwd"),
        ("/etc/passwd", "etc/passwd"),
        ("C:\\Users\\me\\报告.docx", "Users/me/报告.docx"),
        ("..\\..\\x.txt", "x.txt"),
        ("a/./b//c.txt", "a/b/c.txt"),
        ("a\x00b\x1b[31m.txt", "ab[31m.txt"),
        ("a\r\nSet-Cookie: x=1.txt", "a Set-Cookie: x=1.txt"),
        ("报告\u202etxt.exe", "报告txt.exe"),
        ("\u200b\ufeff通\u2066知\u2069.txt", "通知.txt"),
        ("  多  余　空格 .txt. ", "多 余 空格 .txt"),
        ("👨\u200d👩\u200d👧.txt", "👨\u200d👩\u200d👧.txt"),
        ("e\u0301.txt", "é.txt"),
        ("\ud800bad.txt", "bad.txt"),
        ("𠮷䶮\U00031350.txt", "𠮷䶮\U00031350.txt"),
        (".gitignore", ".gitignore"),
        ("", ""),
        ("...", ""),
        ("/", ""),
        ("\u200d", ""),
        ("a\u2028b.txt", "a b.txt"),
    ],
)
def test_path_is_safe_and_says_what_it_said(name: str, safe: str):
    assert safe_path(name) == safe


def test_long_name_keeps_its_suffix_and_stays_its_own():
    long, other = "长" * 300 + "甲.docx", "长" * 300 + "乙.docx"
    assert len(safe_path(long)) == MAX_PART_CHARS and safe_path(long).endswith(".docx")
    assert safe_path(long) != safe_path(other)
    assert len(safe_path("x" * 300)) == MAX_PART_CHARS


def test_deep_folders_keep_the_innermost():
    path = safe_path("/".join(map(str, range(100))) + "/a.txt")
    assert path.endswith("98/99/a.txt") and path.count("/") == MAX_PARTS - 1


def test_name_is_made_of_the_hash_when_nothing_is_left():
    assert safe_name("..", "0123456789ab") == "unnamed-01234567"
    assert safe_name("甲.md", "0123456789ab") == "甲.md"


@given(st.text() | st.text(alphabet="./\\: \u202e\u200da甲\x00\n"))
def test_safe_path_holds_for_any_text(name: str):
    safe = safe_path(name)
    assert safe_path(safe) == safe
    parts = safe.split("/") if safe else []
    assert len(parts) <= MAX_PARTS
    for part in parts:
        assert part.strip(". ") and len(part) <= MAX_PART_CHARS
        assert not any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in part)
    safe.encode()


@given(st.binary(max_size=200))
def test_any_header_is_read_or_refused(header: bytes):
    field = parse_disposition(b'form-data; name="file"; filename=' + header)
    assert field is not None and field.name == "file"


@pytest.mark.parametrize(
    ("names", "result"),
    [
        ([], []),
        (["a.txt", "b.txt"], ["a.txt", "b.txt"]),
        (["a.txt", "a.txt", "a.txt"], ["a.txt", "a (2).txt", "a (3).txt"]),
        (["a.txt", "a.txt", "a (2).txt"], ["a.txt", "a (3).txt", "a (2).txt"]),
        (["制度/甲", "制度/甲"], ["制度/甲", "制度/甲 (2)"]),
        (["a.b/c", "a.b/c"], ["a.b/c", "a.b/c (2)"]),
        ([".x", ".x"], [".x", ".x (2)"]),
    ],
)
def test_names_that_come_together_are_told_apart(names: list[str], result: list[str]):
    assert distinct(names) == result


@given(st.lists(st.sampled_from(["a.txt", "a (2).txt", "a (3).txt", "甲", "甲 (2)"]), max_size=12))
def test_no_two_names_are_the_same(names: list[str]):
    chosen = distinct(names)
    assert len(set(chosen)) == len(chosen)
    assert distinct(names) == chosen
