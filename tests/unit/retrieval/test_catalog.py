import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from retrieval.catalog import Catalog, NewVersion, vector_key
from retrieval.catalog.database import HEAD, MIGRATIONS
from retrieval.catalog.tables import metadata
from retrieval.errors import (
    CatalogError,
    CatalogVersionError,
    CollectionExistsError,
    CollectionNameError,
    CollectionNotFoundError,
    DocumentNotFoundError,
    NotFoundError,
)
from retrieval.models import Document, Span, embedded_text

TEXT = "第一条 年假五天。\n第二条 病假按𠮷田条例。"


@pytest.fixture
def catalog(tmp_path: Path):
    opened = Catalog(tmp_path / "catalog.db")
    yield opened
    opened.close()


def new_version(source: str = "a.md", *, text: str = TEXT, content_hash: str = "h1", **fields) -> NewVersion:
    middle = text.index("第二条") if "第二条" in text else len(text)
    spans = tuple(
        Span(start, end, 1, ("第一章",)) for start, end in ((0, middle), (middle, len(text))) if text[start:end].strip()
    )
    document = Document(fields.pop("title", "休假制度"), text, (0,), metadata=fields.pop("metadata", {}))
    return NewVersion(source, source, document, spans, content_hash, "r1", "text/markdown", len(text.encode()))


def with_keys(version: NewVersion) -> NewVersion:
    title, text = version.document.title, version.document.text
    embedded = [embedded_text(title, span.heading, text[span.start : span.end]) for span in version.spans]
    return replace(version, vector_keys=tuple(vector_key("fake", one) for one in embedded))


def publish(catalog: Catalog, collection_id: str, *new: NewVersion):
    built = catalog.build_versions(collection_id, [with_keys(version) for version in new])
    catalog.publish([version.version_id for version in built])
    return built


def test_chunk_slices_back_to_the_parsed_text(catalog):
    collection = catalog.create_collection("人事制度", "none", 0)
    (built,) = publish(catalog, collection.collection_id, new_version())
    stored = catalog.document_text(built.document_id)
    for chunk in catalog.live_chunks(collection.collection_id, [c.chunk_id for c in built.chunks]).values():
        assert stored.text[chunk.start : chunk.end] == chunk.text
        assert (chunk.title, chunk.page, chunk.heading) == ("休假制度", 1, ("第一章",))


def test_version_is_unseen_until_published(catalog):
    collection = catalog.create_collection("c", "none", 0)
    (built,) = catalog.build_versions(collection.collection_id, [new_version()])
    ids = [chunk.chunk_id for chunk in built.chunks]
    assert catalog.live_chunks(collection.collection_id, ids) == {}
    assert catalog.list_documents(collection.collection_id) == []
    catalog.publish([built.version_id])
    assert set(catalog.live_chunks(collection.collection_id, ids)) == set(ids)


def test_publish_switches_old_for_new(catalog):
    collection = catalog.create_collection("c", "none", 0)
    (old,) = publish(catalog, collection.collection_id, new_version())
    (new,) = publish(catalog, collection.collection_id, new_version(text="第一条 年假十天。", content_hash="h2"))
    assert new.document_id == old.document_id
    every_id = [chunk.chunk_id for chunk in (*old.chunks, *new.chunks)]
    assert set(catalog.live_chunks(collection.collection_id, every_id)) == {c.chunk_id for c in new.chunks}
    assert [leftover.version_id for leftover in catalog.leftovers()] == [old.version_id]
    assert catalog.forget_versions([old.version_id]) == ["h1"]
    assert catalog.leftovers() == []
    assert catalog.get_document(new.document_id).content_hash == "h2"


def test_database_refuses_two_live_versions(catalog, tmp_path):
    collection = catalog.create_collection("c", "none", 0)
    publish(catalog, collection.collection_id, new_version())
    publish(catalog, collection.collection_id, new_version(content_hash="h2"))
    with sqlite3.connect(tmp_path / "catalog.db") as connection, pytest.raises(sqlite3.IntegrityError):
        connection.execute("UPDATE versions SET state = 'live'")
    connection.close()


def test_forget_leaves_live_versions_alone(catalog):
    collection = catalog.create_collection("c", "none", 0)
    (built,) = publish(catalog, collection.collection_id, new_version())
    assert catalog.forget_versions([built.version_id]) == []
    assert catalog.get_document(built.document_id).n_chunks == 2


