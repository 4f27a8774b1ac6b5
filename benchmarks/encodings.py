"""How often is the encoding of a text told rightly, and how do the libraries compare?

python -m benchmarks.encodings [--texts 200]

Texts are cut at random from the evaluation's corpora (HUOZI_EVAL_DIR), encoded, and read back without any mark.
charset-normalizer and chardet are compared where they are installed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from benchmarks.measure import machine, report, say, stopwatch
from ingest.encoding import decode
from ingest.errors import IngestError

EVAL = Path(os.environ.get("HUOZI_EVAL_DIR", "../shared/eval"))
SIMPLIFIED = ("cmrc", "regulations", "dureader", "dragonball")
TRADITIONAL = ("drcd",)
ENCODINGS = (
    ("GBK", "gbk", SIMPLIFIED),
    ("GB18030 with a rare character", "gb18030", SIMPLIFIED),
    ("GBK, traditional", "gbk", TRADITIONAL),
    ("Big5", "cp950", TRADITIONAL),
    ("UTF-16LE", "utf-16-le", SIMPLIFIED),
    ("UTF-16BE, traditional", "utf-16-be", TRADITIONAL),
    ("UTF-8", "utf-8", SIMPLIFIED),
)
LENGTHS = (10, 20, 50, 100, 300, 2000)
RARE = "䶮𠮷𬎆𪚥"
SEED = 11

Case = tuple[str, int, str, bytes]
Detector = Callable[[bytes], str | None]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.encodings", description=__doc__)
    parser.add_argument("--texts", type=int, default=200, help="for each encoding and length")
    options = parser.parse_args(argv)
    about = machine()
    if not EVAL.exists():
        say(f"no evaluation data in {str(EVAL)!r}: set HUOZI_EVAL_DIR")
        report("encodings", about, ["skipped"], [])
        return
    cases = list(samples(options.texts))
    rows: list[list[object]] = []
    for name, detector in detectors().items():
        found, seconds = judge(detector, cases)
        for length in LENGTHS:
            counts = sum((found[encoding, length] for encoding, _, _ in ENCODINGS), Counter[str]())
            rows.append(
                [name, length, counts["right"], counts["refused"], counts["wrong"], seconds * 1000 / len(cases)]
            )
    header = ["", "characters", "right", "refused", "wrong", "ms a text"]
    report("encodings", {**about, "rows": [dict(zip(header, row, strict=True)) for row in rows]}, header, rows)


def samples(count: int) -> Iterator[Case]:
    """Yield (encoding, length, text, bytes), the same ones every time; each text holds five Han characters or more."""
    draw = random.Random(SEED)
    pools = {sets: [text for name in sets for text in texts_of(name)] for sets in (SIMPLIFIED, TRADITIONAL)}
    for name, codec, sets in ENCODINGS:
        for length in LENGTHS:
            found = 0
            while found < count:
                text = cut(draw, draw.choice(pools[sets]), length)
                if codec == "gb18030":
                    text = text[: length // 2] + draw.choice(RARE) + text[length // 2 :]
                data = text.encode(codec, "ignore")
                text = data.decode(codec)
                if sum("\u4e00" <= char <= "\u9fff" for char in text) >= 5:
                    found += 1
                    yield name, length, text, data


def texts_of(name: str) -> Iterator[str]:
    """Yield the texts of one set."""
    with (EVAL / name / "corpus.jsonl").open(encoding="utf-8") as lines:
        yield from (json.loads(line)["text"] for line in lines)


def cut(draw: random.Random, text: str, length: int) -> str:
    """Return a random piece, the whole text if it is shorter."""
    start = draw.randrange(max(1, len(text) - length))
    return text[start : start + length]


def judge(detector: Detector, cases: Sequence[Case]) -> tuple[dict[tuple[str, int], Counter[str]], float]:
    """Return counts of right, refused and wrong for each encoding and length, and the seconds it took."""
    found: dict[tuple[str, int], Counter[str]] = {}
    with stopwatch() as watch:
        for encoding, length, text, data in cases:
            told = detector(data)
            verdict = "refused" if told is None else "right" if told == text else "wrong"
            found.setdefault((encoding, length), Counter())[verdict] += 1
    return found, watch.seconds


def detectors() -> dict[str, Detector]:
    """Return what can be compared here."""
    found: dict[str, Detector] = {"huozi": by_huozi}
    if find_spec("charset_normalizer"):
        found["charset-normalizer"] = by_charset_normalizer
    if find_spec("chardet"):
        found["chardet"] = by_chardet
    return found


def by_huozi(data: bytes) -> str | None:
    """Ours."""
    try:
        return decode(data, source="text").text
    except IngestError:
        return None


def by_charset_normalizer(data: bytes) -> str | None:
    """Its best match."""
    from charset_normalizer import from_bytes

    best = from_bytes(data).best()
    return None if best is None else str(best)


def by_chardet(data: bytes) -> str | None:
    """Its first guess."""
    import chardet

    encoding = chardet.detect(data)["encoding"]
    try:
        return data.decode(encoding) if encoding else None
    except (UnicodeDecodeError, LookupError):
        return None


if __name__ == "__main__":
    main()
