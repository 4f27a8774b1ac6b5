"""Uploads over HTTP on real parts: a data folder without an embedder, no job is run."""

from __future__ import annotations

import hashlib
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.app import create_app
from api.parts import Parts
from assistant.settings import LlmSettings
from retrieval.data_folder import DataFolder
from retrieval.settings import RetrievalSettings
from tests.unit.api.service import ScriptedAssistant, running, settings

MB = 1024 * 1024
TEXT = "第一条 员工每年享有五天带薪年假。\n".encode()


class Service:
    """A service whose jobs wait."""

    def __init__(self, folder: DataFolder, address: str) -> None:
        self.folder = folder
        self.address = address
        self.http = httpx.Client(base_url=address, timeout=60)

    def upload(self, name: str = "制度.md", data: bytes = TEXT, **options: Any) -> httpx.Response:
        return self.http.post("/v1/files", files={"file": (name, data)}, data={"purpose": "assistants"}, **options)

    def add(self, *files: tuple[str, bytes], store: str = "default", **options: Any) -> httpx.Response:
        return self.http.post(f"/v1/vector_stores/{store}/files", files=[("file", one) for one in files], **options)

    def names_on_disk(self) -> set[str]:
        return {path.name for path in self.folder.originals.folder.rglob("*") if path.is_file()}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with DataFolder.open(RetrievalSettings(data_dir=tmp_path / "data", embedder="none")) as folder:
        folder.create_collection("default")
        app = create_app(
            settings(max_upload_mb=2, llm=LlmSettings()),
            folder=folder,
            assistant=ScriptedAssistant(),  # type: ignore[arg-type]
            runs_jobs=False,
        )
        with running(app) as address:
            app.state.parts = Parts(folder, app.state.parts.assistant)
            service = Service(folder, address)
            yield service
            service.http.close()


def error(reply: httpx.Response) -> tuple[int, str]:
    body = reply.json()["error"]
    assert body["message"] and body["type"]
    return reply.status_code, body["code"]


def hash_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_upload_is_listed_described_and_read_until_it_is_deleted(service: Service):
    reply = service.upload("目录/制度.md")
    body = reply.json()
    assert (reply.status_code, body["object"], body["bytes"], body["status"]) == (200, "file", len(TEXT), "processed")
    assert (body["filename"], body["purpose"]) == ("目录/制度.md", "assistants")
    assert service.http.get(f"/v1/files/{body['id']}").json() == body
    assert service.http.get("/v1/files").json()["data"] == [body]
    content = service.http.get(f"/v1/files/{body['id']}/content")
    assert content.content == TEXT
    assert content.headers["content-disposition"].startswith("attachment; filename*=utf-8''%E5%88%B6")
    assert service.names_on_disk() == {hash_of(TEXT)}
    assert service.http.delete(f"/v1/files/{body['id']}").json() == {
        "id": body["id"],
        "object": "file",
        "deleted": True,
    }
    assert error(service.http.get(f"/v1/files/{body['id']}")) == (404, "file_not_found")
    assert error(service.http.delete(f"/v1/files/{body['id']}")) == (404, "file_not_found")
    assert service.names_on_disk() == set()


def test_bytes_stay_while_another_upload_needs_them(service: Service):
    one, two = (service.upload(name).json()["id"] for name in ("a.md", "b.md"))
    service.http.delete(f"/v1/files/{one}")
    assert service.http.get(f"/v1/files/{two}/content").content == TEXT


