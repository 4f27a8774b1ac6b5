"""What Chroma's process does with a call, seen from within; from outside: tests/faults/test_chroma_process.py."""

import copy
import pickle
import threading

import pytest
from filelock import FileLock

from retrieval.chroma_process import host as host_module
from retrieval.chroma_process.host import Host, Precedence
from retrieval.models import Chunk, Hit
from tests.contract.test_vector_store import chunks, vectors

DEADLINE_S = 30.0


def test_write_waits_until_nobody_reads(monkeypatch):
    monkeypatch.setattr(host_module, "PATIENCE_S", DEADLINE_S)
    precedence, order = Precedence(), []
    reading, done = threading.Event(), threading.Event()

    def write():
        reading.wait(DEADLINE_S)
        with precedence.of("add"):
            order.append("write")
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    with precedence.of("search"), precedence.of("count"):
        reading.set()
        assert not done.wait(0.05)
        order.append("read")
    thread.join(DEADLINE_S)
    assert order == ["read", "write"]


def test_write_does_not_wait_for_ever(monkeypatch):
    monkeypatch.setattr(host_module, "PATIENCE_S", 0.01)
    precedence = Precedence()
    with precedence.of("nearest"), precedence.of("upsert"):
        pass
    with precedence.of("search"):  # Reads wait for nobody.
        pass


def test_read_that_fails_holds_nobody_back(monkeypatch):
    monkeypatch.setattr(host_module, "PATIENCE_S", DEADLINE_S)
    precedence = Precedence()
    with pytest.raises(ZeroDivisionError), precedence.of("search"):
        raise ZeroDivisionError
    with precedence.of("add"):
        pass


def test_replies_say_what_became_of_a_call(tmp_path):
    host = Host()
    outcome, trace = host.reply("count", ("vs_1",), {})
    assert outcome == "broken" and "before a store was open" in trace
    assert host.reply("open", (tmp_path / "chroma", tmp_path / "chroma.lock", True), {}) == ("done", None)
    matrix = vectors(3)
    assert host.reply("add", ("vs_1", chunks(3), matrix), {}) == ("done", None)
    assert host.reply("count", ("vs_1",), {}) == ("done", 3)
    _, hits = host.reply("search", ("vs_1", matrix[1]), {"top_k": 1})
    assert [hit.chunk_id for hit in hits] == ["cfile-11"]
    outcome, trace = host.reply("search", ("vs_1", "no vector"), {"top_k": 1})
    assert outcome in ("failed", "broken")
    assert host.reply("close", (), {}) == ("done", None)
    assert host.reply("close", (), {}) == ("done", None)


def test_folder_that_cannot_be_opened_is_let_go_again(tmp_path):
    (tmp_path / "chroma").write_text("not a folder", encoding="utf-8")
    host = Host()
    outcome, (message, hint) = host.reply("open", (tmp_path / "chroma", tmp_path / "chroma.lock", True), {})
    assert outcome == "failed" and "Chroma at" in message.en and hint is not None
    with FileLock(tmp_path / "chroma.lock", timeout=0):
        pass


def test_folder_that_another_has_is_locked(tmp_path, monkeypatch):
    monkeypatch.setattr(host_module, "LOCK_TIMEOUT_S", 0.05)
    with FileLock(tmp_path / "chroma.lock"):
        assert Host().reply("open", (tmp_path / "chroma", tmp_path / "chroma.lock", True), {}) == ("locked", None)
    assert not (tmp_path / "chroma").exists()


def test_what_is_sent_to_and_fro_comes_whole():
    sent = [
        Chunk(f"c{n}", "d", "v", n, "标题𠮷", "甲.md", "文🙂", 0, 2, n or None, ("章",), {"k": "v"}) for n in range(2)
    ]
    hits = [Hit("c0", 0.5), Hit("c1", -1.0)]
    assert pickle.loads(pickle.dumps((sent, hits), protocol=5)) == (sent, hits)
    assert copy.deepcopy(sent) == sent
