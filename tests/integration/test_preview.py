"""`POST /v1/documents/preview` on a real service: what a file would become, and nothing left of it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from api.app import create_app
from api.settings import Settings
from api.wiring import build
from ingest.settings import LoadSettings
from tests.unit.api.service import running

HANDBOOK = (
    "# 员工手册\n\n## 第一章 休假\n\n第一条 员工每年享有五天年假。𠮷😀\n\n| 级别 | 天数 |\n|---|---|\n| 高级 | 十 |\n"
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def address(home: Path) -> Iterator[str]:
    parse = LoadSettings(max_seconds=5, max_seconds_per_mb=0)
    with running(create_app(Settings(data_dir=home, embedder="none", port=0, max_upload_mb=1, parse=parse))) as url:
        yield url


def preview(address: str, name: str, data: bytes) -> httpx.Response:
    return httpx.post(f"{address}/v1/documents/preview", files={"file": (name, data)}, timeout=60)


def originals(home: Path) -> list[Path]:
    return [path for path in (home / "originals").rglob("*") if path.is_file()]


def test_chunks_are_shown_with_their_places_and_nothing_is_stored(address: str, home: Path):
    reply = preview(address, "制度/员工手册.md", HANDBOOK.encode())

    body = reply.json()
    assert (reply.status_code, body["object"], body["source"]) == (200, "document.preview", "制度/员工手册.md")
    assert (body["title"], body["media_type"], body["warnings"]) == ("员工手册", "text/markdown", [])
    first = body["chunks"][0]
    assert set(first) == {"start", "end", "page", "heading", "text", "markdown"}
    assert first["markdown"].endswith("| 级别 | 天数 |\n| --- | --- |\n| 高级 | 十 |")
    assert len(first["text"]) == first["end"] - first["start"] and "五天年假。𠮷😀" in first["text"]
    assert originals(home) == []
    assert httpx.get(f"{address}/v1/files").json()["data"] == []


def test_preview_is_what_an_ingestion_makes(address: str, home: Path, tmp_path: Path):
    shown = preview(address, "员工手册.md", HANDBOOK.encode()).json()["chunks"]
    (tmp_path / "员工手册.md").write_text(HANDBOOK, "utf-8")
    with build(Settings(data_dir=tmp_path / "other", embedder="none")) as built:
        built.ingestor.ingest([tmp_path / "员工手册.md"])
        collection_id = built.folder.catalog.get_collection("default").collection_id
        (document,) = built.folder.catalog.list_documents(collection_id)
        made = built.folder.catalog.live_version(document.document_id).chunks
    assert [(one.start, one.end, one.page, list(one.heading), one.text) for one in made] == [
        (one["start"], one["end"], one["page"], one["heading"], one["text"]) for one in shown
    ]


@pytest.mark.parametrize(
    ("name", "data", "status", "code"),
    [
        ("空.txt", b"", 400, "empty_file"),
        ("坏.pdf", b"%PDF-1.4 rubbish", 400, "broken_file"),
        ("程序.txt", b"\x7fELF" + bytes(100), 400, "binary_file"),
        ("大.txt", "长".encode() * 400_000, 413, "file_too_large"),
    ],
)
def test_file_is_refused_with_its_reason(address: str, home: Path, name: str, data: bytes, status: int, code: str):
    reply = preview(address, name, data)
    assert (reply.status_code, reply.json()["error"]["code"]) == (status, code)
    assert name in reply.json()["error"]["message"]
    assert originals(home) == []


def test_form_must_hold_one_file(address: str):
    two = [("file", ("a.txt", b"one")), ("file", ("b.txt", b"two"))]
    for reply in (
        httpx.post(f"{address}/v1/documents/preview", files=two, timeout=30),
        httpx.post(f"{address}/v1/documents/preview", json={"file": "a.txt"}, timeout=30),
    ):
        assert (reply.status_code, reply.json()["error"]["code"]) == (400, "invalid_request")


def test_several_are_previewed_at_once_while_the_service_answers(address: str):
    with ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(preview, address, f"{n}.md", f"# 标题{n}\n\n正文{n}。".encode()) for n in range(6)]
        assert httpx.get(f"{address}/healthz", timeout=10).status_code == 200
        assert [one.result().json()["title"] for one in asked] == [f"标题{n}" for n in range(6)]


def test_keys_close_the_preview_when_there_are_any(home: Path):
    settings = Settings(data_dir=home, embedder="none", port=0)
    with build(settings) as built:
        built.folder.catalog.keys.create("前端")
    with running(create_app(settings)) as url:
        assert preview(url, "a.md", HANDBOOK.encode()).status_code == 401