@pytest.mark.parametrize("over", [1, MB, 6 * MB])
def test_file_over_the_limit_is_refused_with_limit_and_size_and_leaves_nothing(service: Service, over: int):
    reply = service.upload("大.bin", b"x" * (2 * MB + over))
    assert error(reply) == (413, "file_too_large")
    size = -(-(2 * MB + over) // MB)
    assert f"为 {size} MB，超过上限 2 MB" in reply.json()["error"]["message"]
    assert service.names_on_disk() == set() and service.http.get("/v1/files").json()["data"] == []


def test_file_at_the_limit_is_taken(service: Service):
    data = bytes(range(256)) * (2 * MB // 256)
    reply = service.upload("大.bin", data)
    assert reply.json()["bytes"] == 2 * MB
    assert service.http.get(f"/v1/files/{reply.json()['id']}/content").content == data


def test_others_are_taken_when_one_of_several_is_over_the_limit(service: Service):
    reply = service.add(("a.md", TEXT), ("大.bin", b"x" * (2 * MB + 1)), ("b.md", TEXT + b"b"))
    body = reply.json()
    assert (reply.status_code, [one["filename"] for one in body["data"]]) == (202, ["a.md", "b.md"])
    assert [(one["filename"], one["error"]["code"]) for one in body["refused"]] == [("大.bin", "file_too_large")]
    assert service.names_on_disk() == {hash_of(TEXT), hash_of(TEXT + b"b")}
    assert error(service.add(("大.bin", b"x" * (2 * MB + 1)))) == (413, "file_too_large")


def test_files_come_with_their_folders(service: Service):
    files = [("a.md", TEXT), ("a.md", TEXT + b"2"), ("a.md", TEXT + b"3")]
    paths = ["甲/a.md", "乙\\a.md", "../甲/a.md"]
    body = service.add(*files, data={"path": paths}).json()
    assert [one["filename"] for one in body["data"]] == ["甲/a.md", "乙/a.md", "甲/a (2).md"]
    assert len({one["id"] for one in body["data"]}) == 3
    assert len({one["job_id"] for one in body["data"]}) == 3
    jobs = service.folder.catalog.jobs.find(batch_id=body["batch_id"], oldest_first=True)
    assert [job.source for job in jobs] == ["甲/a.md", "乙/a.md", "甲/a (2).md"]
    assert error(service.add(*files, data={"path": paths[:2]})) == (400, "invalid_request")


def test_attached_upload_goes_by_its_own_id(service: Service):
    file_id = service.upload().json()["id"]
    body = {"file_id": file_id, "attributes": {"year": 2026.0, "public": True, "部门": "人事", "none": None}}
    reply = service.http.post("/v1/vector_stores/default/files", json=body)
    shown = reply.json()
    assert (reply.status_code, shown["id"], shown["status"]) == (202, file_id, "in_progress")
    assert reply.headers["openai-poll-after-ms"] == "250"
    (job,) = service.folder.catalog.jobs.find(source_id=file_id)
    assert job.document_id == file_id
    assert job.options["attributes"] == {"year": "2026", "public": "true", "部门": "人事"}
    again = service.http.get(f"/v1/vector_stores/default/files/{file_id}").json()
    assert (again["status"], again["attributes"], again["job_id"]) == (
        "in_progress",
        job.options["attributes"],
        job.job_id,
    )
    assert again["progress"] == {
        "state": "queued", "stage": "parse", "bytes": len(TEXT), "chunks": None, "embedded": None, "indexed": None,
    }  # fmt: skip
    counts = service.http.get("/v1/vector_stores/default").json()["file_counts"]
    assert counts == {"in_progress": 1, "completed": 0, "failed": 0, "cancelled": 0, "total": 1}


def test_failed_file_tells_why_and_is_read_and_deleted(service: Service):
    store_file = service.add(("坏.docx", b"PK broken")).json()["data"][0]
    jobs = service.folder.catalog.jobs
    jobs.claim(jobs.get(store_file["job_id"]).collection_id, limit=1, max_bytes=MB, now=time.time())
    reason = {
        "code": "needs_ocr",
        "en": "It is scanned.",
        "zh": "是扫描件。",
        "hint": {"en": "OCR.", "zh": "请用 OCR。"},
    }
    jobs.fail(store_file["job_id"], reason)
    address = f"/v1/vector_stores/default/files/{store_file['id']}"
    shown = service.http.get(address).json()
    assert shown["status"] == "failed"
    assert shown["last_error"] == {"code": "unsupported_file", "message": "是扫描件。请用 OCR。", "reason": "needs_ocr"}
    assert [one["id"] for one in service.http.get("/v1/vector_stores/default/files?filter=failed").json()["data"]] == [
        store_file["id"]
    ]
    assert service.http.get("/v1/vector_stores/default/files?filter=completed").json()["data"] == []
    assert service.http.get(f"/v1/files/{store_file['id']}/content").content == b"PK broken"
    assert service.http.delete(address).json()["deleted"] is True
    assert error(service.http.get(address)) == (404, "file_not_found")
    assert service.names_on_disk() == set()


def test_deleted_file_has_no_job_left_when_it_was_waiting(service: Service):
    file_id = service.upload().json()["id"]
    service.http.post("/v1/vector_stores/default/files", json={"file_id": file_id})
    service.http.delete(f"/v1/files/{file_id}")
    assert service.folder.catalog.jobs.find() == []
    assert service.http.get("/v1/vector_stores/default/files").json()["data"] == []
    assert service.names_on_disk() == set()


def test_upload_stays_when_it_is_taken_out_of_a_collection(service: Service):
    file_id = service.upload().json()["id"]
    service.http.post("/v1/vector_stores/default/files", json={"file_id": file_id})
    assert service.http.delete(f"/v1/vector_stores/default/files/{file_id}").json() == {
        "id": file_id, "object": "vector_store.file.deleted", "deleted": True,
    }  # fmt: skip
    assert service.http.get(f"/v1/files/{file_id}/content").content == TEXT
    assert error(service.http.delete(f"/v1/vector_stores/default/files/{file_id}")) == (404, "file_not_found")


def test_repeated_request_gets_the_same_reply(service: Service):
    key = {"idempotency-key": "k1"}
    first = service.upload(headers=key)
    assert service.upload(headers=key).json() == first.json()
    assert len(service.http.get("/v1/files").json()["data"]) == 1
    assert error(service.upload("b.md", headers=key)) == (409, "idempotency_key_reused")
    files = [("a.md", TEXT), ("b.md", TEXT)]
    added = service.add(*files, headers={"idempotency-key": "k2"}).json()
    assert service.add(*files, headers={"idempotency-key": "k2"}).json() == added
    assert len(service.folder.catalog.jobs.find()) == 2
    assert error(service.add(("a.md", TEXT), headers={"idempotency-key": "k2"})) == (409, "idempotency_key_reused")


def test_nothing_is_done_twice_when_only_the_reply_was_lost(service: Service, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(service.folder.catalog.replies, "keep", lambda *_: None)
    first = service.upload(headers={"idempotency-key": "k1"}).json()
    assert service.upload(headers={"idempotency-key": "k1"}).json() == first
    added = service.add(("a.md", TEXT), headers={"idempotency-key": "k2"}).json()
    assert service.add(("a.md", TEXT), headers={"idempotency-key": "k2"}).json() == added
    assert len(service.folder.catalog.jobs.find()) == 1


def raw(service: Service, path: str, body: bytes, content_type: str) -> httpx.Response:
    return service.http.post(path, content=body, headers={"content-type": content_type})


FORM = "multipart/form-data; boundary=x"


def form(field: str, filename: str, data: bytes, end: bytes = b"\r\n--x--\r\n") -> bytes:
    return f'--x\r\nContent-Disposition: form-data; name="{field}"; filename="{filename}"\r\n\r\n'.encode() + data + end


@pytest.mark.parametrize("path", ["/v1/files", "/v1/vector_stores/default/files"])
@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", FORM),
        (b"--x--\r\n", FORM),
        (form("file", "a", b"half", end=b""), FORM),
        (form("doc", "a", b"b"), FORM),
        (form("file", "", b""), FORM),
        (b"whatever", "multipart/form-data"),
        (b"[1]", "application/json"),
        (b"{", "application/json"),
        (b"{}", "application/json"),
    ],
    ids=["empty", "no parts", "broken off", "other field", "no file chosen", "no boundary", "list", "no JSON", "no id"],
)
def test_body_that_is_no_upload_is_refused(service: Service, path: str, body: bytes, content_type: str):
    assert error(raw(service, path, body, content_type)) == (400, "invalid_request")
    assert service.names_on_disk() == set()


def test_default_collection_is_made_by_its_first_files(service: Service):
    service.folder.delete_collection("default")
    first, second = service.add(("a.md", TEXT)), service.add(("b.md", TEXT))
    assert (first.status_code, second.status_code) == (202, 202)
    assert [one.name for one in service.folder.catalog.list_collections()] == ["default"]


def test_other_collections_must_be_there_and_the_refusal_says_how_to_make_one(service: Service):
    reply = service.add(("a.md", TEXT), store="制度")
    assert error(reply) == (404, "collection_not_found")
    assert "POST /v1/vector_stores" in reply.json()["error"]["message"]
    assert [one.name for one in service.folder.catalog.list_collections()] == ["default"]
    assert service.names_on_disk() == set()
    service.http.post("/v1/vector_stores", json={"name": "制度"}).raise_for_status()
    assert service.add(("a.md", TEXT), store="制度").status_code == 202


def test_refusals_say_what_is_wrong(service: Service):
    assert error(service.add(("a.md", TEXT), store="没有")) == (404, "collection_not_found")
    assert error(service.http.post("/v1/vector_stores/default/files", json={"file_id": "file-0"})) == (
        404,
        "file_not_found",
    )
    assert error(service.upload("空.md", b"")) == (400, "empty_file")
    assert error(service.http.post("/v1/files", files={"file": ("a", b"x")}, data={"purpose": "joke"})) == (
        400,
        "invalid_request",
    )
    for attributes in ("[1]", "{", '{"a": [1]}', json.dumps({str(n): n for n in range(17)}), json.dumps({"k" * 65: 1})):
        reply = service.add(("a.md", TEXT), data={"attributes": attributes})
        assert error(reply) == (400, "invalid_request"), attributes
        assert reply.json()["error"]["param"].startswith("attributes")
    assert service.names_on_disk() == set()


def test_nothing_stays_when_the_client_hangs_up(service: Service):
    host, port = service.address.removeprefix("http://").split(":")
    head = (
        "POST /v1/files HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1900000\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
        'Content-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n'
    )
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode() + b"x" * 1_500_000)
        wait_until(lambda: len(service.names_on_disk()) == 1)
    wait_until(lambda: service.names_on_disk() == set())
    assert service.http.get("/v1/files").json()["data"] == []


