"""Documents whose every paragraph is one chunk that no other document or version has."""

from __future__ import annotations

import random

from ingest.settings import IngestSettings, SplitSettings

SETTINGS = IngestSettings(split=SplitSettings(max_chars=60, min_chars=20), parse_apart="never")
_FIRST, _COUNT = 0x4E00, 0x5000  # Common and rare characters of the basic block.


def paragraphs(source: str, version: int) -> list[str]:
    """Return a version's paragraphs: 1 to 90, by chance but always the same."""
    rng = random.Random(f"{source} {version}")
    return [_paragraph(rng, source, version, number) for number in range(rng.choice((1, 3, 10, 30, 90)))]


def text(source: str, version: int) -> str:
    """Return a version's text."""
    return "\n\n".join(paragraphs(source, version))


def _paragraph(rng: random.Random, source: str, version: int, number: int) -> str:
    words = "".join(chr(_FIRST + rng.randrange(_COUNT)) for _ in range(24))
    return f"{source}第{version}版第{number}款𠮷{words}规定年假。"
