"""Ways in which a file goes bad: by accident on its way, or by somebody's design (pure, seeded)."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Callable
from random import Random

Mutation = Callable[[bytes, Random], bytes]

_TAG = re.compile(rb"<[^<>?!]{1,400}>")
_NUMBER = re.compile(rb"\d+")
_HUGE = (b"0", b"-1", b"65536", b"1048577", b"2147483647", b"4294967296", b"99999999999999999999")
_BROKEN_ZIP = (zipfile.BadZipFile, ValueError, NotImplementedError, zlib.error, EOFError, RuntimeError, OSError)


def mutate(data: bytes, random: Random) -> tuple[str, bytes]:
    """Return the name of what was done, and the file after it."""
    # Of a zip archive's own bytes nearly every change is noticed by its checksums; the parts are what parsers see.
    ways = _ZIPPED if data.startswith(b"PK") and random.random() < 0.7 else _PLAIN
    way = random.choice(ways)
    return way.__name__.strip("_"), way(data, random)


def flip_bits(data: bytes, random: Random) -> bytes:
    """Flip up to 64 single bits."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 4, 16, 64))):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def cut(data: bytes, random: Random) -> bytes:
    """Cut the end off."""
    return data[: random.randrange(1, len(data) + 1)]


def behead(data: bytes, random: Random) -> bytes:
    """Cut out a part near the start."""
    start = random.randrange(min(len(data), 64))
    return data[:start] + data[start + random.randrange(1, 256) :] or b"x"


def swap_blocks(data: bytes, random: Random) -> bytes:
    """Swap two blocks of equal size."""
    size = min(random.choice((16, 256, 4096)), len(data) // 2)
    if size == 0:
        return data
    first = random.randrange(len(data) - 2 * size + 1)
    second = random.randrange(first + size, len(data) - size + 1)
    return b"".join(
        (data[:first], data[second : second + size], data[first + size : second], data[first : first + size])
        + (data[second + size :],)
    )


def repeat_block(data: bytes, random: Random) -> bytes:
    """Write a block up to 50 times."""
    start = random.randrange(len(data))
    block = data[start : start + random.choice((8, 64, 1024))]
    return data[:start] + block * random.randrange(2, 50) + data[start:]


def overwrite_lengths(data: bytes, random: Random) -> bytes:
    """Overwrite two or four bytes with the borders of what they can say, as a wrong length or offset."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 3, 8))):
        width = random.choice((2, 4))
        place = random.randrange(max(1, len(changed) - width))
        value = random.choice((0, 1, (1 << 8 * width) - 1, (1 << 8 * width - 1), random.getrandbits(8 * width)))
        changed[place : place + width] = value.to_bytes(width, "little")
    return bytes(changed)


def change_numbers(data: bytes, random: Random) -> bytes:
    """Write other numbers where a text format has some: lengths, counts, references."""
    found = list(_NUMBER.finditer(data))
    if not found:
        return flip_bits(data, random)
    for match in sorted(random.sample(found, min(len(found), 4)), key=lambda match: -match.start()):
        data = data[: match.start()] + random.choice(_HUGE) + data[match.end() :]
    return data


def wipe_block(data: bytes, random: Random) -> bytes:
    """Fill a block with zeros, as a bad sector does."""
    start, size = random.randrange(len(data)), random.choice((16, 512, 4096))
    return (data[:start] + bytes(size) + data[start + size :])[: len(data)]


def change_member(data: bytes, random: Random) -> bytes:
    """Damage one part of a zip archive, and pack it again as a sound archive."""
    return _repacked(data, random, random.choice(_PLAIN))


def change_markup(data: bytes, random: Random) -> bytes:
    """Change the tags of one XML part of a zip archive, and pack it again as a sound archive."""
    return _repacked(data, random, random.choice((_drop_tag, _double_tag, _nest, change_numbers, add_entities)))


def drop_member(data: bytes, random: Random) -> bytes:
    """Leave one part of a zip archive out."""
    return _repacked(data, random, lambda content, _: b"")


def _repacked(data: bytes, random: Random, change: Mutation) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [(info, archive.read(info)) for info in archive.infolist() if not info.is_dir()]
    except _BROKEN_ZIP:
        return flip_bits(data, random)
    texts = [number for number, (_, content) in enumerate(members) if content.lstrip()[:1] == b"<"]
    chosen = random.choice(texts or range(len(members)))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, (info, content) in enumerate(members):
            changed = change(content, random) if number == chosen and content else content
            if changed or number != chosen:
                archive.writestr(info.filename, changed, info.compress_type)
    return file.getvalue()


def _a_tag(data: bytes, random: Random) -> re.Match[bytes] | None:
    found = list(_TAG.finditer(data))
    return random.choice(found) if found else None


def _drop_tag(data: bytes, random: Random) -> bytes:
    tag = _a_tag(data, random)
    return data if tag is None else data[: tag.start()] + data[tag.end() :]


def _double_tag(data: bytes, random: Random) -> bytes:
    tag = _a_tag(data, random)
    return data if tag is None else data[: tag.start()] + tag[0] * random.choice((2, 300)) + data[tag.end() :]


def _nest(data: bytes, random: Random) -> bytes:
    """Put an element into itself, hundreds of times, in sound markup."""
    tag = _a_tag(data, random)
    name = None if tag is None else re.match(rb"<([\w:]+)(?=[ >])", tag[0])
    if tag is None or name is None or tag[0].endswith(b"/>"):
        return data
    depth = random.choice((50, 250, 3000))
    return data[: tag.start()] + tag[0] * depth + b"</%b>" % name[1] * depth + data[tag.start() :]


def add_entities(data: bytes, random: Random) -> bytes:
    """Define entities of entities, and use the last one: a billion characters in ten lines."""
    lines = b"".join(b'<!ENTITY e%d "%b">' % (n, b"&e%d;" % (n - 1) * 10) for n in range(1, 10))
    head = re.match(rb"\s*(?:<\?xml[^>]*\?>)?", data)
    start = head.end() if head else 0
    tag = _TAG.search(data, start)
    name = re.match(rb"<([\w:]+)", tag[0]) if tag else None
    if tag is None or name is None or tag[0].endswith(b"/>"):
        return data
    doctype = b'<!DOCTYPE %b [<!ENTITY e0 "%b">%b]>' % (name[1], "年假".encode(), lines)
    return data[:start] + doctype + data[start : tag.end()] + b"&e9;" + data[tag.end() :]


_PLAIN = (flip_bits, cut, behead, swap_blocks, repeat_block, overwrite_lengths, change_numbers, wipe_block)
_ZIPPED = (change_member, change_markup, change_markup, drop_member)
