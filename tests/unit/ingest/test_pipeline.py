import os
from itertools import pairwise
from pathlib import Path

import pytest

from ingest import Ingestor, TextRecord
from ingest.settings import IngestSettings
from retrieval.doctor import check
from retrieval.errors import DocumentNotFoundError, EmbedderMismatchError, HuoziError
from tests.stores import open_folder


@pytest.fixture(params=["fake", "none"])
def folder(request, tmp_path):
    with open_folder(tmp_path / "data", embedder=request.param) as opened:
        yield opened


@pytest.fixture
def docs(tmp_path) -> Path:
    path = tmp_path / "制度"
    path.mkdir()
    (path / "休假.md").write_text("# 休假制度\n\n员工每年有五天年假。\n", encoding="utf-8")
    (path / "报销.txt").write_bytes("差旅报销须在十五日内提交，由财务部复核。".encode("gb18030"))
    return path


def titles(folder, question: str, collection: str = "default") -> list[str]:
    return [hit.chunk.title for hit in folder.retriever.retrieve(question, collection=collection).hits]


def test_folder_is_searchable_when_ingested(folder, docs):
    report = Ingestor(folder).ingest([docs])
    assert (report.added, report.updated, report.skipped, report.failed) == (2, 0, 0, [])
    assert "休假制度" in titles(folder, "年假几天")
    assert "报销" in titles(folder, "差旅报销期限")
    assert check(folder).is_healthy


def test_unchanged_files_are_skipped_without_being_parsed_or_embedded(folder, docs, monkeypatch):
    Ingestor(folder).ingest([docs])
    monkeypatch.setattr("ingest.sandbox.ahead.parse", lambda *_, **__: pytest.fail("an unchanged file was parsed"))
    report = Ingestor(folder).ingest([docs])
    assert (report.skipped, report.added, report.updated, report.chunks) == (2, 0, 0, 0)


def test_changed_file_replaces_its_old_version(folder, docs):
    Ingestor(folder).ingest([docs])
    (docs / "休假.md").write_text("# 休假制度\n\n员工每年有十天年假。\n", encoding="utf-8")
    report = Ingestor(folder).ingest([docs])
    assert (report.updated, report.skipped) == (1, 1)
    texts = [hit.chunk.text for hit in folder.retriever.retrieve("年假").hits]
    assert any("十天" in text for text in texts) and not any("五天" in text for text in texts)
    assert check(folder).problems == ()


def test_missing_file_is_deleted_only_when_asked(folder, docs):
    Ingestor(folder).ingest([docs])
    (docs / "报销.txt").unlink()
    assert Ingestor(folder).ingest([docs]).deleted == 0
    assert Ingestor(folder).ingest([docs], delete_missing=True).deleted == 1
    assert "报销" not in titles(folder, "差旅报销期限")
    assert check(folder).problems == ()


def test_deleted_document_never_answers_again(folder, docs):
    Ingestor(folder).ingest([docs])
    (document,) = [
        d for d in folder.catalog.list_documents(folder.collection("default").collection_id) if d.title == "报销"
    ]
    folder.delete_document(document.document_id)
    assert "报销" not in titles(folder, "差旅报销期限")
    with pytest.raises(DocumentNotFoundError):
        folder.delete_document(document.document_id)
    assert check(folder).problems == ()


def test_deleted_collection_takes_indexes_and_originals_along(folder, docs):
    Ingestor(folder).ingest([docs], "旧")
    Ingestor(folder).ingest([docs / "休假.md"], "新")
    folder.delete_collection("旧")
    assert [c.name for c in folder.catalog.list_collections()] == ["新"]
    assert titles(folder, "年假几天", "新") == ["休假制度"]
    assert check(folder).problems == ()


def test_one_bad_file_fails_alone(folder, docs):
    (docs / "空.txt").write_bytes(b"")
    (docs / "坏.pdf").write_bytes(b"%PDF-1.4 rubbish")
    report = Ingestor(folder).ingest([docs])
    assert report.added == 2
    assert sorted((x.source, x.code) for x in report.failed) == [
        ("制度/坏.pdf", "broken_file"),
        ("制度/空.txt", "empty_file"),
    ]
    assert check(folder).problems == ()


def test_file_that_broke_keeps_its_old_version(folder, docs):
    Ingestor(folder).ingest([docs])
    (docs / "休假.md").write_bytes(b"")
    report = Ingestor(folder).ingest([docs])
    assert [x.code for x in report.failed] == ["empty_file"]
    assert "休假制度" in titles(folder, "年假几天")


def test_file_over_the_limit_is_refused_unread(folder, tmp_path):
    big = tmp_path / "大.txt"
    with big.open("wb") as file:
        file.truncate(300 * 1024 * 1024)
    report = Ingestor(folder).ingest([big])
    assert [(x.code, x.message.zh) for x in report.failed] == [
        ("file_too_large", "'大.txt' 为 300 MB，超过上限 200 MB。请拆分文件，或调大 HUOZI_MAX_UPLOAD_MB。")
    ]


def test_file_that_vanishes_while_it_is_read_is_reported(folder, docs, monkeypatch):
    victim = docs / "休假.md"
    real = Path.read_bytes

    def read(self: Path) -> bytes:
        if self == victim:
            self.unlink()
        return real(self)

    monkeypatch.setattr(Path, "read_bytes", read)
    report = Ingestor(folder).ingest([docs])
    assert report.added == 1
    assert [(x.source, x.code, x.message.en) for x in report.failed] == [
        (
            "制度/休假.md",
            "file_vanished",
            "'制度/休假.md' vanished while it was being read. Run the ingestion again.",
        )
    ]


