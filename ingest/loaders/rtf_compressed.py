"""The packed rich text of Outlook messages ([MS-OXRTFCP]) -> RTF (pure)."""

from __future__ import annotations

import struct

_WINDOW = 4096
_DICTIONARY = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript "
    b"\\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par "
    b"\\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)
"""What every window starts with, so that short texts pack too; part of the format."""
_HEAD = struct.Struct("<IIII")
_PACKED, _STORED = 0x75465A4C, 0x414C454D


def decompress(data: bytes, max_bytes: int) -> bytes:
    """Return the RTF in a packed text, at most so many bytes of it.

    Raises:
        ValueError: If it is no packed text.
    """
    if len(data) < _HEAD.size:
        raise ValueError("packed text without a head")
    _, n_bytes, kind, _ = _HEAD.unpack_from(data)
    body = data[_HEAD.size :]
    if kind == _STORED:
        return body[: min(n_bytes, max_bytes)]
    if kind != _PACKED:
        raise ValueError("neither packed nor stored text")
    return _unpacked(body, max_bytes)


def _unpacked(body: bytes, max_bytes: int) -> bytes:
    window = bytearray(_DICTIONARY.ljust(_WINDOW, b"\0"))
    write = len(_DICTIONARY)
    out = bytearray()
    at = 0
    while at < len(body) and len(out) < max_bytes:
        control = body[at]
        at += 1
        for bit in range(8):
            if at >= len(body):
                break
            if not control >> bit & 1:
                piece = body[at : at + 1]
                at += 1
            else:
                reference = int.from_bytes(body[at : at + 2].ljust(2, b"\0"), "big")
                at += 2
                offset = reference >> 4
                if offset == write:  # The end is a reference to where the window would be written next.
                    return bytes(out)
                piece = b""
                for step in range((reference & 15) + 2):
                    byte = window[(offset + step) % _WINDOW]
                    window[write] = byte
                    write = (write + 1) % _WINDOW
                    out.append(byte)
            for byte in piece:
                window[write] = byte
                write = (write + 1) % _WINDOW
                out.append(byte)
    return bytes(out)
