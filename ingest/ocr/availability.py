"""Whether pictures can be read here."""

from __future__ import annotations

import importlib.util
from functools import cache

from ingest.settings import IngestSettings, OcrSettings
from retrieval.errors import Message, MissingExtraError

MAX_THREADS = 4
"""For one picture: more gain little."""
INSTALL = "pip install 'huozi-assistant[ocr]'"


@cache
def is_installed() -> bool:
    """Tell whether the extra `ocr` is there, without importing it."""
    return all(importlib.util.find_spec(name) is not None for name in ("rapidocr", "onnxruntime", "PIL"))


def is_on(settings: OcrSettings) -> bool:
    """Tell whether pictures are read: wanted, and the extra is there."""
    return settings.mode == "auto" and is_installed()


def with_pictures(settings: IngestSettings) -> IngestSettings:
    """Return settings by which pictures are read, also those that lie in folders."""
    ocr = settings.load.ocr.model_copy(update={"mode": "auto", "folders": True})
    return settings.model_copy(update={"load": settings.load.model_copy(update={"ocr": ocr})})


def require() -> None:
    """Make sure that pictures can be read.

    Raises:
        MissingExtraError: If the extra `ocr` is not installed.
    """
    if not is_installed():
        raise MissingExtraError(
            Message(
                "Reading scanned pages and pictures needs the extra 'ocr', which is not installed.",
                "识别扫描页和图片需要 'ocr' 组件，但尚未安装。",
            ),
            hint=Message(f"Run: {INSTALL}", f"请运行：{INSTALL}"),
        )
