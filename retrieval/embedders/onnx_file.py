"""Writes a model in ONNX's file format: the few protobuf messages that it takes, so that no converter is installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Attribute = int | float | str | Sequence[int]

MICROSOFT = "com.microsoft"

# Field numbers and enums are those of onnx.proto3 (IR version 8).
_VARINT, _BYTES, _FIXED32 = 0, 2, 5
_DATA_TYPES = {"float32": 1, "uint8": 2, "int8": 3, "int32": 6, "int64": 7}


@dataclass(slots=True)
class Graph:
    """A graph under construction: names in, names out.

    Attributes:
        parts: Encoded fields of the GraphProto so far.
    """

    name: str
    parts: list[bytes] = field(default_factory=list)
    _count: int = 0

    def node(
        self,
        op_type: str,
        inputs: Sequence[str],
        *,
        output: str = "",
        n_outputs: int = 1,
        domain: str = "",
        attributes: Mapping[str, Attribute] | None = None,
    ) -> str:
        """Add a node and return its first output's name; further ones have `.1`, `.2` behind it."""
        self._count += 1
        first = output or f"{op_type}_{self._count}"
        outputs = [first, *(f"{first}.{i}" for i in range(1, n_outputs))]
        encoded = b"".join(_text(1, name) for name in inputs)
        encoded += b"".join(_text(2, name) for name in outputs)
        encoded += _text(3, first) + _text(4, op_type)
        encoded += b"".join(_message(5, _attribute(key, value)) for key, value in (attributes or {}).items())
        encoded += _text(7, domain) if domain else b""
        self.parts.append(_message(1, encoded))
        return first

    def constant(self, name: str, array: npt.NDArray[np.generic]) -> str:
        """Add a tensor and return its name."""
        dims = b"".join(_integer(1, size) for size in array.shape)
        data = _message(9, np.ascontiguousarray(array).tobytes())
        self.parts.append(_message(5, dims + _integer(2, _DATA_TYPES[array.dtype.name]) + _text(8, name) + data))
        return name

    def input(self, name: str, dtype: str, shape: Sequence[int | str]) -> str:
        """Declare an input; a string is a dimension that varies."""
        self.parts.append(_message(11, _value(name, dtype, shape)))
        return name

    def output(self, name: str, dtype: str, shape: Sequence[int | str]) -> None:
        """Declare an output."""
        self.parts.append(_message(12, _value(name, dtype, shape)))

    def model(self, *, opset: int) -> bytes:
        """Return the whole file."""
        opsets = [_text(1, domain) + _integer(2, version) for domain, version in (("", opset), (MICROSOFT, 1))]
        graph = [*self.parts, _text(2, self.name)]
        # One join: the parts are most of the memory that a conversion takes.
        header = [_integer(1, 8), _key(7, _BYTES), _varint(sum(map(len, graph)))]
        return b"".join([*header, *graph, *(_message(8, each) for each in opsets)])


def _value(name: str, dtype: str, shape: Sequence[int | str]) -> bytes:
    dims = b"".join(_message(1, _integer(1, d) if isinstance(d, int) else _text(2, d)) for d in shape)
    tensor = _integer(1, _DATA_TYPES[dtype]) + _message(2, dims)
    return _text(1, name) + _message(2, _message(1, tensor))


def _attribute(name: str, value: Attribute) -> bytes:
    encoded = _text(1, name)
    if isinstance(value, int):
        return encoded + _integer(3, value) + _integer(20, 2)
    if isinstance(value, float):
        return encoded + _key(2, _FIXED32) + np.float32(value).tobytes() + _integer(20, 1)
    if isinstance(value, str):
        return encoded + _text(4, value) + _integer(20, 3)
    return encoded + b"".join(_integer(8, each) for each in value) + _integer(20, 7)


def _message(number: int, encoded: bytes) -> bytes:
    return _key(number, _BYTES) + _varint(len(encoded)) + encoded


def _text(number: int, text: str) -> bytes:
    return _message(number, text.encode("utf-8"))


def _integer(number: int, value: int) -> bytes:
    return _key(number, _VARINT) + _varint(value)


def _key(number: int, wire_type: int) -> bytes:
    return _varint(number << 3 | wire_type)


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1  # negative numbers are written as 64 bits
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
