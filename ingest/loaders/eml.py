"""E-mail (.eml) -> Mail: heads decoded, parts by their charsets."""

from __future__ import annotations

import email
from datetime import datetime
from email import policy
from email.errors import MessageError
from email.message import EmailMessage
from typing import Any

from ingest.clean import clean_line
from ingest.encoding import decode
from ingest.errors import BrokenFileError, IngestError
from ingest.loaders.base import LoadedFile
from ingest.loaders.mail import Attachment, Mail, load_mail, named
from ingest.settings import LoadSettings

_HEADS = ("Subject", "From", "To", "Cc", "Date")


def load(data: bytes, *, source: str, settings: LoadSettings) -> LoadedFile:
    """Parse the message and what is attached."""
    try:
        message = email.message_from_bytes(data, policy=policy.default)
        heads = {name: clean_line(str(message[name])) if message[name] else "" for name in _HEADS}
    except (MessageError, ValueError, LookupError, TypeError, IndexError) as exc:
        raise BrokenFileError(source, "eml", f"{type(exc).__name__}: {exc}"[:200]) from exc
    sent = getattr(message["Date"], "datetime", None)
    mail = Mail(
        subject=heads["Subject"],
        sender=heads["From"],
        to=heads["To"],
        cc=heads["Cc"],
        date=heads["Date"],
        sent=sent if isinstance(sent, datetime) else None,
        plain=_body(message, "plain", source),
        markup=_body(message, "html", source),
        attachments=[named(_attachment(part)) for part in _parts(message)],
    )
    return load_mail(mail, source=source, settings=settings, media_type="message/rfc822", loader="eml")


def _body(message: EmailMessage, kind: str, source: str) -> str:
    part = message.get_body(preferencelist=(kind,))
    return _text(part, source) if isinstance(part, EmailMessage) else ""


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


def _parts(message: EmailMessage) -> list[EmailMessage]:
    """Return the attached parts, without pictures in the text (a logo, a signature)."""
    try:
        attached = [part for part in message.iter_attachments() if isinstance(part, EmailMessage)]
    except (MessageError, AttributeError, KeyError, TypeError):  # of a message whose parts contradict its heads
        return []
    return [
        part
        for part in attached
        if part.get_content_maintype() != "image" or part.get_content_disposition() == "attachment"
    ]


def _attachment(part: EmailMessage) -> Attachment:
    name = part.get_filename() or ("message.eml" if part.get_content_type() == "message/rfc822" else "")
    return Attachment(name, _bytes(part))


def _bytes(part: EmailMessage) -> bytes:
    if part.get_content_type() == "message/rfc822":
        inner: Any = part.get_payload(0)
        return bytes(inner.as_bytes())
    content: Any = part.get_payload(decode=True)
    return bytes(content or b"")
