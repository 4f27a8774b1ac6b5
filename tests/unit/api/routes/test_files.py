from __future__ import annotations

import pytest

from tests.unit.api.service import FakeFolder, ScriptedAssistant, build, client

TEXT = "第一条 员工每年享有五天带薪年假，试用期员工除外。\n" * 4


async def fetch(folder: FakeFolder, data: bytes, *, source: str, media_type: str, **headers: str):
    chunk = folder.add_document(folder.add_collection("default"), "x", source=source, media_type=media_type, data=data)
    async with client(build(folder, ScriptedAssistant())) as http:
        return await http.get(f"/v1/files/{chunk.document_id}/content", headers=headers)


async def test_original_comes_back_byte_for_byte_when_it_is_pdf(folder: FakeFolder):
    reply = await fetch(folder, b"%PDF-1.7 \x00\xff", source="a/报告.pdf", media_type="application/pdf")
    assert reply.content == b"%PDF-1.7 \x00\xff"
    assert reply.headers["content-type"] == "application/pdf"
    assert reply.headers["content-disposition"] == "inline; filename*=utf-8''%E6%8A%A5%E5%91%8A.pdf"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert "content-security-policy" not in reply.headers


async def test_html_is_sandboxed(folder: FakeFolder):
    reply = await fetch(folder, b"<script>alert(1)</script>", source="x.html", media_type="text/html")
    assert reply.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert reply.headers["content-type"].lower() == "text/html; charset=utf-8"


async def test_html_keeps_the_charset_that_it_declares(folder: FakeFolder):
    data = b'<meta charset="gb18030">' + TEXT.encode("gb18030")
    reply = await fetch(folder, data, source="x.html", media_type="text/html")
    assert reply.headers["content-type"] == "text/html"


@pytest.mark.parametrize(("codec", "charset"), [("utf-8", "utf-8"), ("gb18030", "gb18030"), ("utf-8-sig", "utf-8")])
async def test_text_is_shown_in_its_own_encoding(folder: FakeFolder, codec: str, charset: str):
    reply = await fetch(folder, TEXT.encode(codec), source="通知.txt", media_type="text/plain")
    assert reply.headers["content-type"].lower() == f"text/plain; charset={charset}"
    assert reply.headers["content-disposition"].startswith("inline")


async def test_markdown_is_shown_as_plain_text(folder: FakeFolder):
    reply = await fetch(folder, TEXT.encode(), source="a.md", media_type="text/markdown")
    assert reply.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("media_type", ["image/svg+xml", "application/xhtml+xml", "application/octet-stream", ""])
async def test_other_types_are_saved_not_shown(folder: FakeFolder, media_type: str):
    reply = await fetch(folder, b"<svg/>", source="a.svg", media_type=media_type)
    assert reply.headers["content-disposition"].startswith("attachment")
    assert reply.headers["content-security-policy"].startswith("sandbox")


@pytest.mark.parametrize(
    "source", ['a"; filename="b.exe', "a\r\nSet-Cookie: x=1.txt", "..\\..\\x.txt", "目录/", "😀𠮷.txt"]
)
async def test_disposition_is_one_safe_header_when_the_name_is_hostile(folder: FakeFolder, source: str):
    reply = await fetch(folder, TEXT.encode(), source=source, media_type="text/plain")
    assert reply.status_code == 200
    assert "set-cookie" not in reply.headers
    name = reply.headers["content-disposition"].partition("filename")[2]
    assert name.startswith(("*=utf-8''", '="')) and name.count('"') in (0, 2)


async def test_part_is_sent_when_a_range_is_asked_for(folder: FakeFolder):
    reply = await fetch(folder, b"%PDF-0123456789", source="a.pdf", media_type="application/pdf", range="bytes=5-8")
    assert (reply.status_code, reply.content) == (206, b"0123")


async def test_unknown_file_is_404(folder: FakeFolder):
    async with client(build(folder, ScriptedAssistant())) as http:
        reply = await http.get("/v1/files/nope/content")
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "file_not_found")


async def test_error_says_so_when_the_original_is_missing(folder: FakeFolder):
    chunk = folder.add_document(folder.add_collection("default"), "x")
    for file in folder.originals.folder.iterdir():
        file.unlink()
    async with client(build(folder, ScriptedAssistant())) as http:
        reply = await http.get(f"/v1/files/{chunk.document_id}/content")
    assert (reply.status_code, reply.json()["error"]["message"]) == (404, "原始文件缺失。")
