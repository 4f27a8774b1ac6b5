from __future__ import annotations

import struct
from datetime import UTC, datetime

import pytest

from ingest.errors import BrokenFileError, EmptyFileError, IngestError
from ingest.loaders import load
from ingest.loaders.rtf_compressed import decompress
from ingest.settings import LoadSettings
from tests.msg_files import MessageFile, make_msg

SUBJECT, BODY, HTML, RTF = 0x0037, 0x1000, 0x1013, 0x1009
HEADS = {
    SUBJECT: "关于延期",
    0x0C1A: "张伟",
    0x5D01: "zhang@example.com",
    0x0039: datetime(2024, 1, 8, 1, 30, tzinfo=UTC),
}
RECEIVERS = [
    {0x3001: "采购部", 0x39FE: "buy@example.com", 0x0C15: 1},
    {0x3001: "李娜", 0x3003: "/O=XH/CN=LINA", 0x0C15: 2},
    {0x3001: "密送", 0x0C15: 3},
]


def message(**changes: object) -> MessageFile:
    return MessageFile({**HEADS, BODY: "贵公司：\r\n\r\n交期顺延至5月20日。𠮷田\r\n"}, RECEIVERS, **changes)  # type: ignore[arg-type]


def test_heads_and_text_are_read_when_a_message_is_loaded() -> None:
    loaded = load(make_msg(message()), source="来函.msg")

    assert (loaded.document.title, loaded.loader, loaded.media_type) == (
        "关于延期", "msg", "application/vnd.ms-outlook",
    )  # fmt: skip
    assert loaded.document.text.split("\n") == [
        "关于延期",
        "发件人：张伟 <zhang@example.com>",
        "收件人：采购部 <buy@example.com>",
        "抄送：李娜",
        "日期：2024-01-08 01:30 UTC",
        "贵公司：",
        "交期顺延至5月20日。𠮷田",
    ]
    assert loaded.document.metadata == {"author": "张伟 <zhang@example.com>", "date": "2024-01-08"}


@pytest.mark.parametrize("name", ["来函", "来函.doc", "来函.xls", "来函.txt"])
def test_message_is_told_by_its_content_when_the_suffix_is_another(name: str) -> None:
    assert load(make_msg(message()), source=name).loader == "msg"


@pytest.mark.parametrize(("code_page", "codec"), [(936, "gb18030"), (950, "big5"), (65001, "utf-8"), (0, "gb18030")])
def test_texts_are_decoded_when_they_are_in_a_code_page(code_page: int, codec: str) -> None:
    body = "三號線相機延期交付，金額一萬二千元整，請儘快安排付款事宜。"
    values = {SUBJECT: "關於三號線相機延期交付的說明", BODY: body, **({0x3FFD: code_page} if code_page else {})}
    document = load(make_msg(MessageFile(values, codec=codec)), source="a.msg").document

    assert document.text.split("\n") == ["關於三號線相機延期交付的說明", body]


def test_table_is_read_from_the_markup_when_the_message_has_both() -> None:
    markup = (
        "<meta charset=gb2312><p>报价如下</p><table><tr><th>品名<th>价格<tr><td>镜头<td>45</table><script>x</script>"
    )
    values = {**HEADS, BODY: "报价如下\r\n品名\r\n价格\r\n镜头\r\n45", HTML: markup.encode("gb18030")}
    document = load(make_msg(MessageFile(values)), source="a.msg").document

    assert document.text.endswith("报价如下\n品名 | 价格\n镜头 | 45")
    assert [block.kind for block in document.blocks][-1] == "table"


def test_attachments_are_read_by_their_own_loaders_when_a_message_has_some() -> None:
    files = [
        {0x3707: "物流单.txt", 0x3701: "本次货物的物流单号是SF2024".encode("gb18030")},
        {0x3704: "PRICE.CSV", 0x3701: "品名,价格\n镜头,45".encode()},
        {0x3707: "签名.png", 0x3701: b"\x89PNG\r\n\x1a\n", 0x3712: "logo@01"},
        {0x3707: "病毒.exe", 0x3701: b"MZ\x90\0\3"},
        {0x3707: "共享.docx"},
        {0x3707: "大文件.txt", 0x3701: ("大文件里的一行。\n" * 900).encode()},
    ]
    loaded = load(make_msg(message(attachments=files)), source="a.msg")

    assert (
        "附件：物流单.txt\n本次货物的物流单号是SF2024\n\n附件：PRICE.CSV\n品名 | 价格\n镜头 | 45"
        in loaded.document.text
    )
    assert loaded.document.text.count("大文件里的一行。") == 900
    assert [warning.en.split(" was not read: ")[0] for warning in loaded.warnings] == [
        "'a.msg': attachment '病毒.exe'",
        "'a.msg': attachment '共享.docx'",
    ]


def test_messages_in_messages_are_read_when_they_are_not_too_deep() -> None:
    inner = MessageFile({SUBJECT: "转发的询价", BODY: "最里面的内容在这里"})
    outer = message(attachments=[MessageFile({SUBJECT: "第二层", BODY: "中间的内容"}, attachments=[inner])])

    assert "附件：第二层\n第二层\n中间的内容" in load(make_msg(outer), source="a.msg").document.text.replace(
        "\n\n", "\n"
    )
    assert "最里面的内容在这里" in load(make_msg(outer), source="a.msg").document.text
    shallow = load(make_msg(outer), source="a.msg", settings=LoadSettings(max_nesting=1))
    assert "中间的内容" in shallow.document.text and "最里面的内容在这里" not in shallow.document.text
    assert "nested too deep" in shallow.warnings[0].en


def test_rich_text_is_read_when_a_message_has_nothing_else() -> None:
    rtf = rb"{\rtf1\ansi\ansicpg936\pard \'bd\'bb\'c6\'da\'cb\'b3\'d1\'d3\par Delivery is late\par}"
    stored = struct.pack("<IIII", len(rtf) + 12, len(rtf), 0x414C454D, 0) + rtf
    document = load(make_msg(MessageFile({**HEADS, RTF: stored})), source="a.msg").document

    assert document.text.endswith("交期顺延\nDelivery is late")


def test_rich_text_is_unpacked_as_the_format_says() -> None:
    # The example of [MS-OXRTFCP] 3.1.
    packed = bytes.fromhex(
        "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0"
    )

    assert decompress(packed, 1000) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
    assert len(decompress(packed, 10)) <= 60


@pytest.mark.parametrize("packed", [b"", bytes(16), b"\x00" * 12 + b"what"])
def test_packed_text_is_refused_when_it_is_none(packed: bytes) -> None:
    with pytest.raises(ValueError, match="text"):
        decompress(packed, 1000)


def test_message_is_refused_when_it_says_nothing() -> None:
    with pytest.raises(EmptyFileError):
        load(make_msg(MessageFile({0x001A: b"IPM.Note"})), source="a.msg")


def test_message_is_refused_when_it_is_cut_off_or_none() -> None:
    for data in (
        make_msg(message())[:1500],
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "__properties_version1.0".encode("utf-16-le"),
    ):
        with pytest.raises(BrokenFileError, match=r"'a\.msg' is damaged and cannot be read as msg"):
            load(data, source="a.msg")
    with pytest.raises(IngestError):
        load(b"From: x", source="a.msg")