def test_retired_document_is_gone_from_every_view(catalog):
    collection = catalog.create_collection("c", "none", 0)
    (built,) = publish(catalog, collection.collection_id, new_version())
    catalog.retire_documents([built.document_id])
    assert catalog.known_sources(collection.collection_id) == {}
    assert catalog.live_content_hashes() == set()
    for look_up in (catalog.get_document, catalog.document_text):
        with pytest.raises(DocumentNotFoundError, match=f"There is no document '{built.document_id}'"):
            look_up(built.document_id)


def test_original_stays_when_another_document_has_the_same_content(catalog):
    collection = catalog.create_collection("c", "none", 0)
    (first, _) = publish(catalog, collection.collection_id, new_version("a.md"), new_version("b.md"))
    catalog.retire_documents([first.document_id])
    assert catalog.forget_versions([x.version_id for x in catalog.leftovers()]) == []


def test_vectors_are_shared_and_leave_with_their_last_chunk(catalog):
    import numpy as np

    collection = catalog.create_collection("c", "fake", 3)
    (first, second) = publish(catalog, collection.collection_id, new_version("a.md"), new_version("b.md"))
    keys = [vector_key("fake", chunk.embedded_text) for chunk in first.chunks]
    matrix = np.eye(3, dtype=np.float32)[:2]
    catalog.put_vectors(keys, matrix)
    for document, kept in ((first, True), (second, False)):
        catalog.retire_documents([document.document_id])
        catalog.forget_versions([x.version_id for x in catalog.leftovers()])
        assert (set(catalog.get_vectors(keys)) == set(keys)) is kept
    catalog.put_vectors(keys, matrix)
    np.testing.assert_array_equal(catalog.get_vectors(keys)[keys[1]], matrix[1])


def test_same_text_has_another_key_for_another_embedder():
    assert vector_key("e5", "年假") != vector_key("none", "年假")


def test_delete_of_a_collection_takes_all_it_holds(catalog, tmp_path):
    collection = catalog.create_collection("旧制度", "none", 0)
    (built,) = publish(catalog, collection.collection_id, new_version())
    catalog.remove_collection(collection.collection_id)
    with pytest.raises(CollectionNotFoundError):
        catalog.get_collection("旧制度")
    with sqlite3.connect(tmp_path / "catalog.db") as connection:
        counts = [
            connection.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in ("documents", "chunks", "texts")
        ]
    connection.close()
    assert counts == [0, 0, 0]


def test_collection_is_found_by_name_in_any_unicode_form_and_by_id(catalog):
    collection = catalog.create_collection("  Café 制度 ", "e5", 384)
    for word in ("Café 制度", "Cafe\u0301 制度", collection.collection_id):
        assert catalog.get_collection(word).collection_id == collection.collection_id


def test_unknown_collection_names_the_known_ones(catalog):
    catalog.create_collection("人事", "none", 0)
    with pytest.raises(CollectionNotFoundError) as caught:
        catalog.get_collection("财务")
    assert caught.value.render("zh") == (
        "没有名为 '财务' 的集合。现有集合：人事。用 `huozi ingest 路径 -c 集合名` 创建。"
    )
    assert str(caught.value) == (
        "There is no collection '财务'. Known: '人事'. Create it with `huozi ingest PATH -c NAME`."
    )


def test_second_collection_of_a_name_is_refused(catalog):
    catalog.create_collection("人事", "none", 0)
    with pytest.raises(CollectionExistsError, match="Collection '人事' exists already."):
        catalog.create_collection("人事", "none", 0)


@pytest.mark.parametrize("name", ["", "  ", "a/b", "a\nb", "长" * 101, "\ud800"])
def test_collection_name_is_refused_when_unusable(catalog, name):
    with pytest.raises(CollectionNameError):
        catalog.create_collection(name, "none", 0)


def test_filters_match_title_source_and_metadata(catalog):
    collection = catalog.create_collection("c", "none", 0)
    (first, second) = publish(
        catalog,
        collection.collection_id,
        new_version("a.md", title="甲", metadata={"部门": "人事", 'a"b': "x"}),
        new_version("b.md", title="乙", metadata={"部门": "财务"}),
    )
    match = lambda **filters: catalog.match_documents(collection.collection_id, filters)  # noqa: E731
    assert match(部门="人事") == [first.document_id]
    assert match(title="乙") == [second.document_id]
    assert match(source="b.md", 部门="人事") == []
    assert match(**{'a"b': "x"}) == [first.document_id]
    assert match(**{"') OR 1=1 --": "x"}) == []