def wait_until(is_so: Any) -> None:
    deadline = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < deadline, "it did not come so"
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "etc/passwd"),
        ("报告\u202etxt.exe", "报告txt.exe"),
        ("长" * 300 + ".docx", None),
        ("𠮷野家（2026）.md", "𠮷野家（2026）.md"),
    ],
)
def test_hostile_name_becomes_a_harmless_one(service: Service, name: str, shown: str | None):
    body = service.upload(name).json()
    assert body["filename"] == shown or (shown is None and len(body["filename"]) == 120)
    file = service.add((name, TEXT)).json()["data"][0]
    assert file["filename"] == body["filename"]
    disposition = service.http.get(f"/v1/files/{body['id']}/content").headers["content-disposition"]
    assert "\n" not in disposition and disposition.count('"') in (0, 2)
    assert service.names_on_disk() == {hash_of(TEXT)}


@pytest.mark.parametrize("encoding", ["utf-8", "gbk"])
def test_raw_name_is_read_in_its_writers_encoding(service: Service, encoding: str):
    head = '--x\r\nContent-Disposition: form-data; name="file"; filename="通知.txt"\r\n\r\n'
    assert (
        raw(service, "/v1/files", head.encode(encoding) + TEXT + b"\r\n--x--\r\n", FORM).json()["filename"]
        == "通知.txt"
    )


