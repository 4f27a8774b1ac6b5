"""Chroma's process, the real one, brought to its end in every way: by a kill, by its owner's end, while it works."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from ingest import Ingestor, TextRecord
from retrieval.chroma import ChromaStore
from retrieval.chroma_process import process as process_module
from retrieval.chroma_process.process import KIND, SPARES, ChromaProcess, prepare
from retrieval.chroma_process.store import ChromaProcessStore
from retrieval.doctor import check
from retrieval.errors import DataFolderOwnedError, VectorStoreError
from tests.contract.test_vector_store import chunks, vectors
from tests.kills import chroma_host
from tests.stores import open_folder

ROOT = Path(__file__).parents[2]
DEADLINE_S = 30.0
OWNER = """
import sys
from pathlib import Path
from retrieval.chroma_process.store import ChromaProcessStore
from tests.contract.test_vector_store import chunks, vectors

store = ChromaProcessStore(Path(sys.argv[1]))
print(store.pid, flush=True)
n = 0
while len(sys.argv) > 2:
    store.add("vs_1", chunks(500, document_id=f"file-{n}"), vectors(500, seed=n))
    n += 1
    print(n, flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def no_spares():
    SPARES.close()
    yield
    SPARES.close()


@pytest.fixture
def store(tmp_path):
    opened = ChromaProcessStore(tmp_path / "chroma")
    yield opened
    opened.close()


def is_gone(pid) -> bool:
    end = time.monotonic() + DEADLINE_S
    while Path(f"/proc/{pid}").exists():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def owner(folder, *more):
    return subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder), *more],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_next_call_starts_another_when_it_has_ended(store):
    matrix = vectors(20)
    store.add("vs_1", chunks(20), matrix)
    for end, call in (
        (signal.SIGKILL, lambda: store.search("vs_1", matrix[7], top_k=1)[0].chunk_id == "cfile-17"),
        (signal.SIGSEGV, lambda: store.upsert("vs_1", chunks(21), vectors(21)) is None),
        (signal.SIGKILL, lambda: len(store.chunk_ids("vs_1")) == 21),
    ):
        before = store.pid
        os.kill(before, end)
        os.waitid(os.P_PID, before, os.WEXITED | os.WNOWAIT)
        assert call()
        assert store.pid != before and is_gone(before)


def test_search_beside_a_block_is_made_again_when_it_is_killed_meanwhile(store):
    matrix = vectors(20)
    store.add("vs_1", chunks(20), matrix)
    with store.searching("vs_1", matrix[7], top_k=1) as hits:
        os.kill(store.pid, signal.SIGKILL)
        assert hits()[0].chunk_id == "cfile-17"


def test_calls_of_several_threads_all_succeed_when_it_is_killed_among_them(store):
    matrix = vectors(60)
    store.add("vs_1", chunks(60), matrix)
    wrong = []

    def ask(first):
        for i in range(first, 60, 6):
            if store.search("vs_1", matrix[i], top_k=1)[0].chunk_id != f"cfile-1{i}":
                wrong.append(i)

    threads = [threading.Thread(target=ask, args=(first,)) for first in range(6)]
    for thread in threads:
        thread.start()
    os.kill(store.pid, signal.SIGKILL)
    for thread in threads:
        thread.join()
    assert not wrong


def test_vector_store_error_is_raised_when_it_ends_again_and_again(store, monkeypatch):
    monkeypatch.setattr(process_module, "HOST", "tests.faults.mute_host")
    os.kill(store.pid, signal.SIGKILL)
    with pytest.raises(VectorStoreError, match=r"its process ended \(exit status 3\)") as caught:
        store.count("vs_1")
    assert caught.value.retryable
    monkeypatch.undo()
    assert store.count("vs_1") == 0


def test_ctrl_c_in_the_middle_of_a_call_mixes_up_no_replies(store):
    """A signal's handler raises between a question and its answer; what comes next belongs to what is asked next."""
    store.add("vs_1", chunks(20), vectors(20))
    matrix = vectors(3000, seed=1)
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        while True:
            store.upsert("vs_2", chunks(3000), matrix)
    for _ in range(8):
        assert store.count("vs_1") == 20


def test_it_ends_with_its_owner_also_in_the_middle_of_a_call(tmp_path):
    with owner(tmp_path / "chroma", "busy") as busy:
        pid = int(busy.stdout.readline())
        busy.stdout.readline()
        time.sleep(0.1)
        busy.kill()
        started = time.monotonic()
        assert is_gone(pid)
        # Not at the end of a call: the kernel's signal waits for nobody.
        assert time.monotonic() - started < 5
    opened = ChromaProcessStore(tmp_path / "chroma")
    assert opened.count("vs_1") >= 500
    opened.close()


def test_it_goes_on_when_everybody_gets_ctrl_c(store):
    for end in (signal.SIGINT, signal.SIGTERM):
        os.kill(store.pid, end)
    before = store.pid
    store.check()
    assert store.pid == before


def test_second_owner_is_told_and_the_folder_left_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("HUOZI_TEST_LOCK_TIMEOUT_S", "0.2")
    monkeypatch.setattr(process_module, "HOST", "tests.faults.hasty_host")
    with owner(tmp_path / "chroma") as first:
        first.stdout.readline()
        with pytest.raises(DataFolderOwnedError, match="still in use"):
            ChromaProcessStore(tmp_path / "chroma")
        first.stdin.close()
    ChromaProcessStore(tmp_path / "chroma").close()
    assert not list(tmp_path.glob("chroma.broken*"))