def test_records_are_ingested_like_files(folder):
    records = [
        TextRecord("d1", "标题甲", "𠮷田的年假是五天。"),
        TextRecord("d2", "", "# 一\n\n内容甲。\n\n# 二\n\n内容乙。"),
    ]
    assert Ingestor(folder).ingest_records(records).added == 2
    assert Ingestor(folder).ingest_records(records).skipped == 2
    hits = folder.retriever.retrieve("𠮷田年假").hits
    assert (hits[0].chunk.source, hits[0].chunk.title) == ("d1", "标题甲")


def test_record_with_another_title_is_updated(folder):
    Ingestor(folder).ingest_records([TextRecord("d1", "旧题", "员工年假五天。")])
    assert Ingestor(folder).ingest_records([TextRecord("d1", "新题", "员工年假五天。")]).updated == 1
    assert titles(folder, "年假") == ["新题"]


def test_collection_refuses_another_embedder(tmp_path, docs):
    with open_folder(tmp_path / "data", embedder="fake") as folder:
        Ingestor(folder).ingest([docs])
    with open_folder(tmp_path / "data", embedder="none") as folder:
        with pytest.raises(EmbedderMismatchError) as caught:
            Ingestor(folder).ingest([docs])
        assert str(caught.value) == (
            "Collection 'default' was built with embedder 'fake' (32 dims), got 'none'. "
            "Set HUOZI_EMBEDDER=fake, or delete the collection and ingest it again."
        )


def test_failing_embedder_leaves_nothing_half_done(tmp_path, docs):
    with open_folder(tmp_path / "data") as folder:
        Ingestor(folder).ingest([docs])
        before = titles(folder, "年假几天")
        (docs / "休假.md").write_text("# 休假制度\n\n改为十天。\n", encoding="utf-8")

        def broken(_texts):
            raise HuoziError(folder_message)

        from retrieval.errors import Message

        folder_message = Message("out of memory", "内存不足")
        embedder = folder.embedder.loaded()
        embedder.embed_batch = broken
        with pytest.raises(HuoziError, match="out of memory"):
            Ingestor(folder).ingest([docs])
        del embedder.embed_batch
        assert titles(folder, "年假几天") == before
        assert check(folder).problems == ()


def test_equal_text_is_embedded_once(tmp_path, docs):
    with open_folder(tmp_path / "data") as folder:
        Ingestor(folder).ingest([docs], "一")
        embedded = folder.embedder.loaded().n_embedded
        Ingestor(folder).ingest([docs], "二")
        assert folder.embedder.loaded().n_embedded == embedded


def test_progress_counts_what_is_finished(folder, docs):
    seen = []
    Ingestor(folder).ingest([docs], progress=seen.append)
    assert seen[-1].stage == "done" and seen[-1].files_done == seen[-1].files_total == 2
    assert [event.files_done for event in seen] == sorted(event.files_done for event in seen)
    assert seen[-1].chunks > 0 and seen[0].chunks == 0


def test_progress_tells_true_counts_of_each_stage(folder, tmp_path):
    docs = tmp_path / "多"
    docs.mkdir()
    for number in range(40):
        (docs / f"{number}.txt").write_text("".join(f"第{number}号文件第{n}句。" for n in range(90)), "utf-8")
    (docs / "坏.pdf").write_bytes(b"%PDF-1.4 rubbish")
    seen = []
    Ingestor(folder).ingest([docs], progress=seen.append)
    for before, after in pairwise(seen):
        for name in ("files_done", "parsed", "split", "embedded", "chunks"):
            assert getattr(before, name) <= getattr(after, name)
    for one in seen:
        assert one.chunks <= one.split and one.parsed <= 40 and one.files_total == 41
        assert one.chunks <= one.embedded <= one.split or folder.vectors is None
    last = seen[-1]
    assert (last.parsed, last.files_done) == (40, 41)
    assert last.split == last.chunks == folder.catalog.get_collection("default", counted=True).n_chunks > 40
    assert last.embedded == (0 if folder.vectors is None else last.split)
    assert {"parse", "split", "index", "done"} <= {one.stage for one in seen}


def test_report_is_the_contracts_object(folder, docs):
    (docs / "空.txt").write_bytes(b"")
    found = Ingestor(folder).ingest([docs]).as_dict("zh")
    assert set(found) == {"added", "updated", "skipped", "moved", "deleted", "failed", "chunks", "seconds"}
    assert found["failed"] == [
        {
            "source": "制度/空.txt",
            "code": "empty_file",
            "message": "'制度/空.txt' 中没有文字。请检查文件是否保存或复制完整。",
        }
    ]


def test_small_upload_limit_is_honoured(folder, docs):
    settings = IngestSettings(max_upload_mb=1)
    (docs / "长.txt").write_text("长" * 700_000, encoding="utf-8")
    report = Ingestor(folder, settings).ingest([docs])
    assert [x.code for x in report.failed] == ["file_too_large"] and report.added == 2
    assert os.path.getsize(docs / "长.txt") > 2_000_000


def test_last_record_wins_when_two_have_one_id(folder):
    records = [TextRecord("d1", "甲", "员工年假五天。"), TextRecord("d1", "乙", "员工年假十天。")]
    report = Ingestor(folder).ingest_records(records)
    assert (report.added, report.updated) == (1, 1)
    assert titles(folder, "年假") == ["乙"]
    assert check(folder).problems == ()
