"""The runner on real stores, with the fake embedder in place of a model."""

import io
import threading
import time
import zipfile

import pytest

from ingest import Ingestor
from ingest import embedding as ingest_embedding
from ingest.jobs.control import cancel_job, retry_job
from ingest.jobs.enqueue import enqueue_file
from ingest.jobs.runner import JobRunner
from ingest.sandbox.ahead import Parser
from ingest.settings import IngestSettings, JobSettings, SplitSettings
from retrieval.doctor import check
from retrieval.errors import DataFolderError, Message, VectorStoreError
from tests.fakes import FakeEmbedder
from tests.stores import open_folder

ONE_A_SENTENCE = IngestSettings(split=SplitSettings(max_chars=20, min_chars=0))


@pytest.fixture
def folder(tmp_path):
    with open_folder(tmp_path / "data") as folder:
        folder.collection("制度", create=True)
        folder.collection("别的", create=True)
        yield folder


def rule(number):
    return f"第{number}号规定：出差应当事先报告。".encode()


class RawName(zipfile.ZipInfo):
    """A name in GBK without the flag for UTF-8, as Windows writes it."""

    def _encodeFilenameFlags(self):
        return self.filename.encode("gbk"), self.flag_bits & ~0x800


def zipped(*members, is_gbk=False):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, data in members:
            info = zipfile.ZipInfo(name) if not is_gbk else RawName(name)
            archive.writestr(info, data)
    return made.getvalue()


def states(folder):
    return {job.source: job.state for job in folder.catalog.jobs.find()}


def sources(folder, question="规定", collection="制度"):
    return {hit.chunk.source for hit in folder.retriever.retrieve(question, collection=collection, top_k=50).hits}


