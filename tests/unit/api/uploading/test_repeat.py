from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request

from api.errors import RequestError
from api.uploading.repeat import Attempt, Repeats, answer_once, read_key
from retrieval.catalog import Catalog, KeptReply
from retrieval.errors import KeyReusedError


@pytest.fixture
def catalog(tmp_path: Path):
    opened = Catalog(tmp_path / "catalog.db")
    yield opened
    opened.close()


def request(key: str | None) -> Request:
    headers = [] if key is None else [(b"idempotency-key", key.encode())]
    scope: Any = {"type": "http", "method": "POST", "path": "/v1/files", "headers": headers, "query_string": b""}
    scope |= {"server": ("127.0.0.1", 80), "scheme": "http"}
    return Request(scope)


async def test_request_acts_once_when_it_is_repeated(catalog):
    acted = []

    def act() -> KeptReply:
        acted.append(1)
        return KeptReply(202, {"id": f"job_{len(acted)}"})

    attempt = Attempt("k", "POST", "/v1/files")
    replies = [await answer_once(catalog.replies, attempt, ["a.md", "hash"], act) for _ in range(3)]
    assert [(reply.status_code, bytes(reply.body)) for reply in replies] == [(202, b'{"id":"job_1"}')] * 3
    with pytest.raises(KeyReusedError):
        await answer_once(catalog.replies, attempt, ["b.md", "hash"], act)
    with pytest.raises(KeyReusedError):
        await answer_once(catalog.replies, Attempt("k", "POST", "/v1/other"), ["a.md", "hash"], act)
    assert len(acted) == 1


async def test_request_acts_each_time_when_it_has_no_key(catalog):
    numbers = iter(range(9))
    attempt = Attempt(None, "POST", "/v1/files")
    bodies = [(await answer_once(catalog.replies, attempt, [], lambda: KeptReply(200, {"n": next(numbers)}))).body]
    bodies += [(await answer_once(catalog.replies, attempt, [], lambda: KeptReply(200, {"n": next(numbers)}))).body]
    assert [bytes(body) for body in bodies] == [b'{"n":0}', b'{"n":1}']
    assert attempt.id_for("file-", []) is None


async def test_failure_is_not_kept(catalog):
    def fail() -> KeptReply:
        raise RuntimeError("no")

    attempt = Attempt("k", "POST", "/v1/files")
    with pytest.raises(RuntimeError):
        await answer_once(catalog.replies, attempt, [], fail)
    assert (await answer_once(catalog.replies, attempt, [], lambda: KeptReply(200, {}))).status_code == 200


def test_repetitions_give_the_same_ids():
    attempt = Attempt("k", "POST", "/v1/files")
    first = attempt.id_for("file-", ["a.md", "hash"])
    assert first is not None and len(first) == 29
    assert Attempt("k", "POST", "/v1/files").id_for("file-", ["a.md", "hash"]) == first
    others = {attempt.id_for("file-", ["b.md", "hash"]), Attempt("l", "POST", "/v1/files").id_for("file-", ["a.md"])}
    assert first not in others | {attempt.id_for("file-", ["a.md", "hash"], 1)}


async def test_requests_of_one_key_take_turns():
    repeats, order = Repeats(), []

    async def one(name: str, key: str | None) -> None:
        async with repeats.attempt(request(key)):
            order.append(f"{name} in")
            await asyncio.sleep(0)
            order.append(f"{name} out")

    await asyncio.gather(one("a", "k"), one("b", "k"))
    assert order == ["a in", "a out", "b in", "b out"]
    order.clear()
    await asyncio.gather(one("a", "k"), one("b", None))
    assert order[:2] == ["a in", "b in"]


@pytest.mark.parametrize(("value", "key"), [(None, None), ("", None), ("  ", None), (" k ", "k")])
def test_key_is_read(value: str | None, key: str | None):
    assert read_key(value) == key


def test_key_is_refused_when_it_is_too_long():
    with pytest.raises(RequestError, match="256 characters; at most 255"):
        read_key("k" * 256)
