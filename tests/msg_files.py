"""Small Outlook messages written by hand: a compound file ([MS-CFB]) with the properties of a message in it."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Storage = dict[str, "bytes | Storage"]

_FREE, _END, _FAT_SECTOR = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
_SECTOR, _MINI, _CUT_OFF = 512, 64, 4096
_HEAD_BYTES = {"message": 32, "attached": 24, "part": 8}


@dataclass
class MessageFile:
    """What a message holds; properties by number, texts as str, bytes as bytes, numbers as int, times as datetime."""

    properties: Mapping[int, Any]
    receivers: Sequence[Mapping[int, Any]] = ()
    attachments: Sequence[Mapping[int, Any] | MessageFile] = ()
    codec: str = ""
    """Code page of the texts; "": Unicode."""
    extra: Storage = field(default_factory=dict)


def make_msg(message: MessageFile) -> bytes:
    """Return the message as a file."""
    return compound_file(_message(message, "message"))


def _message(message: MessageFile, kind: str) -> Storage:
    storage = _properties(message.properties, kind, message.codec)
    for number, receiver in enumerate(message.receivers):
        storage[f"__recip_version1.0_#{number:08X}"] = _properties(receiver, "part", message.codec)
    for number, one in enumerate(message.attachments):
        if isinstance(one, MessageFile):
            part = _properties({0x3705: 5, 0x3001: one.properties.get(0x0037, "")}, "part", message.codec)
            part["__substg1.0_3701000D"] = _message(one, "attached")
        else:
            part = _properties({0x3705: 1, **one}, "part", message.codec)
        storage[f"__attach_version1.0_#{number:08X}"] = part
    return {**storage, **message.extra}


def _properties(values: Mapping[int, Any], kind: str, codec: str) -> Storage:
    storage: Storage = {}
    listed = bytearray(_HEAD_BYTES[kind])
    for number, value in values.items():
        if isinstance(value, str):
            type_, raw = (0x001E, value.encode(codec)) if codec else (0x001F, value.encode("utf-16-le"))
        elif isinstance(value, bytes):
            type_, raw = 0x0102, value
        else:
            type_, fixed = (0x0040, _ticks(value)) if isinstance(value, datetime) else (0x0003, value)
            listed += struct.pack("<HHIQ", type_, number, 6, fixed)
            continue
        storage[f"__substg1.0_{number:04X}{type_:04X}"] = raw
        listed += struct.pack("<HHIII", type_, number, 6, len(raw), 0)
    storage["__properties_version1.0"] = bytes(listed)
    return storage


def _ticks(time: datetime) -> int:
    return int((time - datetime(1601, 1, 1, tzinfo=UTC)).total_seconds()) * 10_000_000


def compound_file(root: Storage) -> bytes:
    """Return a compound file with these streams and storages."""
    return _Writer().write(root)


class _Writer:
    def __init__(self) -> None:
        self.sectors: list[bytes] = []
        self.fat: list[int] = []
        self.mini = bytearray()
        self.mini_fat: list[int] = []
        self.entries: list[list[Any]] = []  # name, kind, left, right, child, start, size

    def write(self, root: Storage) -> bytes:
        self.entries.append(["Root Entry", 5, _FREE, _FREE, _FREE, _END, 0])
        self._add_children(0, root)
        if self.mini:
            self.entries[0][5:] = [self._put(bytes(self.mini)), len(self.mini)]
        mini_fat = struct.pack(f"<{len(self.mini_fat)}I", *self.mini_fat)
        n_mini = -(-len(mini_fat) // _SECTOR)
        mini_start = self._put(mini_fat, b"\xff") if mini_fat else _END
        directory = b"".join(map(_entry, self.entries))
        directory_start = self._put(directory)
        n_fat = 1
        while (len(self.sectors) + n_fat) * 4 > n_fat * _SECTOR:
            n_fat += 1
        first_fat = len(self.sectors)
        assert n_fat <= 109
        fat = [*self.fat, *[_FAT_SECTOR] * n_fat]
        fat += [_FREE] * (n_fat * _SECTOR // 4 - len(fat))
        head = struct.pack(
            "<8s16sHHHHH6xIIIIIIIII",
            *(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", bytes(16), 0x3E, 3, 0xFFFE, 9, 6, 0, n_fat, directory_start),
            *(0, _CUT_OFF, mini_start, n_mini, _END, 0),
        )
        places = [first_fat + number if number < n_fat else _FREE for number in range(109)]
        return head + struct.pack("<109I", *places) + b"".join(self.sectors) + struct.pack(f"<{len(fat)}I", *fat)

    def _add_children(self, parent: int, storage: Storage) -> None:
        before = None
        for name in sorted(storage, key=lambda name: (len(name), name.upper())):
            value = storage[name]
            number = len(self.entries)
            self.entries.append([name, 1 if isinstance(value, dict) else 2, _FREE, _FREE, _FREE, _END, 0])
            if before is None:
                self.entries[parent][4] = number
            else:
                self.entries[before][3] = number
            before = number
            if isinstance(value, dict):
                self._add_children(number, value)
            elif value:
                start = self._put_mini(value) if len(value) < _CUT_OFF else self._put(value)
                self.entries[number][5:] = [start, len(value)]

    def _put(self, data: bytes, fill: bytes = b"\0") -> int:
        start = len(self.sectors)
        for at in range(0, len(data), _SECTOR):
            self.sectors.append(data[at : at + _SECTOR].ljust(_SECTOR, fill))
            self.fat.append(len(self.sectors) if at + _SECTOR < len(data) else _END)
        return start

    def _put_mini(self, data: bytes) -> int:
        start = len(self.mini_fat)
        for at in range(0, len(data), _MINI):
            self.mini += data[at : at + _MINI].ljust(_MINI, b"\0")
            self.mini_fat.append(len(self.mini_fat) + 1 if at + _MINI < len(data) else _END)
        return start


def _entry(fields: Sequence[Any]) -> bytes:
    name, kind, left, right, child, start, size = fields
    encoded = name.encode("utf-16-le") + b"\0\0"
    return struct.pack(
        "<64sHBBIII16sIQQIQ", encoded, len(encoded), kind, 1, left, right, child, bytes(16), 0, 0, 0, start, size
    )