def test_counts_are_of_live_documents(catalog):
    collection = catalog.create_collection("c", "none", 0)
    publish(catalog, collection.collection_id, new_version("a.md"), new_version("b.md"))
    publish(catalog, collection.collection_id, new_version("a.md", text="短。", content_hash="h2"))
    counted = catalog.get_collection("c", counted=True)
    assert (counted.n_documents, counted.n_chunks) == (2, 3)


def test_key_is_verified_until_revoked_and_never_stored(catalog, tmp_path):
    key, secret = catalog.keys.create("前台")
    assert catalog.keys.any() and catalog.keys.verify(secret) == key
    assert catalog.keys.verify(secret + "x") is None
    catalog.close()
    assert secret.encode() not in (tmp_path / "catalog.db").read_bytes()
    catalog.keys.revoke(key.key_id)
    assert not catalog.keys.any() and catalog.keys.verify(secret) is None
    with pytest.raises(NotFoundError, match=f"no usable key '{key.key_id}'"):
        catalog.keys.revoke(key.key_id)


def test_reopened_catalog_holds_what_it_held(tmp_path):
    first = Catalog(tmp_path / "catalog.db")
    collection = first.create_collection("人事", "e5", 384)
    publish(first, collection.collection_id, new_version())
    first.close()
    second = Catalog(tmp_path / "catalog.db")
    assert second.get_collection("人事", counted=True).n_chunks == 2
    second.close()


def test_catalog_of_a_newer_version_is_refused(tmp_path):
    Catalog(tmp_path / "catalog.db").close()
    with sqlite3.connect(tmp_path / "catalog.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(CatalogVersionError, match=f"revision '9999' of a newer version; this one knows '{HEAD}'"):
        Catalog(tmp_path / "catalog.db")


def test_file_that_is_no_catalog_is_refused(tmp_path):
    (tmp_path / "catalog.db").write_bytes("这不是数据库".encode() * 100)
    with pytest.raises(CatalogError, match="is damaged: file is not a database"):
        Catalog(tmp_path / "catalog.db")


def test_migrations_end_where_the_tables_are(tmp_path):
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD
    Catalog(tmp_path / "catalog.db").close()
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'catalog.db'}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_search_reads_no_more_than_the_chunks_it_asks_for(tmp_path):
    # The order that SQLite chooses by itself reads every live chunk for each search.
    Catalog(tmp_path / "catalog.db").close()
    from retrieval.catalog.documents import _LIVE_CHUNKS

    with sqlite3.connect(tmp_path / "catalog.db") as connection:
        plan = connection.execute("EXPLAIN QUERY PLAN " + _LIVE_CHUNKS.format(marks="?"), ("c", "x")).fetchall()
    connection.close()
    assert plan[0][3].startswith("SEARCH c USING INDEX") and "(id=?)" in plan[0][3], json.dumps(plan)


def test_page_starts_are_of_live_versions(catalog):
    collection = catalog.create_collection("c", "none", 0)
    (old,) = publish(catalog, collection.collection_id, new_version())
    (new,) = publish(catalog, collection.collection_id, new_version(content_hash="h2"))
    assert catalog.page_starts([old.version_id, new.version_id, "ver_0"]) == {new.version_id: (0,)}


def test_calibration_is_kept_until_it_is_forgotten(catalog):
    learnt = {"权重": {"coverage": 2.5}, "threshold": 3.0}
    collection = catalog.create_collection("制度", "none", 0)
    other = catalog.create_collection("其他", "none", 0)
    assert collection.calibration is None
    catalog.calibrate(collection.collection_id, learnt)
    assert catalog.get_collection("制度").calibration == learnt
    assert {one.name: one.calibration for one in catalog.list_collections()} == {"其他": None, "制度": learnt}
    assert catalog.get_collection(other.collection_id).calibration is None
    catalog.calibrate(collection.collection_id, None)
    assert catalog.get_collection("制度", counted=True).calibration is None
