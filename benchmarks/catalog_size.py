"""How much disk does a MB of text take, and what takes it?

python -m benchmarks.catalog_size [--mb 5]

Text is what the parsers give, as UTF-8. Once with the embedder `none`, once with vectors as large as those of `e5`.
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.embedder import NAME, register
from benchmarks.measure import machine, report, say
from benchmarks.texts import Texts
from ingest import Ingestor
from retrieval.data_folder import DataFolder
from retrieval.settings import RetrievalSettings

CHARS_A_DOCUMENT = 8_000
BYTES_A_CHAR = 2.9
PLACES = ("catalog.db", "keyword", "chroma", "originals")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.catalog_size", description=__doc__)
    parser.add_argument("--mb", type=float, default=5.0, help="text, in units of 10^6 bytes, about")
    options = parser.parse_args(argv)
    register()
    about = machine()
    found = {}
    for embedder, texts in (("none", True), (NAME, True), (NAME, False)):
        name = embedder if texts else f"{embedder}, HUOZI_CHROMA_TEXTS=false"
        with tempfile.TemporaryDirectory(prefix="huozi-bench-") as folder:
            settings = RetrievalSettings(data_dir=Path(folder), embedder=embedder, chroma_texts=texts)
            found[name] = measure(settings, options.mb)
        say(f"{name}: {found[name]['text_mb']:.1f} MB of text, {found[name]['chunks']} chunks")
    rows: list[list[Any]] = []
    for embedder, sizes in found.items():
        rows += [[f"{embedder}: {name}", size] for name, size in sizes["mb_a_mb"].items()]
        rows += [[f"{embedder}:   catalog, {name}", size] for name, size in sizes["tables"].items()]
    report("catalog_size", {**about, "found": found}, ["", "MB a MB of text"], rows)


def measure(settings: RetrievalSettings, mb: float) -> dict[str, Any]:
    """Ingest so much text; return what each part takes for each MB of it."""
    count = max(1, round(mb * 1e6 / BYTES_A_CHAR / CHARS_A_DOCUMENT))
    folder = settings.data_dir
    with DataFolder.open(settings) as data:
        result = Ingestor(data).ingest_records(Texts().records(count, chars=CHARS_A_DOCUMENT))
    with closing(sqlite3.connect(folder / "catalog.db")) as catalog:
        catalog.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (text,) = catalog.execute("SELECT sum(length(CAST(text AS BLOB))) FROM texts").fetchone()
        tables = dict(catalog.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name ORDER BY 2 DESC LIMIT 10"))
    sizes = {name: disk_bytes(folder / name) for name in PLACES}
    sizes["all"] = sum(sizes.values())
    return {
        "chunks": result.chunks,
        "text_mb": round(text / 1e6, 2),
        "mb_a_mb": {name: round(size / text, 2) for name, size in sizes.items()},
        "tables": {name: round(size / text, 3) for name, size in tables.items()},
    }


def disk_bytes(path: Path) -> int:
    """Return the bytes that a file or folder takes."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


if __name__ == "__main__":
    main()
