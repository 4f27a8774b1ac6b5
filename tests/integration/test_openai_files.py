"""The `openai` SDK uploads, waits, searches and deletes: against the real service, its queue and its parsers."""

from __future__ import annotations

import io
import threading
import zipfile
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from api.app import create_app
from api.settings import Settings
from ingest.settings import OcrSettings
from tests.pdf_files import make_pdf
from tests.unit.api.service import running

HANDBOOK = (
    "# 员工手册\n\n## 第二章 休假\n第五条 员工工作满一年的，每年享受{days}带薪年休假；满十年的，享受十天带薪年休假。\n"
)
QUESTION = "员工工作满一年享受多少天带薪年休假？"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("data")
    settings = Settings(data_dir=folder, embedder="none", port=0, max_upload_mb=1, ocr=OcrSettings(mode="off"))
    with running(create_app(settings)) as url:
        yield url


@pytest.fixture
def client(address: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as opened:
        yield opened


@pytest.fixture
def store(client: openai.OpenAI, request: pytest.FixtureRequest) -> Iterator[str]:
    created = client.vector_stores.create(name=f"制度 {request.node.name[:60]}")
    yield created.id
    client.vector_stores.delete(created.id)


def handbook(days: str = "五天") -> bytes:
    return HANDBOOK.format(days=days).encode()


def found(client: openai.OpenAI, store: str, question: str = QUESTION, **options: Any) -> list[str]:
    return [hit.file_id for hit in client.vector_stores.search(store, query=question, **options)]


def test_uploaded_file_is_found_under_its_id_until_it_is_deleted(client: openai.OpenAI, store: str):
    attached = client.vector_stores.files.upload_and_poll(
        vector_store_id=store, file=("员工手册.md", handbook()), poll_interval_ms=100
    )
    assert (attached.status, attached.last_error, attached.usage_bytes) == ("completed", None, len(handbook()))
    assert found(client, store) == [attached.id]
    assert client.files.retrieve(attached.id).filename == "员工手册.md"
    assert client.files.content(attached.id).read() == handbook()
    assert [one.id for one in client.vector_stores.files.list(store)] == [attached.id]
    assert attached.id in [one.id for one in client.files.list()]
    reply: Any = client.chat.completions.create(
        model=f"huozi-rag/{store}", messages=[{"role": "user", "content": QUESTION}]
    )
    assert {one["document_id"] for one in reply.citations} == {attached.id}
    assert client.files.delete(attached.id).deleted
    assert found(client, store) == []
    with pytest.raises(openai.NotFoundError):
        client.vector_stores.files.retrieve(attached.id, vector_store_id=store)
    with pytest.raises(openai.NotFoundError):
        client.files.content(attached.id)


def test_one_upload_goes_into_two_collections_under_one_id(client: openai.OpenAI, store: str):
    other = client.vector_stores.create(name="另一个")
    upload = client.files.create(file=("员工手册.md", handbook()), purpose="assistants")
    for one in (store, other.id):
        attached = client.vector_stores.files.create_and_poll(upload.id, vector_store_id=one, poll_interval_ms=100)
        assert (attached.id, attached.status) == (upload.id, "completed")
        assert found(client, one) == [upload.id]
    client.vector_stores.files.delete(upload.id, vector_store_id=store)
    assert (found(client, store), found(client, other.id)) == ([], [upload.id])
    client.files.delete(upload.id)
    assert found(client, other.id) == []
    client.vector_stores.delete(other.id)


def test_attributes_are_filters(client: openai.OpenAI, store: str):
    ids = [
        client.vector_stores.files.create_and_poll(
            client.files.create(file=("员工手册.md", handbook(days)), purpose="assistants").id,
            vector_store_id=store, attributes={"year": year, "部门": "人事"}, poll_interval_ms=100,
        ).id
        for days, year in (("五天", 2025), ("六天", 2026))
    ]  # fmt: skip
    assert sorted(found(client, store)) == sorted(ids)
    assert found(client, store, filters={"type": "eq", "key": "year", "value": 2026}) == [ids[1]]
    assert found(client, store, filters={"type": "eq", "key": "year", "value": 2026.0}) == [ids[1]]
    shown = client.vector_stores.files.retrieve(ids[1], vector_store_id=store)
    assert shown.attributes is not None and shown.attributes["部门"] == "人事"


@pytest.mark.parametrize(
    ("name", "data", "code", "reason"),
    [
        ("坏.docx", b"PK broken", "invalid_file", "broken_file"),
        ("扫描.pdf", make_pdf([[]]), "unsupported_file", "needs_ocr"),
        ("程序.exe", b"MZ\x00\x01" * 99, "unsupported_file", None),
    ],
)
def test_file_that_cannot_be_read_fails_with_its_reason(
    client: openai.OpenAI, store: str, name: str, data: bytes, code: str, reason: str | None
):
    attached: Any = client.vector_stores.files.upload_and_poll(
        vector_store_id=store, file=(name, data), poll_interval_ms=100
    )
    assert (attached.status, attached.last_error.code) == ("failed", code)
    assert attached.last_error.message and (reason is None or attached.last_error.reason == reason)
    assert client.vector_stores.retrieve(store).file_counts.failed == 1
    assert [one.id for one in client.vector_stores.files.list(store, filter="failed")] == [attached.id]


def test_archive_is_one_file_to_who_waits_for_it(client: openai.OpenAI, store: str):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("人事/员工手册.md", handbook())
        archive.writestr("报销.md", "第七条 市内交通费凭发票实报实销，每月不超过三百元。".encode())
    attached = client.vector_stores.files.upload_and_poll(
        vector_store_id=store, file=("制度.zip", packed.getvalue()), poll_interval_ms=100
    )
    assert (attached.status, attached.vector_store_id) == ("completed", store)
    assert set(found(client, store)) == set(found(client, store, "市内交通费每月多少元？")) == {attached.id}
    assert client.vector_stores.retrieve(store).file_counts.completed == 2
    client.vector_stores.files.delete(attached.id, vector_store_id=store)
    assert found(client, store) == []
    assert client.vector_stores.retrieve(store).file_counts.total == 0


def test_errors_are_the_sdks_own(client: openai.OpenAI, store: str):
    with pytest.raises(openai.APIStatusError, match="超过上限 1 MB") as caught:
        client.files.create(file=("大.bin", b"x" * (3 * 1024 * 1024)), purpose="assistants")
    assert caught.value.status_code == 413
    with pytest.raises(openai.BadRequestError, match="没有文字"):
        client.files.create(file=("空.md", b""), purpose="assistants")
    with pytest.raises(openai.NotFoundError, match="file-none"):
        client.vector_stores.files.create(store, file_id="file-none")
    with pytest.raises(openai.NotFoundError, match="没有这个集合"):
        client.vector_stores.files.list("没有这个集合")


async def test_asynchronous_client_uploads_and_waits_too(address: str, store: str):
    async with openai.AsyncOpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client:
        attached = await client.vector_stores.files.upload_and_poll(vector_store_id=store, file=("a.md", handbook()))
    assert attached.status == "completed"


def test_deleted_file_never_answers_again_also_when_its_job_was_running(client: openai.OpenAI, store: str):
    text = "".join(f"第{n}条 员工每年享受五天带薪年休假，编号{n}。\n\n" for n in range(8000)).encode()
    for pause in (0.0, 0.05, 0.3, 1.0):
        file_id = client.files.create(file=("大.md", text), purpose="assistants").id
        client.vector_stores.files.create(store, file_id=file_id)
        threading.Event().wait(pause)
        client.files.delete(file_id)
        for _ in range(5):
            assert found(client, store) == []
            threading.Event().wait(0.1)
    last = client.vector_stores.files.upload_and_poll(vector_store_id=store, file=("b.md", handbook()))
    assert found(client, store) == [last.id]
