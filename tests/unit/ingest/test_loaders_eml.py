from __future__ import annotations

import io
import zipfile
from email.message import EmailMessage

import pytest

from ingest.errors import EmptyFileError
from ingest.loaders import load
from ingest.settings import LoadSettings


def mail(
    text: str = "贵公司：\n\n交期顺延至5月20日。", *, html: str | None = None, subject: str = "关于延期"
) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "张伟 <zhang@example.com>"
    message["To"] = "采购部 <buy@example.com>"
    message["Date"] = "Mon, 08 Jan 2024 09:30:00 +0800"
    message["Subject"] = subject
    message.set_content(text)
    return message


def test_heads_and_text_are_read_when_a_mail_is_loaded() -> None:
    loaded = load(mail().as_bytes(), source="来函.eml")
    assert loaded.document.title == "关于延期"
    assert loaded.document.text.split("\n") == [
        "关于延期",
        "发件人：张伟 <zhang@example.com>",
        "收件人：采购部 <buy@example.com>",
        "日期：Mon, 08 Jan 2024 09:30:00 +0800",
        "贵公司：",
        "交期顺延至5月20日。",
    ]
    assert loaded.document.metadata == {"author": "张伟 <zhang@example.com>", "date": "2024-01-08"}


@pytest.mark.parametrize("name", ["来函", "来函.txt", "来函.eml"])
def test_mail_is_told_by_its_heads_when_the_suffix_is_another(name: str) -> None:
    assert load(mail().as_bytes(), source=name).loader == "eml"


def test_text_is_read_when_a_gb2312_part_holds_gbk_characters() -> None:
    raw = "主持人：龚䶮，金额1280元".encode("gb18030")
    head = b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=gb2312\r\n\r\n"
    assert load(head + raw, source="a.eml").document.text.endswith("主持人：龚䶮，金额1280元")


def test_page_is_read_without_its_script_when_the_mail_is_html_alone() -> None:
    message = mail()
    message.set_content("<h2>通知</h2><p>正常上班</p><script>alert(1)</script>", subtype="html")
    text = load(message.as_bytes(), source="a.eml").document.text
    assert text.endswith("通知\n正常上班") and "alert" not in text


def test_attachments_are_read_by_their_own_loaders_when_a_mail_has_some() -> None:
    message = mail()
    message.add_attachment(
        "本次货物的物流单号是SF2024".encode("gb18030"), maintype="text", subtype="plain", filename="物流单.txt"
    )
    message.add_attachment("品名,价格\n镜头,45".encode(), maintype="text", subtype="csv", filename="价格.csv")
    message.add_attachment(b"MZ\x90\0\3", maintype="application", subtype="octet-stream", filename="病毒.exe")
    loaded = load(message.as_bytes(), source="a.eml")
    assert loaded.document.text.endswith(
        "附件：物流单.txt\n本次货物的物流单号是SF2024\n\n附件：价格.csv\n品名 | 价格\n镜头 | 45"
    )
    assert [warning.en for warning in loaded.warnings] == [
        "'a.eml': attachment '病毒.exe' was not read: '病毒.exe' is a program, which is not supported; supported are "
        + loaded.warnings[0].en.split("supported are ")[1]
    ]
    table = loaded.document.blocks[-1]
    assert table.places == ("A1:B1", "A2:B2")
    assert loaded.document.text[table.start : table.end] == "品名 | 价格\n镜头 | 45"


def test_forwarded_mails_are_read_when_they_are_not_nested_too_deep() -> None:
    message = mail("最里面的内容在这里", subject="第0层")
    for level in range(1, 4):
        outer = mail(f"第{level}层的正文", subject=f"第{level}层")
        outer.add_attachment(message)
        message = outer
    assert "最里面的内容在这里" in load(message.as_bytes(), source="a.eml").document.text
    shallow = load(message.as_bytes(), source="a.eml", settings=LoadSettings(max_nesting=1))
    assert "第2层的正文" in shallow.document.text and "第1层的正文" not in shallow.document.text
    assert "nested too deep" in shallow.warnings[0].en


def test_mail_is_refused_when_it_says_nothing() -> None:
    with pytest.raises(EmptyFileError):
        load(b"MIME-Version: 1.0\r\n\r\n", source="a.eml")


@pytest.mark.parametrize(
    "data",
    [
        b"Content-Type: multipart/mixed; boundary=x\r\nMIME-Version: 1.0\r\n\r\n--x\r\n\r\n\xb7\xc5\xbc\xd9\r\n",
        b"Content-Type: text/plain; charset=nope\r\nMIME-Version: 1.0\r\n\r\nplain words here",
        b"From: =?x?q?=\r\nContent-Transfer-Encoding: base64\r\nMIME-Version: 1.0\r\n\r\n!!!!\r\n",
        b"Date: never\r\nSubject: =?utf-8?b?//8=?=\r\nMIME-Version: 1.0\r\n\r\nplain words here",
    ],
)
def test_what_can_be_read_is_read_when_a_mail_is_malformed(data: bytes) -> None:
    assert load(data, source="a.eml").document.text


def test_documents_of_an_attached_archive_are_read_when_some_cannot_be() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("报价/清单.csv", "品名,价格\n镜头,45")
        archive.writestr("报价/坏.docx", b"PK cut off")
    message = mail()
    message.add_attachment(file.getvalue(), maintype="application", subtype="zip", filename="资料.zip")
    message.add_attachment(b"PK\x03\x04", maintype="application", subtype="zip", filename="断.zip")

    loaded = load(message.as_bytes(), source="a.eml")

    assert loaded.document.text.endswith("附件：资料.zip/报价/清单.csv\n品名 | 价格\n镜头 | 45")
    assert [warning.en.split(" was not read")[0] for warning in loaded.warnings] == [
        "'a.eml': attachment '资料.zip/报价/坏.docx'",
        "'a.eml': attachment '断.zip'",
    ]


def test_table_is_read_from_the_page_when_a_mail_has_both() -> None:
    message = mail("报价如下\n品名\n价格\n镜头\n45")
    message.add_alternative("<p>报价如下<table><tr><th>品名<th>价格<tr><td>镜头<td>45</table>", subtype="html")

    assert load(message.as_bytes(), source="a.eml").document.text.endswith("报价如下\n品名 | 价格\n镜头 | 45")
