from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.errors import RequestError
from api.uploading.multipart import MultipartReader, PartBegin, PartData, PartEnd
from api.uploading.names import Field

BOUNDARY = "grenze"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"


def form(*parts: tuple[str, bytes]) -> bytes:
    """Return a body of parts: (what stands behind `form-data; `, bytes)."""
    body = b""
    for disposition, data in parts:
        head = f"--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\nContent-Type: text/plain\r\n\r\n"
        body += head.encode() + data + b"\r\n"
    return body + f"--{BOUNDARY}--\r\n".encode()


def read(body: bytes, step: int | None = None) -> list[tuple[Field, bytes]]:
    """Return the parts of a body that comes in pieces of `step` bytes."""
    reader = MultipartReader(TYPE)
    step = step or max(len(body), 1)
    events: list[Any] = [event for i in range(0, len(body), step) for event in reader.feed(body[i : i + step])]
    reader.finish()
    parts: list[tuple[Field, bytearray]] = []
    n_ends = 0
    for event in events:
        if isinstance(event, PartBegin):
            parts.append((event.field, bytearray()))
        elif isinstance(event, PartData):
            parts[-1][1].extend(event.data)
        else:
            assert isinstance(event, PartEnd)
            n_ends += 1
    assert n_ends == len(parts)
    return [(field, bytes(data)) for field, data in parts]


BODY = form(
    ('name="purpose"', b"assistants"), ('name="file"; filename="通知𠮷.txt"', b"\r\n--grenz\r\n\x00\xff--grenze")
)
PARTS = [(Field("purpose"), b"assistants"), (Field("file", "通知𠮷.txt"), b"\r\n--grenz\r\n\x00\xff--grenze")]


@pytest.mark.parametrize("step", [None, 1, 2, 7, 64])
def test_parts_come_back_whatever_the_pieces(step: int | None):
    assert read(BODY, step) == PARTS


def test_form_without_parts_is_one():
    assert read(b"--grenze--\r\n") == []


@given(st.lists(st.binary(max_size=300), max_size=5), st.integers(1, 50))
def test_bytes_come_back_when_they_do_not_hold_the_boundary(contents: list[bytes], step: int):
    contents = [content.replace(b"\r\n--grenze", b"") for content in contents]
    body = form(*((f'name="file"; filename="{n}"', content) for n, content in enumerate(contents)))
    assert [data for _, data in read(body, step)] == contents


@pytest.mark.parametrize("cut", range(0, len(BODY) - 2, 5))
def test_form_that_breaks_off_is_refused(cut: int):
    with pytest.raises(RequestError, match="nothing of it was stored"):
        read(BODY[:cut])


@pytest.mark.parametrize(
    "body",
    [
        b"not a form",
        b"--other\r\n",
        b"--grenze\r\n\r\nno header\r\n--grenze--\r\n",
        b"--grenze\r\nContent-Disposition: attachment\r\n\r\nx\r\n--grenze--\r\n",
        b"--grenze\r\nContent-Disposition: form-data; name=" + b"x" * 20_000 + b"\r\n\r\nx\r\n--grenze--\r\n",
        b"--grenze\r\n" + b"A: b\r\n" * 50 + b"\r\nx\r\n--grenze--\r\n",
        b"--grenze\r\n\x00: b\r\n\r\nx\r\n--grenze--\r\n",
    ],
    ids=["no boundary", "another boundary", "no headers", "no field", "long header", "many headers", "bad header"],
)
def test_broken_form_is_refused(body: bytes):
    with pytest.raises(RequestError) as caught:
        read(body)
    assert (caught.value.param, caught.value.code) == ("file", "invalid_request")


@pytest.mark.parametrize(
    "content_type",
    ["", "application/json", "multipart/form-data", "multipart/mixed; boundary=x", TYPE.replace("grenze", "x" * 300)],
)
def test_other_bodies_are_refused_before_they_are_read(content_type: str):
    with pytest.raises(RequestError, match="multipart/form-data with a boundary"):
        MultipartReader(content_type)
