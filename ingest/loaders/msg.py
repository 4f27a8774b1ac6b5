"""Outlook messages (.msg) -> Mail: the properties of a compound file ([MS-OXMSG]), read by olefile.

A message is a storage of property streams; receivers, attachments and attached messages are storages in it.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from ingest.clean import clean_line, clean_text
from ingest.encoding import decode
from ingest.errors import BrokenFileError, IngestError
from ingest.loaders import html
from ingest.loaders.base import LoadedFile
from ingest.loaders.mail import MAX_ATTACHMENTS, Attachment, Mail, load_mail, named
from ingest.loaders.rtf_compressed import decompress
from ingest.settings import LoadSettings
from retrieval.errors import Message

_SUBJECT, _BODY, _HTML, _RTF = 0x0037, 0x1000, 0x1013, 0x1009
_SENDER_NAME, _SENDER_ADDRESS, _SENDER_SMTP, _SENT_FOR_NAME = 0x0C1A, 0x0C1F, 0x5D01, 0x0042
_SENT, _DELIVERED = 0x0039, 0x0E06
_DISPLAY_NAME, _SMTP_ADDRESS, _ADDRESS, _RECEIVER_KIND = 0x3001, 0x39FE, 0x3003, 0x0C15
_DATA, _LONG_NAME, _SHORT_NAME, _CONTENT_ID, _ATTACH_FLAGS, _IS_HIDDEN = 0x3701, 0x3707, 0x3704, 0x3712, 0x3714, 0x7FFE
_CODE_PAGE, _BODY_CODE_PAGE = 0x3FFD, 0x3FDE
_TEXT, _BYTES, _BINARY, _OBJECT = 0x001F, 0x001E, 0x0102, 0x000D
_TO, _CC = 1, 2
_IN_TEXT = 4
_HEAD_BYTES = {"message": 32, "attached": 24, "part": 8}
_CODECS = {936: "gb18030", 20936: "gb18030", 54936: "gb18030", 950: "cp950", 65001: "utf-8", 28591: "latin-1"}
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_PICTURE = re.compile(r"\.(?:png|jpe?g|gif|bmp|emz|wmz)$", re.I)
_MEDIA_TYPE = "application/vnd.ms-outlook"


def load(data: bytes, *, source: str, settings: LoadSettings) -> LoadedFile:
    """Parse the message and what is attached, messages in it too."""
    import olefile

    try:
        with olefile.OleFileIO(io.BytesIO(data)) as ole:
            mail = _mail(_Storage(ole, (), "message"), source, settings, settings.max_nesting)
    except (olefile.OleFileError, OSError, struct.error, OverflowError) as exc:
        raise BrokenFileError(source, "msg", f"{exc}"[:200] or type(exc).__name__) from exc
    return load_mail(mail, source=source, settings=settings, media_type=_MEDIA_TYPE, loader="msg")


class _Storage:
    """The properties of a message, receiver or attachment.

    Args:
        ole: The open compound file.
        path: Where the storage lies in it.
        kind: How long the head of its list of properties is: a key of _HEAD_BYTES.
        codec: What its bytes are decoded with where it does not say so itself.
    """

    def __init__(self, ole: Any, path: tuple[str, ...], kind: str, codec: str = "") -> None:
        self._ole, self.path = ole, path
        listed = self._stream("__properties_version1.0")[_HEAD_BYTES[kind] :]
        self._fixed = {
            struct.unpack_from("<H", listed, at + 2)[0]: listed[at + 8 : at + 16]
            for at in range(0, len(listed) - 15, 16)
        }
        self.codec = _codec(self.number(_CODE_PAGE)) or codec
        self.body_codec = _codec(self.number(_BODY_CODE_PAGE)) or self.codec

    def text(self, number: int, codec: str | None = None) -> str:
        """Return a text property; empty where there is none."""
        if wide := self.raw(number, _TEXT):
            return wide.decode("utf-16-le", "replace").rstrip("\0")
        return _decoded(self.raw(number, _BYTES).rstrip(b"\0"), self.codec if codec is None else codec)

    def line(self, number: int) -> str:
        """Return a text property on one line."""
        return clean_line(self.text(number))

    def raw(self, number: int, kind: int) -> bytes:
        """Return the bytes of a property; none where it is missing."""
        return self._stream(f"__substg1.0_{number:04X}{kind:04X}")

    def number(self, number: int) -> int:
        """Return a property that is a number, or 0."""
        return int(struct.unpack_from("<I", self._fixed.get(number, bytes(8)))[0])

    def time(self, number: int) -> datetime | None:
        """Return a property that is a time, in UTC."""
        ticks = struct.unpack("<Q", self._fixed.get(number, bytes(8)))[0]
        try:
            return _EPOCH + timedelta(microseconds=ticks // 10) if ticks else None
        except OverflowError:
            return None

    def children(self, prefix: str) -> Iterator[_Storage]:
        """Yield the storages in this one whose names start so, in order."""
        depth = len(self.path)
        names = {
            path[depth]
            for path in self._ole.listdir(streams=True, storages=True)
            if tuple(path[:depth]) == self.path and len(path) > depth and path[depth].startswith(prefix)
        }
        for name in sorted(names):
            yield _Storage(self._ole, (*self.path, name), "part", self.codec)

    def attached_message(self) -> _Storage | None:
        """Return the message that this attachment is, if it is one."""
        path = (*self.path, f"__substg1.0_{_DATA:04X}{_OBJECT:04X}")
        if not self._ole.exists([*path, "__properties_version1.0"]):
            return None
        return _Storage(self._ole, path, "attached", self.codec)

    def _stream(self, name: str) -> bytes:
        path = [*self.path, name]
        if not self._ole.exists(path) or self._ole.get_type(path) != 2:  # 2: a stream
            return b""
        with self._ole.openstream(path) as stream:
            return bytes(stream.read())


def _mail(message: _Storage, source: str, settings: LoadSettings, nesting: int) -> Mail:
    sent = message.time(_SENT) or message.time(_DELIVERED)
    return Mail(
        subject=message.line(_SUBJECT),
        sender=_shown(
            message.line(_SENDER_NAME) or message.line(_SENT_FOR_NAME),
            message.line(_SENDER_SMTP) or message.line(_SENDER_ADDRESS),
        ),
        to=_receivers(message, _TO),
        cc=_receivers(message, _CC),
        date=f"{sent:%Y-%m-%d %H:%M} UTC" if sent else "",
        sent=sent,
        plain=message.text(_BODY, message.body_codec) or _rich(message, source, settings),
        markup=_markup(message, source),
        attachments=list(_attachments(message, source, settings, nesting)),
    )


def _rich(message: _Storage, source: str, settings: LoadSettings) -> str:
    """Return the text of a message that is rich text alone."""
    from ingest.loaders.rtf import plain_text

    packed = message.raw(_RTF, _BINARY)
    if not packed or message.raw(_HTML, _BINARY):
        return ""
    return clean_text(plain_text(decompress(packed, settings.max_text_chars).decode("latin-1"), source))


def _markup(message: _Storage, source: str) -> str:
    raw = message.raw(_HTML, _BINARY)
    if not raw:
        return message.text(_HTML, message.body_codec)
    try:
        return decode(raw, source=source, declared=html.declared_charset(raw) or message.body_codec or None).text
    except IngestError:
        return _decoded(raw, message.body_codec)


def _receivers(message: _Storage, kind: int) -> str:
    found = (one for one in message.children("__recip_version1.0_") if one.number(_RECEIVER_KIND) == kind)
    return ", ".join(
        filter(None, (_shown(one.line(_DISPLAY_NAME), one.line(_SMTP_ADDRESS) or one.line(_ADDRESS)) for one in found))
    )


def _shown(name: str, address: str) -> str:
    """Return name and address as mails show them; an address within Exchange says nothing to a reader."""
    if "@" not in address or address == name:
        return name or address
    return f"{name} <{address}>" if name else address


def _attachments(message: _Storage, source: str, settings: LoadSettings, nesting: int) -> Iterator[Attachment]:
    for number, one in enumerate(message.children("__attach_version1.0_")):
        if number >= MAX_ATTACHMENTS:
            return
        name = one.line(_LONG_NAME) or one.line(_SHORT_NAME) or one.line(_DISPLAY_NAME)
        inner = one.attached_message()
        if inner is not None and nesting > 0:
            yield named(Attachment(name, mail=_mail(inner, source, settings, nesting - 1)), "message.msg")
        elif inner is not None:
            yield named(Attachment(name, problem=Message("nested too deep", "嵌套层数过多")), "message.msg")
        elif data := one.raw(_DATA, _BINARY):
            if not _is_in_text(one, name):
                yield named(Attachment(name, data))
        else:
            yield named(Attachment(name, problem=Message("it holds no file, only a link", "其中没有文件，只有链接")))


def _is_in_text(one: _Storage, name: str) -> bool:
    """Whether an attachment is a picture in the text: a logo, a signature."""
    hidden = bool(one.number(_IS_HIDDEN) & 0xFF) or bool(one.number(_ATTACH_FLAGS) & _IN_TEXT)
    return _PICTURE.search(name) is not None and (hidden or bool(one.line(_CONTENT_ID)))


def _codec(code_page: int) -> str:
    return _CODECS.get(code_page, f"cp{code_page}") if code_page else ""


def _decoded(raw: bytes, codec: str) -> str:
    """Return a text as its code page says if the bytes agree, else by their look."""
    if not raw:
        return ""
    try:
        return raw.decode(codec or "ascii")
    except (UnicodeDecodeError, LookupError):
        try:
            return decode(raw, source="").text
        except IngestError:
            return raw.decode("utf-8", "replace")
