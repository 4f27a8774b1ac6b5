"""How well and how fast are scanned pages read?

python -m benchmarks.ocr [--pages 12] [--dpi 150] [--threads 0]

The evaluation's scanned files (HUOZI_EVAL_DIR) as they are, and pages of its PDFs that have a text layer, drawn as
pictures, so that every character is known: clean, and as a bad scanner would have them (askew by 1.2 degrees, grey
paper with specks, JPEG at quality 50). Text is compared without white space and with full-width signs as ASCII.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np
import pypdfium2 as pdfium
from PIL import Image

from benchmarks.measure import machine, report, say, stopwatch
from ingest.loaders import load
from ingest.ocr.availability import is_installed
from ingest.settings import LoadSettings, OcrSettings

EVAL = Path(os.environ.get("HUOZI_EVAL_DIR", "../shared/eval"))
WITH_TEXT = ("documents/年度经营报告.pdf", "documents/设备维护规程_双栏.pdf", "chatgpt_book/chatgpt_book.pdf")
TRANSCRIBED = {
    "扫描件_授权书.pdf": (
        "授权委托书兹授权我公司员工赵晓东（身份证尾号：3417）全权办理星河智造科技有限公司与江北产业园的厂房租赁事宜。"
        "授权期限：2024年6月1日至2024年12月31日。租赁面积：3600平方米，月租金每平方米28元。"
        "委托单位：星河智造科技有限公司（盖章）"
    )
}
"""What is on a scanned file that is short enough to copy by hand."""
WITHOUT = LoadSettings(ocr=OcrSettings(mode="off"))
DRAWN_DPI = 200
"""As scanners do; what is read is drawn again at the setting's."""
WIDTHS = str.maketrans("（），：；。？！“”‘’〔〕％", "(),:;.?!\"\"''()%")


@dataclass(frozen=True)
class Case:
    """A file of pictures, and what it says: its text, or phrases of it."""

    name: str
    kind: str
    data: bytes
    n_pages: int
    text: str = ""
    phrases: tuple[str, ...] = ()


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.ocr", description=__doc__)
    parser.add_argument("--pages", type=int, default=12, help="at most, of each file with a text layer")
    parser.add_argument("--dpi", type=int, default=OcrSettings().dpi)
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args(argv)
    about = machine() | {"dpi": options.dpi, "threads": options.threads}
    if not EVAL.exists() or not is_installed():
        say(f"no evaluation data in {str(EVAL)!r} (set HUOZI_EVAL_DIR), or the extra 'ocr' is not installed")
        report("ocr", about, ["skipped"], [])
        return
    settings = LoadSettings(ocr=OcrSettings(dpi=options.dpi, threads=options.threads))
    rows: list[list[object]] = []
    for name, kind, cases in grouped(options.pages):
        accuracies, recalls, found, asked, n_pages = [], [], 0, 0, 0
        seconds = cpu = 0.0
        for case in cases:
            begun = time.process_time()
            with stopwatch() as watch:
                text = folded(load(case.data, source=case.name, settings=settings).document.text)
            cpu += time.process_time() - begun
            seconds, n_pages = seconds + watch.seconds, n_pages + case.n_pages
            if case.text:
                accuracies.append(accuracy(text, folded(case.text)))
                recalls.append(recall(text, folded(case.text)))
            found, asked = found + sum(folded(one) in text for one in case.phrases), asked + len(case.phrases)
        shown = f"{mean(accuracies):.2%}" if accuracies else "-"
        worst = f"{min(accuracies):.2%}" if accuracies else "-"
        any_order = f"{mean(recalls):.2%}" if recalls else "-"
        read = f"{found}/{asked}" if asked else "-"
        rows.append([name, kind, n_pages, any_order, shown, worst, read, seconds / n_pages, cpu / n_pages])
    about["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    report(
        "ocr",
        about,
        ["file", "as", "pages", "characters", "in order", "worst page", "phrases", "s/page", "CPU s/page"],
        rows,
    )


def grouped(most_pages: int) -> Iterator[tuple[str, str, list[Case]]]:
    """Yield each file with its pages; the models are loaded by the first, which is the smallest."""
    manifest = [json.loads(line) for line in (EVAL / "documents/manifest.jsonl").read_text("utf-8").splitlines()]
    for one in manifest:
        if one["expect"] == "needs-ocr":
            data = (EVAL / "documents" / one["file"]).read_bytes()
            text, phrases = TRANSCRIBED.get(one["file"], ""), tuple(one["must_contain"])
            case = Case(one["file"], "scan", data, len(pdfium.PdfDocument(data)), text, phrases)
            yield one["file"], "scan", [case]
    for path in WITH_TEXT:
        for kind in ("clean", "bad scan"):
            yield Path(path).name, kind, list(drawn(EVAL / path, most_pages, kind))


def drawn(path: Path, most: int, kind: str) -> Iterator[Case]:
    """Yield pages of a PDF as pictures, with the text that their text layer has."""
    pdf = pdfium.PdfDocument(path)
    step = max(1, len(pdf) // most)
    noise = np.random.default_rng(11)
    for number in list(range(step // 2, len(pdf), step))[:most]:
        # Alone, so that running heads are kept on both sides.
        text = load(alone(pdf, number), source=path.name, settings=WITHOUT).document.text
        if len(text) < 100:
            continue  # A cover: a dozen characters say nothing.
        image = pdf[number].render(scale=DRAWN_DPI / 72).to_pil().convert("L")
        file = io.BytesIO()
        worn(image, noise, is_bad=kind != "clean").save(
            file, "PDF", resolution=DRAWN_DPI, quality=90 if kind == "clean" else 50
        )
        yield Case(path.name, kind, file.getvalue(), 1, text)


def alone(pdf: pdfium.PdfDocument, number: int) -> bytes:
    """Return one page as a file."""
    page, file = pdfium.PdfDocument.new(), io.BytesIO()
    page.import_pages(pdf, [number])
    page.save(file)
    return file.getvalue()


def worn(image: Image.Image, noise: np.random.Generator, *, is_bad: bool) -> Image.Image:
    """Return a sheet as a bad scanner has it."""
    if not is_bad:
        return image
    sheet = np.asarray(image.rotate(1.2, fillcolor=255, resample=Image.Resampling.BICUBIC), dtype=np.float32)
    grey = 25 + 0.82 * sheet + noise.normal(0, 8, sheet.shape)
    grey[noise.random(sheet.shape) < 0.001] = 40
    return Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8))


def folded(text: str) -> str:
    """Return text without white space, rows' bars and the widths of signs."""
    return "".join(text.replace(" | ", "").split()).translate(WIDTHS)


def recall(text: str, reference: str) -> float:
    """Return the share of the reference's characters that are in the text, in whatever order."""
    return (Counter(text) & Counter(reference)).total() / len(reference)


def accuracy(text: str, reference: str) -> float:
    """Return 1 minus the edit distance for each character of the reference, at least 0."""
    ours, theirs = (np.frombuffer(one.encode("utf-32-le"), dtype=np.uint32) for one in (text, reference))
    row = np.arange(len(ours) + 1)
    for number, wanted in enumerate(theirs, 1):
        kept = np.minimum(row[1:] + 1, row[:-1] + (ours != wanted))
        best = np.concatenate(([number], kept))
        # What comes before in the same row: one more for each step to the right.
        row = np.minimum.accumulate(best - np.arange(len(best))) + np.arange(len(best))
    return max(0.0, 1 - float(row[-1]) / len(theirs))


if __name__ == "__main__":
    main()
