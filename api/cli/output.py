"""How commands talk: the answer on stdout, everything else on stderr."""

from __future__ import annotations

import json
import re
import sys
import time
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from api.cli.language import Say
    from ingest.report import IngestProgress

DRAW_INTERVAL_S = 0.1
PLAIN_INTERVAL_S = 2.0
"""Time between two progress lines where there is no terminal to draw a bar on."""

# What moves a cursor, colours, links or turns the direction of what follows: other people's texts hold it too.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\U000e0000-\U000e007f]")


def out(text: str, *, end: str = "\n") -> None:
    """Write a part of the answer."""
    _write(sys.stdout, text + end)


def note(text: str) -> None:
    """Write something beside the answer."""
    _write(sys.stderr, text + "\n")


def out_json(value: Any) -> None:
    """Write one JSON object, in a form that the terminal's encoding has."""
    is_unicode = "utf" in (sys.stdout.encoding or "").lower()
    text = json.dumps(value, ensure_ascii=not is_unicode, indent=2)
    # JSON lets most of them stand as they are; escaped they mean the same.
    out(_CONTROL.sub(lambda found: json.dumps(found[0])[1:-1], text))


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return aligned columns; a Chinese character is two places wide."""
    cells = [list(heads), *([str(cell) for cell in row] for row in rows)]
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )


def facts(rows: Sequence[tuple[str, object]]) -> str:
    """Return names and values, a line each."""
    return table(("", ""), rows).partition("\n")[2]


def moment(seconds: float | None) -> str:
    """Return a time as people read it; empty for None."""
    return "" if seconds is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def place(hit: dict[str, Any], say: Say) -> str:
    """Return where a hit or citation stands: title, page, heading."""
    title = say(f"《{hit['title']}》", f"“{hit['title']}”")
    page = "" if hit["page"] is None else say(f"第 {hit['page']} 页", f"page {hit['page']}")
    heading = " > ".join(part for part in hit["heading"] if part != hit["title"])
    return " · ".join(part for part in (title, page, heading) if part)


class IngestMeter:
    """Progress of an ingestion: a bar on a terminal, else a line now and then."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._bar: Any = None
        self._last = time.monotonic()

    def __call__(self, progress: IngestProgress) -> None:
        """Show how far it has come."""
        if sys.stderr.isatty():
            # Thousands of small files a second: drawn no more often than an eye sees.
            if self._bar is None or time.monotonic() - self._last >= DRAW_INTERVAL_S:
                self._last = time.monotonic()
                self._draw(progress)
        elif progress.stage != "done" and time.monotonic() - self._last >= PLAIN_INTERVAL_S:
            self._last = time.monotonic()
            done, total = progress.files_done, progress.files_total
            files = self._say(f"已处理 {done}/{total} 个文件：", f"{done} of {total} files: ")
            note(files + counts(progress, self._say))

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _draw(self, progress: IngestProgress) -> None:
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(total=progress.files_total, unit=self._say("个", "file"), leave=False, dynamic_ncols=True)
        self._bar.total = progress.files_total
        self._bar.n = progress.files_done
        self._bar.set_description_str(_stages(self._say).get(progress.stage, ""), refresh=False)
        self._bar.set_postfix_str(counts(progress, self._say), refresh=False)
        self._bar.refresh()


def counts(progress: IngestProgress, say: Say) -> str:
    """Return how much each stage has finished: files parsed, then chunks cut, embedded and indexed."""
    parts = [
        say(f"解析 {progress.parsed} 个", f"{progress.parsed} parsed"),
        say(f"切分 {progress.split} 段", f"{progress.split} chunks split"),
        say(f"向量化 {progress.embedded} 段", f"{progress.embedded} embedded") if progress.embedded else "",
        say(f"写入 {progress.chunks} 段", f"{progress.chunks} indexed"),
    ]
    return say("，", ", ").join(part for part in parts if part)


def byte_bar(total_bytes: int) -> Any:
    """Return a bar for bytes, on a terminal."""
    from tqdm import tqdm

    return tqdm(total=total_bytes, unit="B", unit_scale=True, leave=False, dynamic_ncols=True)


def _stages(say: Say) -> dict[str, str]:
    return {
        "scan": say("扫描", "scanning"),
        "parse": say("解析", "parsing"),
        "split": say("切分", "splitting"),
        "embed": say("向量化", "embedding"),
        "index": say("写入", "indexing"),
    }


def _write(stream: TextIO, text: str) -> None:
    stream.write(_CONTROL.sub("\ufffd", text))
    stream.flush()


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