def test_pages_of_a_collections_files_hold_each_once(service: Service):
    added = service.add(*((f"{n}.md", TEXT + bytes([n])) for n in range(7))).json()["data"]
    seen: list[str] = []
    after = ""
    while True:
        page = service.http.get(f"/v1/vector_stores/default/files?limit=3&order=asc{after}").json()
        seen += [one["id"] for one in page["data"]]
        if not page["has_more"]:
            break
        after = f"&after={page['last_id']}"
    assert sorted(seen) == sorted(one["id"] for one in added)
    assert page["first_id"] == seen[6]


def test_collection_is_created_filled_and_deleted(service: Service):
    file_id = service.upload().json()["id"]
    created = service.http.post("/v1/vector_stores", json={"name": "新集合", "file_ids": [file_id]}).json()
    assert (created["name"], created["status"], created["file_counts"]["in_progress"]) == ("新集合", "in_progress", 1)
    assert service.http.post("/v1/vector_stores", json={}).json()["name"].startswith("store-")
    assert error(service.http.post("/v1/vector_stores", json={"name": "新集合"})) == (409, "collection_exists")
    assert error(service.http.post("/v1/vector_stores", json={"name": "a/b"})) == (400, "bad_collection_name")
    assert error(service.http.post("/v1/vector_stores", json={"name": "x", "file_ids": ["file-0"]})) == (
        404,
        "file_not_found",
    )
    gone = service.http.delete(f"/v1/vector_stores/{created['id']}")
    assert gone.json() == {"id": created["id"], "object": "vector_store.deleted", "deleted": True}
    assert error(service.http.get(f"/v1/vector_stores/{created['id']}")) == (404, "collection_not_found")
    assert service.http.get(f"/v1/files/{file_id}").status_code == 200
