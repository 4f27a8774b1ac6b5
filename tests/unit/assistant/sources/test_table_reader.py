"""On a real catalog: what a chunk lacks is found by its neighbours, and is not read from a version that is gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant.sources.select import select
from assistant.sources.table_reader import TableReader
from ingest import Ingestor
from retrieval.data_folder import DataFolder
from retrieval.models import Chunk, ScoredChunk
from retrieval.settings import RetrievalSettings
from tests.unit.assistant.sources.chunks import TEXT, cut

# Two columns of the same name: the loader then names no columns in the rows, so that only the header tells them.
CITIES = "\n".join(f"| 城市{n}号 | {n * 10}元每晚，含早餐，须提前三日申请并附上级批准文件的复印件 |" for n in range(40))
SHORT = "\n".join(f"| 职级{n} | {n}天 |" for n in range(5))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[DataFolder]:
    (tmp_path / "差旅.md").write_text(f"# 差旅\n\n上限如下。\n\n| 名 | 名 |\n|---|---|\n{CITIES}\n\n完。", "utf-8")
    (tmp_path / "休假.md").write_text(f"# 休假\n\n{'年休假的规定。' * 60}\n\n| 级 | 天 |\n|---|---|\n{SHORT}", "utf-8")
    with DataFolder.open(RetrievalSettings(data_dir=tmp_path / "data", embedder="none")) as opened:
        Ingestor(opened).ingest([tmp_path / "差旅.md", tmp_path / "休假.md"], collection="default")
        yield opened


def hit(folder: DataFolder, question: str) -> ScoredChunk:
    return folder.retriever.retrieve(question).hits[0]


def test_header_is_found_when_a_row_far_down_was_retrieved(folder: DataFolder) -> None:
    found = hit(folder, "城市37号")
    assert "名 | 名" not in found.chunk.text
    (source,) = select([found], max_sources=3, tables=TableReader(folder.catalog).read([found]))
    assert source.table_header == "名 | 名" and source.chunks == (found,)


def test_nothing_is_read_when_there_is_no_catalog_or_no_row(folder: DataFolder) -> None:
    assert TableReader(None).read([hit(folder, "城市37号")]) == {}

    class Untouched:
        def chunk_range(self, version_id: str, first: int, last: int) -> list[Chunk]:
            raise AssertionError("no table, nothing to read")

    assert TableReader(Untouched()).read(cut(TEXT)) == {}


def test_nothing_is_shown_when_the_version_is_gone(folder: DataFolder) -> None:
    found = hit(folder, "城市37号")
    folder.delete_document(found.chunk.document_id)
    assert TableReader(folder.catalog).read([found]) == {}


def test_chunks_of_a_range_are_what_a_search_shows(folder: DataFolder) -> None:
    found = hit(folder, "城市37号").chunk
    held = folder.catalog.chunk_range(found.version_id, 0, found.ordinal)
    assert held[-1] == found and [chunk.ordinal for chunk in held] == list(range(found.ordinal + 1))
