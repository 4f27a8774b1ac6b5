"""Files that hang their parser while others wait: on real workers, with the runner's own threads."""

import threading
import time

import pytest

from ingest.jobs import work
from ingest.jobs.control import cancel_job
from ingest.jobs.enqueue import enqueue_file
from ingest.jobs.runner import JobRunner
from ingest.sandbox import child as child_module
from ingest.settings import IngestSettings, JobSettings, LoadSettings
from retrieval.doctor import check
from tests.hurt_worker import START
from tests.stores import open_folder

DEADLINE_S = 60.0
PATIENT = IngestSettings(parse_apart="always", load=LoadSettings(workers=1))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(child_module, "_START", START)
    monkeypatch.setattr(work, "PATIENCE_S", 0.2)
    with open_folder(tmp_path / "data", embedder="none") as folder:
        for name in ("制度", "别的", "第三"):
            folder.collection(name, create=True)
        yield folder


@pytest.fixture
def run(folder):
    """Start a runner, which is stopped when the test ends."""
    runners = []

    def start(settings=PATIENT):
        runners.append(JobRunner(folder, settings))
        runners[-1].start()
        return runners[-1]

    yield start
    for runner in runners:
        runner.stop()


def rule(number):
    return f"第{number}号规定：出差应当事先报告。".encode()


def state(folder, job):
    return folder.catalog.jobs.get(job.job_id).state


def wait_for(condition):
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_everything_else_is_done_before_a_hanging_file_fails(folder, run):
    hanging = enqueue_file(folder, "制度", "挂.txt", b"!hang")
    run()
    wait_for(lambda: state(folder, hanging) == "running")
    later = [enqueue_file(folder, name, "好.txt", rule(1)) for name in ("别的", "第三", "制度")]
    wait_for(lambda: all(state(folder, job) == "completed" for job in later))
    assert state(folder, hanging) == "running"


def test_files_claimed_with_a_hanging_one_are_done_before_it_fails(folder, run):
    before = [enqueue_file(folder, "制度", f"前{number}.txt", rule(number)) for number in range(3)]
    hanging = enqueue_file(folder, "制度", "挂.txt", b"!hang")
    behind = [enqueue_file(folder, "制度", f"后{number}.txt", rule(number)) for number in range(3)]
    run()
    wait_for(lambda: all(state(folder, job) == "completed" for job in (*before, *behind)))
    assert state(folder, hanging) == "running"
    assert {folder.catalog.jobs.get(job.job_id).attempts for job in (*before, *behind)} == {1}
    assert check(folder).problems == ()


def test_hanging_files_of_one_collection_leave_room_for_others(folder, run):
    hanging = [enqueue_file(folder, "制度", f"挂{number}.txt", b"!hang") for number in range(6)]
    run(PATIENT.model_copy(update={"jobs": JobSettings(at_once=3)}))
    wait_for(lambda: sum(state(folder, job) == "running" for job in hanging) == 2)
    other = enqueue_file(folder, "别的", "好.txt", rule(1))
    wait_for(lambda: state(folder, other) == "completed")
    assert {state(folder, job) for job in hanging} == {"running", "queued"}


def test_newer_file_of_a_hanging_ones_name_waits_for_it_and_wins(folder, run):
    hanging = enqueue_file(folder, "制度", "甲.txt", b"!hang")
    newer = enqueue_file(folder, "制度", "甲.txt", rule(2))
    beside = enqueue_file(folder, "制度", "乙.txt", rule(1))
    run(PATIENT.model_copy(update={"load": LoadSettings(workers=1, max_seconds=2)}))
    wait_for(lambda: state(folder, beside) == "completed")
    assert state(folder, newer) == "queued"
    wait_for(lambda: state(folder, newer) == "completed")
    with pytest.raises(Exception, match="There is no job"):
        folder.catalog.jobs.get(hanging.job_id)  # It failed, and the newer one took its place.


def test_hanging_file_fails_with_its_limit(folder, run):
    hanging = enqueue_file(folder, "制度", "挂.txt", b"!hang")
    run(PATIENT.model_copy(update={"load": LoadSettings(workers=1, max_seconds=1)}))
    wait_for(lambda: state(folder, hanging) == "failed")
    failed = folder.catalog.jobs.get(hanging.job_id)
    assert (failed.error["code"], failed.stage, failed.attempts) == ("parser_limit", "parse", 1)


def test_hanging_file_ends_at_once_when_it_is_cancelled(folder, run):
    hanging = enqueue_file(folder, "制度", "挂.txt", b"!hang")
    behind = enqueue_file(folder, "制度", "好.txt", rule(1))
    runner = run()
    wait_for(lambda: runner.shown(folder.catalog.jobs.get(hanging.job_id)).state == "running")
    cancel_job(folder, hanging.job_id)
    wait_for(lambda: state(folder, hanging) == "cancelled" and state(folder, behind) == "completed")
    assert check(folder).problems == ()


def test_runner_stops_at_once_while_a_parser_hangs(folder, run):
    hanging = enqueue_file(folder, "制度", "挂.txt", b"!hang")
    runner = run()
    wait_for(lambda: state(folder, hanging) == "running")
    runner.stop()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("huozi-jobs")]
    stopped = folder.catalog.jobs.get(hanging.job_id)
    assert (stopped.state, stopped.attempts) == ("queued", 0)


def test_stage_is_split_while_a_document_is_being_split(folder, run):
    slow = enqueue_file(folder, "制度", "长.txt", "!slowsplit 出差应当报告。".encode())
    runner = run()
    wait_for(lambda: runner.shown(folder.catalog.jobs.get(slow.job_id)).stage == "split")
    assert state(folder, slow) == "running"