def wait_for(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_uploaded_files_become_documents_with_true_counts(folder):
    job = enqueue_file(folder, "制度", "差旅/𠮷.txt", rule(1), options={"attributes": {"部门": "财务"}})
    JobRunner(folder).run_pending()
    done = folder.catalog.jobs.get(job.job_id)
    counts = {"bytes": len(rule(1)), "chunks": 1, "embedded": 1, "indexed": 1}
    assert (done.state, done.stage, done.counts, done.attempts) == ("completed", "done", counts, 1)
    document = folder.catalog.get_document(done.document_id)
    assert document.document_id == job.document_id and document.source == "差旅/𠮷.txt"
    hits = folder.retriever.retrieve("规定", collection="制度", filters={"部门": "财务"}).hits
    assert [hit.chunk.source for hit in hits] == ["差旅/𠮷.txt"]
    assert check(folder).problems == ()


def test_same_name_replaces_and_the_newest_wins(folder):
    for number in (1, 2, 3):
        enqueue_file(folder, "制度", "规定.txt", rule(number))
    JobRunner(folder).run_pending()
    (document,) = folder.catalog.list_documents(folder.catalog.get_collection("制度").collection_id)
    assert folder.catalog.document_text(document.document_id).text == rule(3).decode()
    assert check(folder).problems == ()


def test_same_file_again_changes_nothing(folder):
    enqueue_file(folder, "制度", "规定.txt", rule(1))
    JobRunner(folder).run_pending()
    before = folder.catalog.list_documents(folder.catalog.get_collection("制度").collection_id)
    again = enqueue_file(folder, "制度", "规定.txt", rule(1))
    JobRunner(folder).run_pending()
    assert folder.catalog.jobs.get(again.job_id).counts["indexed"] == 1
    assert folder.catalog.list_documents(folder.catalog.get_collection("制度").collection_id) == before


def test_file_that_cannot_be_read_fails_at_once_with_its_reason_and_stops_nothing(folder):
    bad = enqueue_file(folder, "制度", "坏.pdf", b"%PDF-1.4 x")
    enqueue_file(folder, "制度", "好.txt", rule(1))
    JobRunner(folder).run_pending()
    failed = folder.catalog.jobs.get(bad.job_id)
    assert (failed.state, failed.error["code"], failed.attempts) == ("failed", "broken_file", 1)
    assert sources(folder) == {"好.txt"} and check(folder).problems == ()
    retry_job(folder, bad.job_id)
    JobRunner(folder).run_pending()
    assert folder.catalog.jobs.get(bad.job_id).state == "failed"


def test_archive_becomes_a_job_for_each_of_its_files(folder):
    data = zipped(("制度/请假.txt", rule(1)), ("坏.pdf", b"x"), is_gbk=True)
    job = enqueue_file(folder, "制度", "全部.zip", data)
    JobRunner(folder).run_pending()
    assert states(folder) == {
        "全部.zip": "completed",
        "全部.zip/制度/请假.txt": "completed",
        "全部.zip/坏.pdf": "failed",
    }
    assert {one.batch_id for one in folder.catalog.jobs.find()} == {job.batch_id}
    assert sources(folder) == {"全部.zip/制度/请假.txt"}
    assert not folder.originals.path(job.content_hash).exists()
    assert check(folder).problems == ()


def test_archive_that_cannot_be_opened_fails(folder):
    job = enqueue_file(folder, "制度", "坏.zip", b"PK\x03\x04 not really")
    JobRunner(folder).run_pending()
    assert folder.catalog.jobs.get(job.job_id).error["code"] == "broken_file"


def test_collections_take_turns(folder, monkeypatch):
    monkeypatch.setattr("ingest.jobs.turns.CLAIMED_TOGETHER", 1)
    for number in range(3):
        enqueue_file(folder, "制度", f"{number}.txt", rule(number))
    enqueue_file(folder, "别的", "急.txt", rule(9))
    JobRunner(folder).run_pending()
    ended = sorted(folder.catalog.jobs.find(), key=lambda job: job.finished_at)
    assert [job.source for job in ended].index("急.txt") <= 1


def test_queued_job_leaves_no_trace_when_it_is_cancelled(folder):
    job = enqueue_file(folder, "制度", "甲.txt", rule(1))
    assert cancel_job(folder, job.job_id).state == "cancelled"
    JobRunner(folder).run_pending()
    assert sources(folder) == set() and not folder.originals.path(job.content_hash).exists()
    assert check(folder).problems == ()


def test_running_job_leaves_no_trace_when_it_is_cancelled_before_the_switch(folder, monkeypatch):
    old = enqueue_file(folder, "制度", "甲.txt", rule(1))
    JobRunner(folder).run_pending()
    jobs = [enqueue_file(folder, "制度", name, rule(2)) for name in ("甲.txt", "乙.txt")]
    publish = folder.catalog.publish

    def cancel_first(*arguments):
        cancel_job(folder, jobs[0].job_id)
        return publish(*arguments)

    monkeypatch.setattr(folder.catalog, "publish", cancel_first)
    JobRunner(folder).run_pending()
    assert [folder.catalog.jobs.get(job.job_id).state for job in jobs] == ["cancelled", "completed"]
    assert folder.catalog.document_text(old.document_id).text == rule(1).decode()
    assert check(folder).problems == ()


def test_deleted_document_does_not_come_back_by_a_job_that_waits(folder):
    first = enqueue_file(folder, "制度", "甲.txt", rule(1))
    JobRunner(folder).run_pending()
    enqueue_file(folder, "制度", "甲.txt", rule(2))
    folder.delete_document(first.document_id)
    JobRunner(folder).run_pending()
    assert sources(folder) == set() and check(folder).problems == ()
    assert [job.state for job in folder.catalog.jobs.find()] == ["cancelled", "completed"]


def test_jobs_end_with_their_collection_while_they_run(folder, monkeypatch):
    enqueue_file(folder, "制度", "甲.txt", rule(1))
    putting = folder.originals.putting

    def delete_collection(items):
        folder.delete_collection("制度")
        return putting(items)

    monkeypatch.setattr(folder.originals, "putting", delete_collection)
    JobRunner(folder).run_pending()
    assert states(folder) == {} and check(folder).problems == ()


def test_trouble_of_one_job_is_tried_again_and_then_fails_for_good(folder, monkeypatch):
    monkeypatch.setattr("ingest.jobs.work.delay_s", lambda _attempts: 0.0)
    job = enqueue_file(folder, "制度", "甲.txt", rule(1))

    def choke(*_arguments):
        raise RuntimeError("no such token")

    runner = JobRunner(folder, IngestSettings(jobs=JobSettings(attempts=3)))
    with monkeypatch.context() as patch:
        patch.setattr(folder.vectors, "add", choke)
        for attempt in (1, 2, 3):
            with pytest.raises(RuntimeError):
                runner.run_pending()
            assert folder.catalog.jobs.get(job.job_id).attempts == attempt
    failed = folder.catalog.jobs.get(job.job_id)
    assert (failed.state, failed.error["code"]) == ("failed", "error")
    assert sources(folder) == set() and check(folder, repair=True).is_healthy
    retry_job(folder, job.job_id)
    runner.run_pending()
    assert folder.catalog.jobs.get(job.job_id).state == "completed" and sources(folder) == {"甲.txt"}
    assert check(folder).problems == ()


def test_others_are_not_blamed_for_a_file_that_the_stores_refuse(folder, monkeypatch):
    monkeypatch.setattr("ingest.jobs.work.delay_s", lambda _attempts: 0.0)
    embed = FakeEmbedder.embed_batch

    def choke(self, texts):
        if any("毒" in text for text in texts):
            raise RuntimeError("no such token")
        return embed(self, texts)

    monkeypatch.setattr(FakeEmbedder, "embed_batch", choke)
    enqueue_file(folder, "制度", "甲.txt", rule(1))
    bad = enqueue_file(folder, "制度", "毒.txt", "有毒的规定。".encode())
    enqueue_file(folder, "制度", "乙.txt", rule(2))
    runner = JobRunner(folder, IngestSettings(jobs=JobSettings(attempts=2)))
    for _ in range(10):
        try:
            runner.run_pending()
            break
        except RuntimeError:
            continue
    assert states(folder) == {"甲.txt": "completed", "毒.txt": "failed", "乙.txt": "completed"}
    assert "RuntimeError" in folder.catalog.jobs.get(bad.job_id).error["en"]


def test_runner_wakes_when_a_file_comes_and_stops_between_two_steps(folder):
    runner = JobRunner(folder)
    runner.start()
    job = enqueue_file(folder, "制度", "甲.txt", rule(1))
    wait_for(lambda: folder.catalog.jobs.get(job.job_id).state == "completed")
    runner.stop()
    late = enqueue_file(folder, "制度", "乙.txt", rule(2))
    assert folder.catalog.jobs.get(late.job_id).state == "queued"


def test_stop_puts_what_runs_back_and_a_start_goes_on(folder, monkeypatch):
    monkeypatch.setattr(ingest_embedding, "KEEP_EVERY_S", 0.0)
    embedder = FakeEmbedder(32)
    embedder.batch_size = 2
    monkeypatch.setattr(folder, "embedder", embedder)
    embed, reached, go_on = embedder.embed_batch, threading.Event(), threading.Event()

    def slow(texts):
        if embedder.n_embedded == 4:
            reached.set()
            assert go_on.wait(30)
        return embed(texts)

    monkeypatch.setattr(embedder, "embed_batch", slow)
    text = "\n\n".join(f"第{number}号规定：应当报告第{number}件事。" for number in range(6))
    job = enqueue_file(folder, "制度", "甲.txt", text.encode())
    runner = JobRunner(folder, ONE_A_SENTENCE)
    runner.start()
    assert reached.wait(30)
    live = runner.shown(folder.catalog.jobs.get(job.job_id))
    assert (live.state, live.stage, live.counts["embedded"]) == ("running", "embed", 4)
    stopping = threading.Thread(target=runner.stop)
    stopping.start()
    wait_for(runner._stopping.is_set)
    go_on.set()
    stopping.join()
    stopped = folder.catalog.jobs.get(job.job_id)
    assert (stopped.state, stopped.attempts) == ("queued", 0)
    JobRunner(folder, ONE_A_SENTENCE).run_pending()
    done = folder.catalog.jobs.get(job.job_id)
    assert done.state == "completed" and embedder.n_embedded == done.counts["chunks"]
    assert check(folder).problems == ()


def test_repeated_job_does_nothing_when_its_document_is_there(folder, monkeypatch):
    """As after a crash between the switch and the job's end, were they not one transaction."""
    job = enqueue_file(folder, "制度", "甲.txt", rule(1))
    JobRunner(folder).run_pending()
    version = folder.catalog.get_document(job.document_id).version_id
    again = enqueue_file(folder, "制度", "甲.txt", rule(1))
    folder.catalog.jobs.claim(again.collection_id, limit=1, max_bytes=1, now=time.time())
    folder.catalog.jobs.requeue_running(now=time.time())
    JobRunner(folder).run_pending()
    assert folder.catalog.jobs.get(again.job_id).state == "completed"
    assert folder.catalog.get_document(job.document_id).version_id == version


def test_vectors_of_unfinished_work_are_forgotten_once_nothing_waits(folder, monkeypatch):
    folder.catalog.put_vectors([b"k" * 16], folder.embedder.embed_batch(["半途而废"]))
    waiting = enqueue_file(folder, "制度", "甲.txt", rule(1))
    Ingestor(folder).ingest_records([])
    assert folder.catalog.has_vectors([b"k" * 16])
    JobRunner(folder).run_pending()
    assert folder.catalog.jobs.get(waiting.job_id).state == "completed"
    assert not folder.catalog.has_vectors([b"k" * 16])


def test_deletion_does_not_wait_while_a_parser_hangs(folder, monkeypatch):
    other = enqueue_file(folder, "别的", "已有.txt", rule(9))
    JobRunner(folder).run_pending()
    reached, go_on = threading.Event(), threading.Event()
    parse_here = Parser._parse_here

    def hang(parser, job):
        reached.set()
        assert go_on.wait(30)
        return parse_here(parser, job)

    monkeypatch.setattr(Parser, "_parse_here", hang)
    slow = enqueue_file(folder, "别的", "慢.txt", rule(0))
    runner = JobRunner(folder)
    runner.start()
    assert reached.wait(30)
    folder.delete_document(other.document_id)
    assert sources(folder, collection="别的") == set()
    assert folder.catalog.jobs.get(slow.job_id).state == "running"
    go_on.set()
    wait_for(lambda: folder.catalog.jobs.get(slow.job_id).state == "completed")
    runner.stop()


class Clock:
    """A clock that goes only when it is told to, in seconds since the epoch."""

    def __init__(self):
        self.now = time.time()

    def __call__(self):
        return self.now


def gone(*_arguments):
    raise VectorStoreError(Message("Chroma is gone.", "Chroma 没有应答。"))


def work_for(folder, runner, clock, hours):
    """Let the runner work until so many hours are over; returns when it tried, in seconds from the start."""
    start, tried = clock.now, []
    while clock.now - start < hours * 3600:
        try:
            runner.run_pending()
        except VectorStoreError:
            tried.append(clock.now - start)
        due = folder.catalog.jobs.next_time(clock.now)
        if due is None:
            break
        clock.now = due
    return tried


def test_job_outlives_an_outage_of_hours_without_hammering_and_says_what_it_waits_for(folder, monkeypatch):
    clock = Clock()
    runner = JobRunner(folder, IngestSettings(jobs=JobSettings(attempts=3)), now=clock)
    job = enqueue_file(folder, "制度", "甲.txt", rule(1))
    with monkeypatch.context() as patch:
        patch.setattr(folder.vectors, "add", gone)
        tried = work_for(folder, runner, clock, hours=2)
        assert tried[:7] == pytest.approx([0, 1, 3, 7, 15, 31, 63])
        assert [later - earlier for earlier, later in zip(tried[6:], tried[7:], strict=False)] == pytest.approx(
            [60] * (len(tried) - 7)
        )
        shown = runner.shown(folder.catalog.jobs.get(job.job_id))
        assert (shown.state, shown.error["zh"], shown.attempts) == ("queued", "Chroma 没有应答。", len(tried))
        assert clock.now <= shown.not_before <= clock.now + 60
    runner.run_pending()
    done = runner.shown(folder.catalog.jobs.get(job.job_id))
    assert (done.state, done.error) == ("completed", None) and sources(folder) == {"甲.txt"}


def test_job_fails_for_good_when_an_outage_outlasts_its_hours(folder, monkeypatch):
    clock = Clock()
    runner = JobRunner(folder, IngestSettings(jobs=JobSettings(outage_hours=0.1)), now=clock)
    job = enqueue_file(folder, "制度", "甲.txt", rule(1))
    monkeypatch.setattr(folder.vectors, "add", gone)
    tried = work_for(folder, runner, clock, hours=1)
    assert 360 <= tried[-1] <= 360 + 60
    failed = folder.catalog.jobs.get(job.job_id)
    assert (failed.state, failed.error["code"]) == ("failed", "vector_store_error")


def test_jobs_behind_an_outage_say_what_they_wait_for_and_use_up_no_attempt(folder, monkeypatch):
    monkeypatch.setattr("ingest.jobs.turns.CLAIMED_TOGETHER", 1)
    clock = Clock()
    runner = JobRunner(folder, now=clock)
    enqueue_file(folder, "制度", "甲.txt", rule(1))
    behind = enqueue_file(folder, "制度", "乙.txt", rule(2))
    with monkeypatch.context() as patch:
        patch.setattr(folder.vectors, "add", gone)
        with pytest.raises(VectorStoreError):
            runner.run_pending()
    shown = runner.shown(folder.catalog.jobs.get(behind.job_id))
    assert (shown.state, shown.error["code"], shown.attempts) == ("queued", "vector_store_error", 0)
    assert shown.not_before == clock.now + 1
    clock.now += 2
    assert runner.shown(folder.catalog.jobs.get(behind.job_id)).error is None
    runner.run_pending()
    assert set(states(folder).values()) == {"completed"}


def test_pause_ends_when_the_clock_is_set_back(folder, monkeypatch):
    clock = Clock()
    runner = JobRunner(folder, now=clock)
    enqueue_file(folder, "制度", "甲.txt", rule(1))
    with monkeypatch.context() as patch:
        patch.setattr(folder.vectors, "add", gone)
        with pytest.raises(VectorStoreError):
            runner.run_pending()
    clock.now -= 86_400
    runner.run_pending()
    assert states(folder) == {"甲.txt": "completed"}


def full(*_arguments, **_options):
    raise DataFolderError(Message("No space left.", "没有剩余空间。"))


@pytest.mark.parametrize("names", [["claim"], ["put_off"], ["put_off", "fail", "settle_cancelled"]], ids="+".join)
def test_job_goes_on_when_the_catalog_could_not_be_written_either(folder, monkeypatch, names):
    clock = Clock()
    runner = JobRunner(folder, now=clock)
    job = enqueue_file(folder, "制度", "甲.txt", rule(1))
    with monkeypatch.context() as patch:
        patch.setattr(folder.vectors, "add", gone)
        for name in names:
            patch.setattr(folder.catalog.jobs, name, full)
        for _ in range(3):
            with pytest.raises((DataFolderError, VectorStoreError)):
                runner.run_pending()
            clock.now += 60
    runner.run_pending()
    done = folder.catalog.jobs.get(job.job_id)
    assert (done.state, done.attempts) == ("completed", 1) and sources(folder) == {"甲.txt"}
    assert check(folder).problems == ()
