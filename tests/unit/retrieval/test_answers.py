from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest

from retrieval.catalog import Catalog, TraceRecord
from retrieval.errors import AnswerNotFoundError

NOW = time.time()
DAY_S = 86_400.0


@pytest.fixture
def catalog(tmp_path: Path):
    opened = Catalog(tmp_path / "catalog.db")
    opened.create_collection("人事制度", "none", 0)
    yield opened
    opened.close()


def record(name: str, *, age_s: float = 0.0, collection: str | None = "人事制度", **fields: object) -> TraceRecord:
    return TraceRecord(f"chatcmpl-{name}", NOW - age_s, collection, {"question": f"年假𠮷😀{name}"}, **fields)  # type: ignore[arg-type]


def ids(catalog: Catalog, limit: int = 100, **options: str) -> list[str]:
    return [one.answer_id.removeprefix("chatcmpl-") for one in catalog.answers.list(limit, **options)]


def test_trace_comes_back_as_it_was_saved(catalog: Catalog):
    catalog.answers.save([record("a"), TraceRecord("chatcmpl-b", NOW, None, {"half": "\ud842"}, is_searched=False)])
    found = catalog.answers.get("chatcmpl-a")
    assert (found.created_at, found.collection, found.body) == (NOW, "人事制度", {"question": "年假𠮷😀a"})
    assert catalog.answers.get("chatcmpl-b").body == {"half": "?"}


def test_trace_is_replaced_when_an_id_comes_again(catalog: Catalog):
    catalog.answers.save([record("a", age_s=5), record("a")])
    assert [one.created_at for one in catalog.answers.list(9)] == [NOW]


def test_unknown_id_is_told_when_asked_for(catalog: Catalog):
    with pytest.raises(AnswerNotFoundError, match="There is no answer 'chatcmpl-x'"):
        catalog.answers.get("chatcmpl-x")
    with pytest.raises(AnswerNotFoundError):
        catalog.answers.list(1, after="chatcmpl-x")


def test_traces_are_listed_newest_first_a_page_at_a_time(catalog: Catalog):
    catalog.answers.save([record("b", age_s=2), record("a", age_s=3), record("d"), record("c"), record("e", age_s=1)])
    assert ids(catalog) == ["d", "c", "e", "b", "a"]
    assert ids(catalog, 2) == ["d", "c"]
    assert ids(catalog, 2, after="chatcmpl-c") == ["e", "b"]
    assert ids(catalog, 2, after="chatcmpl-a") == []


def test_traces_go_with_their_collection(catalog: Catalog):
    kept = catalog.create_collection("财务", "none", 0)
    catalog.answers.save([record("a"), record("b", collection="财务"), record("c", collection=kept.collection_id)])
    catalog.remove_collection(catalog.get_collection("人事制度").collection_id)
    assert ids(catalog) == ["c", "b"]
    assert [one.collection for one in catalog.answers.list(9)] == ["财务", "财务"]


def test_trace_is_left_out_when_its_collection_is_gone(catalog: Catalog):
    gone = record("a", collection="已删除")
    never_searched = record("b", collection="不存在", is_searched=False)
    catalog.answers.save([gone, never_searched, record("c")])
    assert ids(catalog) == ["c", "b"]
    assert catalog.answers.get("chatcmpl-b").collection is None


def test_old_and_surplus_traces_go_when_pruned(catalog: Catalog):
    catalog.answers.save([record(name, age_s=age * DAY_S) for name, age in zip("abcde", (9, 8, 3, 2, 1), strict=True)])
    assert catalog.answers.prune(max_age_s=5 * DAY_S, max_count=9) == 2
    assert ids(catalog) == ["e", "d", "c"]
    assert catalog.answers.prune(max_age_s=5 * DAY_S, max_count=2) == 1
    assert ids(catalog) == ["e", "d"]
    assert catalog.answers.prune(max_age_s=5 * DAY_S, max_count=2) == 0
    assert catalog.answers.prune(max_age_s=0, max_count=2) == 2


def test_catalog_of_the_first_version_gains_the_table_when_opened(tmp_path: Path):
    path = tmp_path / "old.db"
    Catalog(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE answers")
        for column in ("calibration", "n_changes"):
            connection.execute(f"ALTER TABLE collections DROP COLUMN {column}")
        for table in ("jobs", "uploads", "replies", "removed_collections"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
        connection.execute("INSERT INTO collections VALUES ('vs_1', '人事', 'none', 0, 1.0)")
    connection.close()
    opened = Catalog(path)
    opened.answers.save([record("a", collection="人事")])
    assert ids(opened) == ["a"]
    opened.close()
