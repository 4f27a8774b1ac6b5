"""RapidOCR, the only file that knows it: pixels in, boxes of text out. Its models lie in its package.

Chosen by measurement (benchmarks/ocr.py): no angle classifier, which turned good lines upside down; one line at a time,
since a batch is padded to its widest line; lines are looked for at 1280 pixels, and read at full size.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ingest.ocr.availability import MAX_THREADS
from ingest.ocr.boxes import TextBox, is_sideways, sureness
from ingest.ocr.images import MAX_SIDE
from ingest.settings import OcrSettings

if TYPE_CHECKING:
    from ingest.ocr.images import Pixels

FIND_AT_PX = 1280
"""Longest side at which lines are looked for."""
UNSURE = 0.8
"""A page whose lines are read no surer than this may lie upside down: upright print is at 0.95 and above."""
NOISE_CHARS = 20
NOISE_SURENESS = 0.9
_NO_MEMORY = ("bad_alloc", "bad allocation", "Failed to allocate", "Insufficient memory", "cannot allocate")


class Engine:
    """The loaded models; about 350 MB.

    Args:
        threads: For the models' work; 0: one a core, at most `MAX_THREADS`.
    """

    def __init__(self, threads: int = 0) -> None:
        from rapidocr import RapidOCR

        self._ocr = RapidOCR(params=_parameters(threads or min(os.cpu_count() or 1, MAX_THREADS)))

    def read(self, image: Pixels) -> list[TextBox]:
        """Return the lines of text that a picture shows, upright as far as can be told, in no order.

        Args:
            image: Its pixels.

        Returns:
            Lines with their corners in pixels of the upright picture.
        """
        found = self._read(image)
        if not found:
            return found
        if is_sideways(found):
            turned = [self._read(np.rot90(image, quarter)) for quarter in (1, 3)]
            return max([found, *turned], key=sureness)
        if sureness(found) < UNSURE:
            return max(found, self._read(np.rot90(image, 2)), key=sureness)
        return found

    def _read(self, image: Pixels) -> list[TextBox]:
        bgr = np.ascontiguousarray(image[:, :, ::-1])
        try:
            result: Any = self._ocr(bgr, use_det=True, use_cls=False, use_rec=True)
        except Exception as exc:
            # The libraries have errors of their own for it, and none for anything else that a picture could cause.
            if any(sign in str(exc) for sign in _NO_MEMORY):
                raise MemoryError from exc
            raise
        if result.txts is None or result.boxes is None:
            return []
        return [
            TextBox(str(text), float(score), tuple((float(x), float(y)) for x, y in corners))
            for text, score, corners in zip(result.txts, result.scores, result.boxes, strict=True)
        ]


@cache
def engine(threads: int) -> Engine:
    """Return the process's engine, loaded by the first who asks."""
    return Engine(threads)


def read(image: Pixels, settings: OcrSettings) -> list[TextBox]:
    """Return a picture's lines that were read with enough confidence."""
    boxes = [box for box in engine(settings.threads).read(image) if box.score >= settings.min_confidence]
    return [] if is_noise(boxes) else boxes


def is_noise(boxes: Sequence[TextBox]) -> bool:
    """Tell what is read into texture, stains and damaged pixels from text: it is little, and read unsurely (pure)."""
    return sum(len(box.text) for box in boxes) < NOISE_CHARS and sureness(boxes) < NOISE_SURENESS


def _parameters(threads: int) -> dict[str, Any]:
    """Return RapidOCR's parameters; with paths of the models, or it would make sure of them by network and disk."""
    return {
        "Global.log_level": "critical",
        "Global.text_score": 0.0,
        "Global.use_cls": False,
        "Global.max_side_len": MAX_SIDE,
        "EngineConfig.onnxruntime.intra_op_num_threads": threads,
        "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        "Det.model_path": _model("det"),
        "Det.limit_type": "max",
        "Det.limit_side_len": FIND_AT_PX,
        "Rec.model_path": _model("rec"),
        "Rec.rec_batch_num": 1,
    }


def _model(task: str) -> str:
    import rapidocr

    folder = Path(str(rapidocr.__file__)).parent / "models"
    found = sorted(folder.glob(f"*_{task}_*.onnx"))
    if not found:
        raise FileNotFoundError(f"no model *_{task}_*.onnx in {str(folder)!r}")
    return str(found[0])
