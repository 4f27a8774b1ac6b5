"""Small PDFs written by hand, so that tests say where each line stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
    pages: Sequence[Sequence[TextAt]], *, title: str = "", encrypted: bool = False, before: Mapping[int, bytes] = {}
) -> bytes:
    """Return a PDF; a page without text shows a black square, as a scanned one shows a picture.

    Args:
        pages: Lines, by page.
        title: What it calls itself.
        encrypted: Locked without a password.
        before: Operators of PDF in front of a line of each page, by its number: a colour, a render mode.
    """
    objects = list(_FONT)
    pages_id = len(objects) + 2 * len(pages) + 1
    kids = []
    for lines in pages:
        content = b"".join(before.get(number, b"") + _show(line) for number, line in enumerate(lines)) or _SQUARE
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
