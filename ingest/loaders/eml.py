"""E-mail (.eml): heads that people read, the message, and its attachments by their own loaders."""

from __future__ import annotations

import email
from datetime import datetime
from email import policy
from email.errors import MessageError
from email.message import EmailMessage
from typing import Any

from ingest.clean import clean_line
from ingest.encoding import decode
from ingest.errors import BrokenFileError, EmptyFileError, IngestError
from ingest.loaders import html
from ingest.loaders.base import LoadedFile, choose_title
from ingest.loaders.builder import DocumentBuilder
from ingest.settings import LoadSettings
from retrieval.errors import Message

MAX_ATTACHMENTS = 100
_HEADS = (("From", "发件人"), ("To", "收件人"), ("Cc", "抄送"), ("Date", "日期"), ("Subject", "主题"))


def load(data: bytes, *, source: str, settings: LoadSettings) -> LoadedFile:
    """Parse the message and what is attached; an attachment that cannot be read is named in a warning."""
    try:
        message = email.message_from_bytes(data, policy=policy.default)
        heads = {name: clean_line(str(message[name])) for name, _ in _HEADS if message[name]}
    except (MessageError, ValueError, LookupError, TypeError, IndexError) as exc:
        raise BrokenFileError(source, "eml", f"{type(exc).__name__}: {exc}"[:200]) from exc
    builder = DocumentBuilder(source, settings)
    subject = heads.get("Subject", "")
    if subject:
        builder.heading(subject, 1)
    builder.paragraph("\n".join(f"{label}：{heads[name]}" for name, label in _HEADS[:-1] if name in heads))
    _add_body(builder, message, source, settings)
    warnings = [
        warning for part in _attachments(message) for warning in _add_attachment(builder, part, source, settings)
    ]
    document = builder.build(choose_title([subject], source), _facts(message, heads))
    return LoadedFile(document, "message/rfc822", "eml", tuple(warnings))


def _add_body(builder: DocumentBuilder, message: EmailMessage, source: str, settings: LoadSettings) -> None:
    body = message.get_body(preferencelist=("plain", "html"))
    if not isinstance(body, EmailMessage):
        return
    text = _text(body, source)
    if body.get_content_type() == "text/html":
        root = html.parse(text, source=source)
        if root is not None:
            html.Walker(builder, max_depth=settings.max_depth).walk(root)
        return
    # One paragraph each, so that a quoted earlier message below is cut from this one.
    for paragraph in text.replace("\r\n", "\n").split("\n\n"):
        builder.paragraph(paragraph)


def _text(part: EmailMessage, source: str) -> str:
    """Return a part's text: as its charset says if the bytes agree, else by their look."""
    raw = _bytes(part)
    if not raw.strip():
        return ""
    charset = part.get_content_charset()
    # gb2312 is what programs write where they mean its superset.
    superset = "gb18030" if charset in ("gb2312", "gbk", "hz-gb-2312") and b"~{" not in raw else charset
    try:
        return raw.decode(superset or "utf-8")
    except (UnicodeDecodeError, LookupError):
        try:
            return decode(raw, source=source).text
        except IngestError:
            return raw.decode("utf-8", "replace")


def _attachments(message: EmailMessage) -> list[EmailMessage]:
    try:
        return [part for part in message.iter_attachments() if isinstance(part, EmailMessage)][:MAX_ATTACHMENTS]
    except (MessageError, AttributeError, KeyError, TypeError):  # of a message whose parts contradict its heads
        return []


def _add_attachment(builder: DocumentBuilder, part: EmailMessage, source: str, settings: LoadSettings) -> list[Message]:
    from ingest.loaders import load as load_any

    if settings.max_nesting <= 0:
        return [_not_read(source, _name(part), Message("nested too deep", "嵌套层数过多"))]
    data = _bytes(part)
    # A picture in the text (a logo, a signature) is no document.
    if part.get_content_maintype() == "image" and part.get_content_disposition() != "attachment":
        return []
    name = _name(part)
    inner = settings.model_copy(update={"max_nesting": settings.max_nesting - 1})
    try:
        loaded = load_any(data, source=name, settings=inner)
    except EmptyFileError:
        return []
    except IngestError as error:
        return [_not_read(source, name, error.message)]
    builder.heading(f"附件：{name}", 1)
    builder.embed(loaded.document, below=1)
    return list(loaded.warnings)


def _bytes(part: EmailMessage) -> bytes:
    if part.get_content_type() == "message/rfc822":
        inner: Any = part.get_payload(0)
        return bytes(inner.as_bytes())
    content: Any = part.get_payload(decode=True)
    return bytes(content or b"")


def _name(part: EmailMessage) -> str:
    name = clean_line(part.get_filename() or "")
    if not name and part.get_content_type() == "message/rfc822":
        return "message.eml"
    return name or "attachment"


def _facts(message: EmailMessage, heads: dict[str, str]) -> dict[str, str]:
    facts = {"author": heads["From"]} if "From" in heads else {}
    sent = getattr(message["Date"], "datetime", None)
    return {**facts, "date": f"{sent:%Y-%m-%d}"} if isinstance(sent, datetime) else facts


def _not_read(source: str, name: str, reason: Message) -> Message:
    return Message(
        en=f"{source!r}: attachment {name!r} was not read: {reason.en}",
        zh=f"{source!r}：附件 {name!r} 没有读取：{reason.zh}",
    )
