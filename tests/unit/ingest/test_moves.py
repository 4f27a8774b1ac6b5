"""Files that were moved or copied: nothing is lost, nothing is parsed or embedded twice."""

import os
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ingest import Ingestor
from ingest.batch import Run
from ingest.errors import EmptiedFolderError
from ingest.ready import Ready
from ingest.recipe import recipe_of
from ingest.sandbox.ahead import Parser
from ingest.settings import IngestSettings
from retrieval.catalog import NewVersion
from retrieval.data_folder import DataFolder
from retrieval.doctor import check
from retrieval.errors import Message, VectorStoreError
from retrieval.models import StoredDocument
from tests.stores import open_folder

LEAVE = "# 休假制度\n\n员工每年有五天年假。\n"
TRAVEL = "差旅报销须在十五日内提交，由财务部复核。"


@pytest.fixture(params=["fake", "none"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DataFolder]:
    with open_folder(tmp_path / "data", embedder=request.param) as opened:
        yield opened


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    path = tmp_path / "制度"
    path.mkdir()
    (path / "休假.md").write_text(LEAVE, "utf-8")
    (path / "报销.txt").write_text(TRAVEL, "utf-8")
    return path


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The sources of whatever goes to a parser."""
    seen: list[str] = []

    class Counting(Parser):
        def parse_all(self, items):
            def counted():
                for item, job in items:
                    seen.append(job.source)
                    yield item, job

            return super().parse_all(counted())

    monkeypatch.setattr("ingest.pipeline.Parser", Counting)
    return seen


def stored(folder: DataFolder, collection: str = "default") -> dict[str, StoredDocument]:
    collection_id = folder.catalog.get_collection(collection).collection_id
    return {document.source: document for document in folder.catalog.list_documents(collection_id)}


def chunk_ids(folder: DataFolder, document: StoredDocument) -> list[str]:
    return [chunk.chunk_id for chunk in folder.catalog.live_version(document.document_id).chunks]


def n_embedded(folder: DataFolder) -> int:
    return 0 if folder.embedder is None else folder.embedder.loaded().n_embedded


def test_moved_file_keeps_its_document_when_it_has_another_name(folder, docs, parsed):
    Ingestor(folder).ingest([docs])
    before, chunks, embedded = stored(folder), {}, n_embedded(folder)
    chunks = {source: chunk_ids(folder, one) for source, one in before.items()}
    parsed.clear()
    (docs / "差旅").mkdir()
    (docs / "报销.txt").rename(docs / "差旅" / "𠮷出差.txt")
    (docs / "休假.md").rename(docs / "假期.md")

    report = Ingestor(folder).ingest([docs])

    after = stored(folder)
    assert (report.moved, report.added, report.updated, report.skipped, report.deleted) == (2, 0, 0, 0, 0)
    assert (parsed, n_embedded(folder)) == ([], embedded)
    assert {source: one.title for source, one in after.items()} == {
        "制度/差旅/𠮷出差.txt": "𠮷出差",
        "制度/假期.md": "休假制度",
    }
    for old, new in (("制度/报销.txt", "制度/差旅/𠮷出差.txt"), ("制度/休假.md", "制度/假期.md")):
        assert after[new].document_id == before[old].document_id
        assert chunk_ids(folder, after[new]) == chunks[old]
    assert check(folder).problems == ()
    assert Ingestor(folder).ingest([docs], delete_missing=True).skipped == 2


def test_moved_file_is_found_and_cited_by_its_new_name(folder, docs):
    Ingestor(folder).ingest([docs])
    (docs / "报销.txt").rename(docs / "车旅费细则.txt")
    Ingestor(folder).ingest([docs])
    hits = folder.retriever.retrieve("车旅费细则").hits
    assert (hits[0].chunk.title, hits[0].chunk.source) == ("车旅费细则", "制度/车旅费细则.txt")
    assert "报销须在" in folder.retriever.retrieve("差旅报销期限").hits[0].chunk.text


def test_moved_file_is_parsed_again_under_its_id_when_its_suffix_is_another(folder, docs, parsed):
    Ingestor(folder).ingest([docs])
    document_id = stored(folder)["制度/休假.md"].document_id
    parsed.clear()
    (docs / "休假.md").rename(docs / "休假.txt")
    report = Ingestor(folder).ingest([docs])
    assert (report.updated, report.moved, report.added, parsed) == (1, 0, 0, ["制度/休假.txt"])
    after = stored(folder)["制度/休假.txt"]
    assert (after.document_id, after.title) == (document_id, "休假")
    assert check(folder).problems == ()


def test_new_file_at_an_old_place_is_another_document(folder, docs):
    Ingestor(folder).ingest([docs])
    document_id = stored(folder)["制度/报销.txt"].document_id
    (docs / "报销.txt").rename(docs / "旧报销.txt")
    Ingestor(folder).ingest([docs])
    (docs / "报销.txt").write_text("报销改为三十日内提交。", "utf-8")
    assert Ingestor(folder).ingest([docs]).added == 1
    after = stored(folder)
    assert after["制度/旧报销.txt"].document_id == document_id
    assert after["制度/报销.txt"].document_id != document_id
    assert check(folder).problems == ()


def test_file_moved_out_of_the_given_folders_is_no_move(folder, docs, tmp_path):
    Ingestor(folder).ingest([docs])
    (tmp_path / "外").mkdir()
    (docs / "报销.txt").rename(tmp_path / "外" / "报销.txt")
    report = Ingestor(folder).ingest([tmp_path / "外"])
    assert (report.moved, report.added) == (0, 1)
    assert set(stored(folder)) == {"制度/休假.md", "制度/报销.txt", "外/报销.txt"}


def test_document_moves_into_and_out_of_an_archive(folder, docs):
    Ingestor(folder).ingest([docs])
    document_id = stored(folder)["制度/报销.txt"].document_id
    with zipfile.ZipFile(docs / "资料.zip", "w") as archive:
        archive.write(docs / "报销.txt", "旧/报销.txt")
    (docs / "报销.txt").unlink()
    assert Ingestor(folder).ingest([docs]).moved == 1
    assert stored(folder)["制度/资料.zip/旧/报销.txt"].document_id == document_id


def test_stop_before_the_switch_leaves_the_old_name_and_the_next_run_moves(tmp_path, docs, monkeypatch):
    with open_folder(tmp_path / "data") as folder:
        Ingestor(folder).ingest([docs])
        (docs / "报销.txt").rename(docs / "车旅费.txt")

        def gone(*_):
            raise VectorStoreError(Message("gone", "没了"))

        with monkeypatch.context() as broken, pytest.raises(VectorStoreError):
            broken.setattr(folder.vectors, "upsert", gone)
            Ingestor(folder).ingest([docs], delete_missing=True)
        assert "制度/报销.txt" in stored(folder)
        assert Ingestor(folder).ingest([docs], delete_missing=True).moved == 1
        assert stored(folder)["制度/车旅费.txt"].title == "车旅费"
        assert check(folder).problems == ()


def test_equal_content_is_parsed_embedded_and_kept_once_in_a_run(folder, docs, parsed):
    for name in ("副本/报销.txt", "副本/报销（终稿）.txt"):
        (docs / name).parent.mkdir(exist_ok=True)
        (docs / name).write_text(TRAVEL, "utf-8")
    report = Ingestor(folder).ingest([docs])
    assert (report.added, len(parsed)) == (4, 2)
    assert n_embedded(folder) in (0, 2)
    assert len(list(folder.originals.hashes())) == 2
    titles = {document.title for document in stored(folder).values()}
    assert titles == {"休假制度", "报销", "报销（终稿）"}
    assert check(folder).problems == ()


def test_equal_content_is_parsed_and_embedded_once_across_runs_and_collections(folder, docs, parsed):
    Ingestor(folder).ingest([docs], "一")
    embedded = n_embedded(folder)
    (docs / "另一份.txt").write_text(TRAVEL, "utf-8")
    parsed.clear()
    assert Ingestor(folder).ingest([docs], "一").added == 1
    assert Ingestor(folder).ingest([docs], "二").added == 3
    assert (parsed, n_embedded(folder)) == ([], embedded)
    assert check(folder).problems == ()


def test_other_document_stays_when_one_of_two_with_equal_content_is_deleted(folder, docs):
    (docs / "副本.txt").write_text(TRAVEL, "utf-8")
    Ingestor(folder).ingest([docs])
    hits = folder.retriever.retrieve("差旅报销期限").hits
    assert [hit.chunk.text for hit in hits].count(TRAVEL) == 1
    for name in ("报销.txt", "副本.txt"):
        assert TRAVEL in [hit.chunk.text for hit in folder.retriever.retrieve("差旅报销期限").hits]
        (docs / name).unlink()
        assert Ingestor(folder).ingest([docs], delete_missing=True).deleted == 1
        assert check(folder).problems == ()
    assert TRAVEL not in [hit.chunk.text for hit in folder.retriever.retrieve("差旅报销期限").hits]


def test_each_of_two_with_equal_content_fails_when_it_cannot_be_read(folder, docs):
    for name in ("一.pdf", "二.pdf"):
        (docs / name).write_bytes(b"%PDF-1.4 rubbish")
    report = Ingestor(folder).ingest([docs])
    assert sorted((x.source, x.code) for x in report.failed) == [
        ("制度/一.pdf", "broken_file"),
        ("制度/二.pdf", "broken_file"),
    ]


def test_files_swap_their_contents_and_keep_their_names(folder, docs):
    (docs / "乙.txt").write_text("乙方应在三日内付款。", "utf-8")
    Ingestor(folder).ingest([docs])
    before = stored(folder)
    (docs / "乙.txt").rename(docs / "临时")
    (docs / "报销.txt").rename(docs / "乙.txt")
    (docs / "临时").rename(docs / "报销.txt")
    report = Ingestor(folder).ingest([docs])
    after = stored(folder)
    assert (report.updated, report.moved) == (2, 0)
    assert {source: one.document_id for source, one in after.items()} == {
        source: one.document_id for source, one in before.items()
    }
    assert folder.catalog.document_text(after["制度/乙.txt"].document_id).text == TRAVEL
    assert check(folder).problems == ()


def test_nothing_is_deleted_when_a_folder_is_empty_that_had_documents(folder, docs):
    Ingestor(folder).ingest([docs])
    for path in list(docs.iterdir()):
        path.unlink()
    with pytest.raises(EmptiedFolderError) as caught:
        Ingestor(folder).ingest([docs], delete_missing=True)
    assert caught.value.render("zh") == (
        f"{str(docs)!r} 中现在没有任何文档，由它导入的 2 个文档将被全部删除。"
        "请检查磁盘是否已挂载；如果确实要清空，请加上 --allow-empty。没有做任何改动。"
    )
    assert len(stored(folder)) == 2
    assert Ingestor(folder).ingest([docs]).deleted == 0
    assert Ingestor(folder).ingest([docs], delete_missing=True, allow_empty=True).deleted == 2
    assert stored(folder) == {}


def test_nothing_is_deleted_when_a_folder_is_not_there(folder, docs):
    Ingestor(folder).ingest([docs])
    docs.rename(docs.with_name("别处"))
    report = Ingestor(folder).ingest([docs], delete_missing=True)
    assert (report.deleted, [x.code for x in report.failed]) == (0, ["unreadable"])
    assert len(stored(folder)) == 2


def test_nothing_is_deleted_or_moved_when_it_may_lie_in_a_folder_that_cannot_be_read(folder, docs, monkeypatch):
    shut = docs / "锁"
    shut.mkdir()
    (docs / "报销.txt").rename(shut / "报销.txt")
    with zipfile.ZipFile(docs / "资料.zip", "w") as archive:
        archive.writestr("规定.txt", "进门须登记。")
    Ingestor(folder).ingest([docs])
    (docs / "抄本.txt").write_text(TRAVEL, "utf-8")
    (docs / "资料.zip").write_bytes(b"PK damaged")
    real = os.scandir

    def scandir(path):
        if Path(path) == shut:
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    report = Ingestor(folder).ingest([docs], delete_missing=True)
    assert (report.deleted, report.moved, report.added, len(report.failed)) == (0, 0, 1, 2)
    assert {"制度/锁/报销.txt", "制度/资料.zip/规定.txt", "制度/抄本.txt"} < set(stored(folder))


def test_ignored_file_counts_as_missing(folder, docs):
    Ingestor(folder).ingest([docs])
    (docs / ".huoziignore").write_text("报销*\n", "utf-8")
    assert Ingestor(folder).ingest([docs]).deleted == 0
    assert Ingestor(folder).ingest([docs], delete_missing=True).deleted == 1
    assert set(stored(folder)) == {"制度/休假.md"}


def test_attributes_of_an_upload_stay_its_own_when_a_file_has_its_content(folder, docs):
    Ingestor(folder).ingest([docs / "报销.txt"])
    (document,) = stored(folder).values()
    live = folder.catalog.live_version(document.document_id)
    upload = NewVersion(
        source_id="upload:报销.txt",
        source="报销.txt",
        document=replace(live.document, metadata={"部门": "财务"}),
        spans=live.spans,
        content_hash=document.content_hash,
        recipe=recipe_of(IngestSettings()),
        media_type="text/plain",
        size=document.size,
    )
    run = Run(folder, folder.collection("另一个", create=True), None)
    run.add(Ready(upload, TRAVEL.encode()))
    run.flush()
    folder.delete_document(document.document_id)
    Ingestor(folder).ingest([docs / "报销.txt"])
    assert "部门" not in folder.catalog.live_version(stored(folder)["报销.txt"].document_id).document.metadata


def test_others_are_found_beside_many_copies_of_one_text(folder, tmp_path):
    docs = tmp_path / "抄"
    docs.mkdir()
    for number in range(70):
        (docs / f"副本{number}.txt").write_text("员工每年享有五天带薪年假。", "utf-8")
    for number in range(4):
        (docs / f"另{number}.txt").write_text(f"员工年假之{number}：第{number}年的年假另行安排。", "utf-8")
    Ingestor(folder).ingest([docs])
    hits = folder.retriever.retrieve("员工每年享有几天带薪年假", top_k=5).hits
    assert len({hit.chunk.text for hit in hits}) == len(hits) == 5
