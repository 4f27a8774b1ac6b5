from __future__ import annotations

from pathlib import Path

import pytest

from retrieval.catalog import Catalog, KeptReply, NewVersion
from retrieval.catalog import replies as replies_module
from retrieval.errors import FileUnknownError, KeyReusedError
from retrieval.models import Document, Span


@pytest.fixture
def catalog(tmp_path: Path):
    opened = Catalog(tmp_path / "catalog.db")
    yield opened
    opened.close()


def live(catalog: Catalog, collection_id: str, source_id: str, document_id: str | None = None) -> str:
    version = NewVersion(
        source_id,
        source_id,
        Document("标题", "正文"),
        (Span(0, 2),),
        "h" + source_id,
        "r",
        "text/plain",
        6,
        document_id,
    )
    (built,) = catalog.build_versions(collection_id, [version])
    catalog.publish([built.version_id])
    return built.document_id


def test_upload_comes_back_as_it_was(catalog):
    record = catalog.uploads.add("制度/𠮷.md", "assistants", "h1", 7)
    assert record.file_id.startswith("file-")
    assert catalog.uploads.get(record.file_id) == record
    assert catalog.uploads.content_hashes() == {"h1"}
    assert catalog.uploads.remove(record.file_id) == "h1"
    assert catalog.uploads.remove(record.file_id) is None
    with pytest.raises(FileUnknownError, match="There is no file 'file-"):
        catalog.uploads.get(record.file_id)


def test_first_record_stays_when_an_id_comes_again(catalog):
    first = catalog.uploads.add("a.md", "assistants", "h1", 7, file_id="file-1")
    assert catalog.uploads.add("b.md", "user_data", "h2", 8, file_id="file-1") == first


def test_files_are_uploads_and_documents_each_once(catalog):
    one = catalog.create_collection("甲", "none", 0).collection_id
    two = catalog.create_collection("乙", "none", 0).collection_id
    upload = catalog.uploads.add("a.md", "user_data", "ha", 7)
    live(catalog, one, upload.file_id, upload.file_id)
    second = live(catalog, two, upload.file_id, upload.file_id)
    assert second != upload.file_id
    other = live(catalog, one, "/folder/b.md")
    listed = catalog.uploads.list_files(10, order="asc")
    assert [(one.file_id, one.name, one.purpose, one.is_document) for one in listed] == [
        (upload.file_id, "a.md", "user_data", False),
        (other, "/folder/b.md", "assistants", True),
    ]
    assert [one.file_id for one in catalog.uploads.list_files(10, purpose="assistants")] == [other]
    catalog.uploads.remove(upload.file_id)
    assert {one.file_id for one in catalog.uploads.list_files(10)} == {upload.file_id, second, other}


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_hold_every_file_once_when_times_are_equal(catalog, monkeypatch, order):
    monkeypatch.setattr("retrieval.catalog.uploads.time.time", lambda: 1000.0)
    ids = [catalog.uploads.add(f"{n}.md", "assistants", "h", 1).file_id for n in range(7)]
    seen: list[str] = []
    while page := catalog.uploads.list_files(3, after=seen[-1] if seen else None, order=order):
        seen += [one.file_id for one in page]
    assert seen == sorted(ids, reverse=order == "desc")


def test_same_reply_comes_back_when_a_request_is_repeated(catalog):
    assert catalog.replies.find("k", "f1") is None
    catalog.replies.keep("k", "f1", KeptReply(202, {"id": "job_1", "名": ["𠮷"]}))
    catalog.replies.keep("k", "f1", KeptReply(202, {"id": "job_2"}))
    assert catalog.replies.find("k", "f1") == KeptReply(202, {"id": "job_1", "名": ["𠮷"]})
    assert catalog.replies.find("other", "f1") is None


def test_key_is_refused_when_it_comes_with_another_request(catalog):
    catalog.replies.keep("k", "f1", KeptReply(200, {}))
    with pytest.raises(KeyReusedError, match="Idempotency-Key 'k' came with another request"):
        catalog.replies.find("k", "f2")


def test_key_is_free_again_when_its_reply_is_old(catalog, monkeypatch):
    catalog.replies.keep("k", "f1", KeptReply(200, {"n": 1}))
    now = replies_module.time.time()
    monkeypatch.setattr(replies_module.time, "time", lambda: now + replies_module.KEPT_S + 1)
    assert catalog.replies.find("k", "f2") is None
    catalog.replies.keep("k", "f2", KeptReply(200, {"n": 2}))
    assert catalog.replies.find("k", "f2") == KeptReply(200, {"n": 2})
