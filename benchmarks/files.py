"""Many synthetic files, quickly: paragraphs of `texts.py` put together anew, as plain text, Markdown and HTML."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.texts import Texts

N_PARAGRAPHS = 4_000
FILES_A_FOLDER = 100
SUFFIXES = ("txt", "md", "html")


def make_files(folder: Path, count: int, *, size: int = 50_000, seed: int = 7) -> list[Path]:
    """Write files of about `size` bytes of UTF-8 each, unless they are there already.

    Each paragraph begins with a number of its own, so that no two chunks are equal.

    Returns:
        The files, in the order in which a folder's run takes them.
    """
    paths = [folder / _name(number) for number in range(count)]
    if not paths[-1].exists():
        texts, random = Texts(seed), np.random.default_rng(seed)
        pool = [texts.paragraph() for _ in range(N_PARAGRAPHS)]
        for number, path in enumerate(paths):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(_content(path.suffix, number, _draw(pool, random, size, number)), "utf-8")
    return paths


def _name(number: int) -> str:
    return f"{number // FILES_A_FOLDER:04d}/{number:06d}.{SUFFIXES[number % 3]}"


def _draw(pool: list[str], random: np.random.Generator, size: int, number: int) -> list[str]:
    chosen: list[str] = []
    n_bytes = 0
    while n_bytes < size:
        chosen.append(f"{number}-{len(chosen)}：{pool[int(random.integers(len(pool)))]}")
        n_bytes += 3 * len(chosen[-1])
    return chosen


def _content(suffix: str, number: int, paragraphs: list[str]) -> str:
    sections = [paragraphs[i : i + 8] for i in range(0, len(paragraphs), 8)]
    if suffix == ".html":
        body = "\n".join(
            f"<h2>第{place}节</h2>\n" + "\n".join(f"<p>{one}</p>" for one in section)
            for place, section in enumerate(sections, 1)
        )
        return (
            f"<html><head><title>文件 {number}</title></head><body>\n<h1>文件 {number}</h1>\n{body}\n</body></html>\n"
        )
    mark = "## " if suffix == ".md" else ""
    return "\n\n".join(f"{mark}第{place}节\n\n" + "\n\n".join(section) for place, section in enumerate(sections, 1))