def test_process_of_a_closed_folder_opens_the_next(tmp_path):
    first = ChromaProcessStore(tmp_path / "one")
    first.add("vs_1", chunks(3), vectors(3))
    pid = first.pid
    first.close()
    second = ChromaProcessStore(tmp_path / "two")
    assert second.pid == pid and second.collection_ids() == set()
    third = ChromaProcessStore(tmp_path / "one")
    assert third.pid != pid and third.count("vs_1") == 3
    second.close()
    third.close()
    assert SPARES.has(KIND)


def test_spare_is_not_a_fork_s_to_take_or_to_end(tmp_path):
    first = ChromaProcessStore(tmp_path / "one")
    pid = first.pid
    first.close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Of threads that are not there after it: ours need none.
        forked = os.fork()
    if forked == 0:
        has = SPARES.has(KIND)
        gc.collect()
        os._exit(7 if has else 0)
    assert os.waitpid(forked, 0)[1] == 0
    second = ChromaProcessStore(tmp_path / "two")
    assert second.pid == pid
    second.check()
    assert second.pid == pid
    second.close()


def test_prepared_process_is_the_folder_s(tmp_path):
    prepare()
    prepare()
    kept = SPARES.take(KIND)
    SPARES.keep(KIND, kept)
    opened = ChromaProcessStore(tmp_path / "chroma")
    assert opened.pid == kept.pid
    opened.close()


def test_chroma_runs_here_where_no_python_can_be_started(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/opt/app/uwsgi")
    with open_folder(tmp_path) as folder:
        assert isinstance(folder.vectors, ChromaStore)
        Ingestor(folder).ingest_records([TextRecord("一", "", "年假五天。")])
        assert [hit.chunk.text for hit in folder.retriever.retrieve("年假").hits] == ["年假五天。"]
        assert check(folder).is_healthy


def test_process_that_nobody_ended_ends_with_the_last_who_knew_it():
    process = ChromaProcess()
    pid = process.pid
    del process
    assert is_gone(pid)


def test_documents_are_whole_when_it_is_killed_again_and_again_while_they_are_written(tmp_path):
    """Nothing but a warning is seen of it: each call is made again."""
    rng = np.random.default_rng(7)
    with open_folder(tmp_path) as folder:
        is_over = threading.Event()
        killed = []

        def kill():
            while not is_over.wait(float(rng.uniform(0.3, 1.5))):
                with suppress(ProcessLookupError):  # Between one and the next.
                    os.kill(folder.vectors.pid, signal.SIGKILL)
                    killed.append(folder.vectors.pid)

        killer = threading.Thread(target=kill)
        killer.start()
        try:
            version = 0
            while len(killed) < 5:
                version += 1
                texts = [f"第{version}版第{n}篇。" * 40 for n in range(60)]
                records = [TextRecord(str(n), "", text) for n, text in enumerate(texts)]
                report = None
                while report is None:
                    try:
                        report = Ingestor(folder).ingest_records(records)
                    except VectorStoreError as error:
                        assert "process ended" in str(error)
                assert not report.failed
        finally:
            is_over.set()
            killer.join()
        found = {problem.kind for problem in check(folder).problems}
        # Chroma's graph loses the way to a record now and then, without any kill; the doctor mends that.
        assert found <= {"vectors_unreachable"} and check(folder, repair=True).is_healthy
        assert {
            hit.chunk.text.partition("版")[0] + "版" for hit in folder.retriever.retrieve("第几版？", top_k=50).hits
        } == {f"第{version}版"}


@pytest.mark.parametrize(
    ("step", "when"),
    [
        ("one call of Chroma", "before"),
        ("one call of Chroma", "after"),
        ("one restoring call of Chroma", "before"),
        ("one deleting call of Chroma", "after"),
    ],
)
def test_documents_are_whole_when_it_dies_at_a_call(tmp_path, monkeypatch, step, when):
    with open_folder(tmp_path) as folder:
        Ingestor(folder).ingest_records([TextRecord("一", "", "旧的一。"), TextRecord("二", "", "旧的二。")])
        first = folder.vectors.pid
        monkeypatch.setattr(process_module, "HOST", chroma_host.__name__)
        monkeypatch.setenv(chroma_host.ARMED, chroma_host.arming(step, when, 1, parent=False))
        os.kill(first, signal.SIGKILL)  # The next one is armed, ...
        folder.vectors.check()
        armed = folder.vectors.pid
        monkeypatch.delenv(chroma_host.ARMED)  # ... and that after it is not.

        Ingestor(folder).ingest_records([TextRecord("一", "", "新的一。"), TextRecord("三", "", "新的三。")])
        collection_id = folder.collection("default").collection_id
        if "restoring" in step:
            folder.vectors.delete(collection_id, list(folder.vectors.chunk_ids(collection_id)))
        check(folder, repair=True)

        assert folder.vectors.pid not in (first, armed), "nothing came by"
        assert check(folder).is_healthy
        assert {hit.chunk.text for hit in folder.retriever.retrieve("旧的新的").hits} == {
            "新的一。",
            "旧的二。",
            "新的三。",
        }
        assert folder.vectors.count(collection_id) == 3
