"""Small PDFs written by hand, so that tests say where each line stands."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import md5

TextAt = tuple[float, float, float, str]
"""Left, bottom and font size in points, and the text."""

_FONT = (
    b"<< /Type /Font /Subtype /Type0 /BaseFont /STSong-Light /Encoding /UniGB-UCS2-H /DescendantFonts [2 0 R] >>",
    b"<< /Type /Font /Subtype /CIDFontType0 /BaseFont /STSong-Light /FontDescriptor 3 0 R /DW 1000"
    b" /CIDSystemInfo << /Registry (Adobe) /Ordering (GB1) /Supplement 4 >> >>",
    b"<< /Type /FontDescriptor /FontName /STSong-Light /Flags 4 /FontBBox [-25 -254 1000 880]"
    b" /ItalicAngle 0 /Ascent 880 /Descent -120 /CapHeight 880 /StemV 93 >>",
)
_SQUARE = b"100 100 200 200 re f\n"


def make_pdf(
    pages: Sequence[Sequence[TextAt]],
    *,
    title: str = "",
    encrypted: bool = False,
    before: Mapping[int, bytes] = {},
    drawn: bytes = b"",
    vertical: bool = False,
) -> bytes:
    """Return a PDF; a page without text shows a black square, as a scanned one shows a picture.

    Args:
        pages: Lines, by page.
        title: What it calls itself.
        encrypted: Locked without a password.
        before: Operators of PDF in front of a line of each page, by its number: a colour, a render mode.
        drawn: Operators in front of each page: rules, a turn of all that follows.
        vertical: Whether lines run from the top to the bottom.
    """
    objects = [one.replace(b"-UCS2-H", b"-UCS2-V") if vertical else one for one in _FONT]
    pages_id = len(objects) + 2 * len(pages) + 1
    kids = []
    for lines in pages:
        content = b"".join(before.get(number, b"") + _show(line) for number, line in enumerate(lines)) or _SQUARE
        content = drawn + content
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
        objects.append(
            b"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 595 842] /Contents %d 0 R"
            b" /Resources << /Font << /F1 1 0 R >> >> >>" % (pages_id, len(objects))
        )
        kids.append(b"%d 0 R" % len(objects))
    objects.append(b"<< /Type /Pages /Kids [%s] /Count %d >>" % (b" ".join(kids), len(kids)))
    objects.append(b"<< /Type /Catalog /Pages %d 0 R >>" % pages_id)
    objects.append(b"<< /Title <feff%s> >>" % title.encode("utf-16-be").hex().encode())
    return _file(objects, encrypted=encrypted)


def ruled(xs: Sequence[float], ys: Sequence[float]) -> bytes:
    """Return operators that draw all lines of a grid."""
    across = b"".join(b"%g %g m %g %g l S\n" % (xs[0], y, xs[-1], y) for y in ys)
    return across + b"".join(b"%g %g m %g %g l S\n" % (x, ys[0], x, ys[-1]) for x in xs)


def locked(data: bytes) -> bytes:
    """Return a PDF of `make_pdf` encrypted for an owner: anybody may open it, as its user password is empty."""
    start = data.index(b"trailer")
    owner, permissions = bytes(range(32)), 0xFFFFFFFC
    key = md5(_PADDING + owner + permissions.to_bytes(4, "little") + b"\0").digest()[:5]

    def encrypted(match: re.Match[bytes]) -> bytes:
        number = int(re.findall(rb"(\d+) 0 obj", data[: match.start()])[-1])
        own = md5(key + number.to_bytes(3, "little") + b"\0\0").digest()[:10]
        return b"stream\n" + _rc4(own, match[1]) + b"\nendstream"

    body = re.sub(rb"stream\n(.*?)\nendstream", encrypted, data[:start], flags=re.S)
    lock = b"/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <%s> /U <%s> >> /ID [<00><00>]" % (
        owner.hex().encode(),
        _rc4(key, _PADDING).hex().encode(),
    )
    return body + data[start:].replace(b"trailer << ", b"trailer << " + lock)


_PADDING = bytes.fromhex("28bf4e5e4e758a4164004e56fffa01082e2e00b6d0683e802f0ca9fe6453697a")


def _rc4(key: bytes, data: bytes) -> bytes:
    state, j = list(range(256)), 0
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) % 256
        state[i], state[j] = state[j], state[i]
    out, i, j = bytearray(), 0, 0
    for byte in data:
        i = (i + 1) % 256
        j = (j + state[i]) % 256
        state[i], state[j] = state[j], state[i]
        out.append(byte ^ state[(state[i] + state[j]) % 256])
    return bytes(out)


def _show(line: TextAt) -> bytes:
    left, bottom, size, text = line
    return b"BT /F1 %g Tf %g %g Td <%s> Tj ET\n" % (size, left, bottom, text.encode("utf-16-be").hex().encode())


def _file(objects: Sequence[bytes], *, encrypted: bool) -> bytes:
    data = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, content in enumerate(objects, 1):
        offsets.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(data)
    data += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    data += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    # No password gives this user key, so the file opens with none.
    lock = b"/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <%s> /U <%s> >> /ID [<00><00>]" % (b"00" * 32, b"11" * 32)
    data += b"trailer << /Size %d /Root %d 0 R /Info %d 0 R %s >>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1,
        len(objects) - 1,
        len(objects),
        lock if encrypted else b"",
        start,
    )
    return bytes(data)
