"""A mail, whatever format it came in -> document: its heads, the message, attachments by their own loaders."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from ingest.clean import clean_line
from ingest.errors import EmptyFileError, IngestError
from ingest.loaders import html
from ingest.loaders.base import LoadedFile, choose_title
from ingest.loaders.builder import DocumentBuilder
from ingest.loaders.formats import suffix_of
from ingest.settings import LoadSettings
from retrieval.errors import Message

MAX_ATTACHMENTS = 100
_MAX_RATIO = 100
"""A document in an attached archive that unpacks to more times the archive's size is not read."""
_LABELS = (("sender", "发件人"), ("to", "收件人"), ("cc", "抄送"), ("date", "日期"))


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file in a mail: its bytes, or the mail that it is; `problem` says why there is neither."""

    name: str
    data: bytes = b""
    mail: Mail | None = None
    problem: Message | None = None


@dataclass(frozen=True, slots=True)
class Mail:
    """What a mail's format gives.

    Args:
        subject: Empty where there is none.
        sender: Name and address, as a reader sees them.
        to: Receivers.
        cc: Those of a copy.
        date: As written.
        sent: The same as a time; None where it is not told.
        plain: The message as text; empty where it is HTML alone.
        markup: The message as HTML; empty where it is text alone.
        attachments: In their order, without pictures that belong to the text.
    """

    subject: str = ""
    sender: str = ""
    to: str = ""
    cc: str = ""
    date: str = ""
    sent: datetime | None = None
    plain: str = ""
    markup: str = ""
    attachments: Sequence[Attachment] = field(default_factory=tuple)


def load_mail(mail: Mail, *, source: str, settings: LoadSettings, media_type: str, loader: str) -> LoadedFile:
    """Lay a mail out; an attachment that cannot be read is named in a warning.

    Raises:
        EmptyFileError: If it says nothing at all.
    """
    builder = DocumentBuilder(source, settings)
    if mail.subject:
        builder.heading(mail.subject, 1)
    builder.paragraph("\n".join(f"{label}：{head}" for name, label in _LABELS if (head := getattr(mail, name))))
    _add_body(builder, mail, source, settings)
    warnings = [
        warning
        for attached in mail.attachments[:MAX_ATTACHMENTS]
        for one in _unzipped(attached, settings)
        for warning in _add_attachment(builder, one, source, settings)
    ]
    facts = {"author": mail.sender} if mail.sender else {}
    if mail.sent is not None:
        facts["date"] = f"{mail.sent:%Y-%m-%d}"
    document = builder.build(choose_title([mail.subject], source), facts)
    return LoadedFile(document, media_type, loader, tuple(warnings))


def _add_body(builder: DocumentBuilder, mail: Mail, source: str, settings: LoadSettings) -> None:
    root = html.parse(mail.markup, source=source) if mail.markup.strip() else None
    # A table is only a table in the HTML; else the text, which says in words what the HTML says in form.
    if root is not None and (not mail.plain.strip() or _has_table(root)):
        html.Walker(builder, max_depth=settings.max_depth).walk(root)
        return
    # One paragraph each, so that a quoted earlier message below is cut from this one.
    for paragraph in mail.plain.replace("\r\n", "\n").split("\n\n"):
        builder.paragraph(paragraph)


def _has_table(root: Any) -> bool:
    return any(not html.is_layout(table) for table in root.iter("table"))


def _unzipped(attached: Attachment, settings: LoadSettings) -> Iterator[Attachment]:
    """Yield the documents of an attached zip archive for it, and anything else as it is."""
    if suffix_of(attached.name) != ".zip" or not attached.data.startswith(b"PK"):
        yield attached
        return
    from ingest.archives import Archive

    max_mb = -(-len(attached.data) // (1024 * 1024)) * _MAX_RATIO
    try:
        with Archive(io.BytesIO(attached.data), attached.name, settings) as archive:
            for member in archive.members[:MAX_ATTACHMENTS]:
                name = f"{attached.name}/{member.name}"
                try:
                    yield Attachment(name, archive.read(member, name, min(max_mb, settings.max_unpacked_mb)))
                except IngestError as error:
                    yield Attachment(name, problem=error.message)
    except IngestError as error:
        yield Attachment(attached.name, problem=error.message)


def _add_attachment(builder: DocumentBuilder, one: Attachment, source: str, settings: LoadSettings) -> list[Message]:
    if one.problem is not None:
        return [_not_read(source, one.name, one.problem)]
    if settings.max_nesting <= 0:
        return [_not_read(source, one.name, Message("nested too deep", "嵌套层数过多"))]
    inner = settings.model_copy(update={"max_nesting": settings.max_nesting - 1})
    try:
        loaded = _loaded(one, inner)
    except EmptyFileError:
        return []
    except IngestError as error:
        return [_not_read(source, one.name, error.message)]
    builder.heading(f"附件：{one.name}", 1)
    builder.embed(loaded.document, below=1)
    return list(loaded.warnings)


def _loaded(one: Attachment, settings: LoadSettings) -> LoadedFile:
    from ingest.loaders import load

    if one.mail is None:
        return load(one.data, source=one.name, settings=settings)
    return load_mail(one.mail, source=one.name, settings=settings, media_type="message/rfc822", loader="eml")


def named(attachment: Attachment, default: str = "attachment") -> Attachment:
    """Return an attachment with a name that can be shown."""
    return replace(attachment, name=clean_line(attachment.name) or default)


def _not_read(source: str, name: str, reason: Message) -> Message:
    return Message(
        en=f"{source!r}: attachment {name!r} was not read: {reason.en}",
        zh=f"{source!r}：附件 {name!r} 没有读取：{reason.zh}",
    )
