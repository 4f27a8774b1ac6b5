from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest

from api.remote_engine import RemoteEngine
from ingest.report import IngestFailure, IngestProgress
from retrieval.errors import DataFolderOwnedError, HuoziError, Message
from retrieval.owner import Owner

OWNER = Owner(pid=42, host="here", purpose="serve", started=0.0, url="http://127.0.0.1:1", token="secret")


def engine(answer: Callable[[httpx.Request], httpx.Response]) -> RemoteEngine:
    client = httpx.Client(base_url=OWNER.url or "", transport=httpx.MockTransport(answer))
    return RemoteEngine(OWNER, client)


def lines(*objects: object) -> httpx.Response:
    return httpx.Response(200, text="".join(json.dumps(one, ensure_ascii=False) + "\n" for one in objects))


def test_the_token_and_arguments_are_sent_when_a_command_is_asked_for() -> None:
    seen: list[tuple[str, str, object]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append((request.url.path, request.headers["authorization"], json.loads(request.content)))
        return lines({"result": {"hits": []}})

    with engine(answer) as remote:
        assert remote.search("年假😀", "制度", 3, {"title": "员工手册"}) == {"hits": []}

    arguments = {"question": "年假😀", "collection": "制度", "top_k": 3, "filters": {"title": "员工手册"}}
    assert seen == [("/owner/search", "Bearer secret", arguments)]


def test_an_error_keeps_code_and_both_languages_when_the_owner_sends_it() -> None:
    body = {"code": "collection_not_found", "message": ["none", "没有"], "hint": ["look", "请看"]}

    with engine(lambda _: lines({"error": body})) as remote, pytest.raises(HuoziError) as caught:
        remote.list_collections()

    assert (caught.value.code, str(caught.value), caught.value.render("zh")) == (
        "collection_not_found",
        "none look",
        "没有请看",
    )


def test_an_ingestion_tells_progress_and_failures_when_it_is_done() -> None:
    report = {
        "added": 1, "updated": 0, "skipped": 0, "deleted": 0, "chunks": 2, "seconds": 0.5,
        "failed": [{"source": "坏.docx", "code": "broken_file", "message": ["broken", "已损坏"]}],
        "warnings": [["表.html", ["odd", "不完整"]]],
    }  # fmt: skip
    progress = {"stage": "embed", "files_done": 1, "files_total": 2, "chunks": 2, "source": "a"}
    seen: list[IngestProgress] = []

    with engine(lambda _: lines({"event": progress}, {"result": report})) as remote:
        done = remote.ingest(["~/文件"], "default", progress=seen.append)

    assert seen == [IngestProgress("embed", 1, 2, 2, "a")]
    assert done.failed == [IngestFailure("坏.docx", "broken_file", Message("broken", "已损坏"))]
    assert done.warnings == [("表.html", Message("odd", "不完整"))]


def test_a_stream_that_breaks_off_is_told_when_the_owner_dies() -> None:
    with engine(lambda _: lines({"event": {"type": "text", "text": "五"}})) as remote:
        events = remote.ask("年假", (), "default")
        first = next(events)
        with pytest.raises(DataFolderOwnedError, match="stopped before the command was done"):
            next(events)

    assert first == {"type": "text", "text": "五"}


def test_a_refusal_is_told_when_the_token_is_not_taken() -> None:
    refused = httpx.Response(401, json={"error": {"message": "Only the owner may."}})

    with engine(lambda _: refused) as remote, pytest.raises(DataFolderOwnedError, match="Only the owner may"):
        remote.list_keys()


def test_an_owner_that_never_answers_is_named_when_it_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.remote_engine.CONNECT_PAUSE_S", 0)
    tries = 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal tries
        tries += 1
        raise httpx.ConnectError("refused", request=request)

    with engine(answer) as remote, pytest.raises(DataFolderOwnedError) as caught:
        remote.list_keys()

    assert str(caught.value) == (
        "The service that owns the data folder (process 42) does not answer at 'http://127.0.0.1:1'. "
        "Wait a moment, or restart it."
    )
    assert tries == 50
