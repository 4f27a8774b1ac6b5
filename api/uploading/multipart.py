"""A multipart body in pieces of any size -> its parts, as they come. No I/O; the only importer of python_multipart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from api.errors import RequestError
from api.uploading.names import Field, parse_disposition
from retrieval.errors import Message

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MAX_HEADER_BYTES = 16 * 1024
"""Longest header of a part: a name of 300 characters, percent-encoded and written twice, is 5 kB."""

FORM = "multipart/form-data"


@dataclass(frozen=True, slots=True)
class PartBegin:
    """A part begins."""

    field: Field


@dataclass(frozen=True, slots=True)
class PartData:
    """Bytes of the part that began last."""

    data: bytes


@dataclass(frozen=True, slots=True)
class PartEnd:
    """The part that began last is whole."""


Event = PartBegin | PartData | PartEnd


class MultipartReader:
    """Reads one multipart body.

    Args:
        content_type: The request's header, with the boundary.

    Raises:
        RequestError: If it is no multipart form.
    """

    def __init__(self, content_type: str) -> None:
        # Late: only uploads need it.
        from python_multipart.multipart import MultipartParser, parse_options_header

        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary", b"")
        if kind.decode("latin-1").lower() != FORM or not boundary:
            raise not_a_form(content_type)
        self._events: list[Event] = []
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._disposition = b""
        self._has_ended = False
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._begin_part,
            "on_header_field": lambda data, start, end: self._header_name.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._header_value.extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": lambda data, start, end: self._events.append(PartData(data[start:end])),
            "on_part_end": lambda: self._events.append(PartEnd()),
            "on_end": self._end,
        }
        try:
            self._parser = MultipartParser(boundary, callbacks, max_header_size=MAX_HEADER_BYTES)
        except ValueError as exc:
            raise not_a_form(content_type) from exc

    def feed(self, data: bytes) -> list[Event]:
        """Return what the next bytes of the body bring.

        Raises:
            RequestError: If they do not go on as a form does.
        """
        self._events = []
        try:
            self._parser.write(data)
        except ValueError as exc:
            raise broken_form(str(exc)) from exc
        return self._events

    def finish(self) -> None:
        """Check that the body was whole.

        Raises:
            RequestError: If it broke off.
        """
        if not self._has_ended:
            raise broken_form("it ends in the middle of a part")

    def _begin_part(self) -> None:
        self._disposition = b""

    def _end_header(self) -> None:
        if bytes(self._header_name).strip().lower() == b"content-disposition":
            self._disposition = bytes(self._header_value)
        self._header_name.clear()
        self._header_value.clear()

    def _end_headers(self) -> None:
        field = parse_disposition(self._disposition)
        if field is None:
            raise broken_form("a part names no field")
        self._events.append(PartBegin(field))

    def _end(self) -> None:
        self._has_ended = True


def not_a_form(content_type: str) -> RequestError:
    """Return the error for a body that is no multipart form."""
    shown = content_type[:80]
    return RequestError(
        Message(
            en=f"The request's body must be {FORM} with a boundary, got {shown!r}.",
            zh=f"请求体应是带 boundary 的 {FORM}，收到的是 {shown!r}。",
        ),
        hint=Message(en="Send the file in a field `file`.", zh="请把文件放在 `file` 字段中发送。"),
        param="file",
    )


def broken_form(reason: str) -> RequestError:
    """Return the error for a form that cannot be read."""
    return RequestError(
        Message(
            en=f"The upload cannot be read as {FORM} ({reason[:120]}).",
            zh=f"上传内容不是完整的 {FORM}（{reason[:120]}）。",
        ),
        hint=Message(en="Send it again; nothing of it was stored.", zh="请重新上传；本次内容没有保存。"),
        param="file",
    )
