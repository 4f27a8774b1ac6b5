import time

import pytest

from retrieval.catalog import Catalog, JobDone
from retrieval.catalog.job_record import JobRecord, job_error, new_job_id
from retrieval.errors import EmbedderError, JobNotFoundError, JobStateError, Message

ERROR = job_error(EmbedderError(Message("No.", "否。"), hint=Message("Try.", "试。")))


@pytest.fixture
def catalog(tmp_path):
    catalog = Catalog(tmp_path / "catalog.db")
    yield catalog
    catalog.close()


@pytest.fixture
def target(catalog):
    return catalog.create_collection("制度", "none", 0).collection_id


def job(collection_id, name, **fields):
    values = {"batch_id": None, "origin": "upload", "content_hash": f"hash of {name}", "size": 10} | fields
    return JobRecord(new_job_id(), collection_id, source_id=f"upload:{name}", source=name, document_id=name, **values)


def add(catalog, *records):
    catalog.jobs.add(records)
    return list(records)


def claim(catalog, collection_id, *, limit=10, max_bytes=1000, now=None):
    return catalog.jobs.claim(collection_id, limit=limit, max_bytes=max_bytes, now=time.time() if now is None else now)


def sources(records):
    return [record.source for record in records]


def test_job_comes_back_as_it_was_added(catalog, target):
    record = job(target, "𠮷.docx", batch_id="batch_1", options={"attributes": {"部门": "财务"}}, counts={"bytes": 10})
    add(catalog, record)
    assert catalog.jobs.get(record.job_id) == record


def test_unknown_job_is_told(catalog):
    with pytest.raises(JobNotFoundError, match="job_nothing"):
        catalog.jobs.get("job_nothing")


def test_oldest_are_claimed_first_and_run(catalog, target):
    add(catalog, *(job(target, name) for name in "甲乙丙"))
    claimed = claim(catalog, target, limit=2)
    assert sources(claimed) == ["甲", "乙"]
    assert {(one.state, one.attempts) for one in claimed} == {("running", 1)}
    assert sources(claim(catalog, target)) == ["丙"]


def test_claim_ends_at_its_bytes_but_takes_one_that_is_larger(catalog, target):
    add(catalog, job(target, "大", size=5000), job(target, "甲"), job(target, "乙"))
    assert sources(claim(catalog, target, max_bytes=20)) == ["大"]
    assert sources(claim(catalog, target, max_bytes=20)) == ["甲", "乙"]


def test_newer_file_of_a_source_waits_for_the_older_one(catalog, target):
    first, second = add(catalog, job(target, "甲"), job(target, "甲", content_hash="new"))
    assert claim(catalog, target) == [catalog.jobs.get(first.job_id)]
    assert claim(catalog, target) == [] and catalog.jobs.waiting(time.time()) == []
    catalog.jobs.put_off([first.job_id], not_before=time.time() + 60, error=ERROR)
    assert claim(catalog, target) == []  # Else the older file would be written over the newer one.
    catalog.jobs.cancel(first.job_id)
    assert sources(claim(catalog, target)) == ["甲"]
    assert catalog.jobs.get(second.job_id).state == "running"


def test_order_is_kept_when_the_clock_was_set_back(catalog, target):
    add(catalog, job(target, "旧", created_at=2e9), job(target, "新", created_at=1e9))
    assert sources(claim(catalog, target)) == ["旧", "新"]


def test_job_that_failed_before_is_claimed_alone(catalog, target):
    records = add(catalog, *(job(target, name) for name in "甲乙丙"))
    claim(catalog, target, limit=1)
    catalog.jobs.put_off([records[0].job_id], not_before=0, error=ERROR)
    assert sources(claim(catalog, target)) == ["甲"]
    assert sources(claim(catalog, target)) == ["乙", "丙"]


def test_job_waits_until_its_time(catalog, target):
    (record,) = add(catalog, job(target, "甲"))
    claim(catalog, target)
    now = time.time()
    catalog.jobs.put_off([record.job_id], not_before=now + 30, error=ERROR)
    assert catalog.jobs.waiting(now + 29) == [] and catalog.jobs.next_time(now) == now + 30
    assert catalog.jobs.next_time(now + 30) is None
    assert catalog.jobs.waiting(now + 31) == [target]
    assert catalog.jobs.get(record.job_id).error == ERROR


def test_job_does_not_wait_for_a_clock_that_was_set_back(catalog, target):
    (record,) = add(catalog, job(target, "甲"))
    claim(catalog, target)
    now = time.time()
    catalog.jobs.put_off([record.job_id], not_before=now + 1, error=ERROR)
    assert catalog.jobs.waiting(now - 86_400) == [target]


def test_attempt_does_not_count_when_the_job_was_not_what_failed(catalog, target):
    (record,) = add(catalog, job(target, "甲"))
    claim(catalog, target)
    catalog.jobs.put_off([record.job_id], not_before=0)
    assert catalog.jobs.get(record.job_id).attempts == 0


def test_queued_job_is_cancelled_at_once(catalog, target):
    (record,) = add(catalog, job(target, "甲"))
    assert catalog.jobs.cancel(record.job_id).state == "cancelled"
    assert claim(catalog, target) == []


def test_running_job_ends_as_cancelled_however_its_work_went_on(catalog, target):
    records = add(catalog, *(job(target, name) for name in "甲乙丙"))
    claim(catalog, target)
    for record in records:
        assert catalog.jobs.cancel(record.job_id).is_cancelled
    first, second, third = (record.job_id for record in records)
    catalog.jobs.fail(first, ERROR)
    catalog.jobs.put_off([second], not_before=0, error=ERROR)
    assert catalog.jobs.get(second).state == "cancelled"
    assert catalog.publish([], [JobDone(third, "ver_1", "甲", {})]) == []
    assert catalog.jobs.settle_cancelled([first, second, third]) == [first, second, third]
    assert catalog.jobs.count() == {"cancelled": 3}


def test_failed_job_is_queued_with_all_its_attempts_when_it_is_tried_again(catalog, target):
    (record,) = add(catalog, job(target, "甲"))
    claim(catalog, target)
    catalog.jobs.fail(record.job_id, ERROR, stage="embed")
    assert catalog.jobs.get(record.job_id).stage == "embed"
    again = catalog.jobs.retry(record.job_id, options={"ocr": True})
    assert (again.state, again.attempts, again.options, again.finished_at) == ("queued", 0, {"ocr": True}, None)


@pytest.mark.parametrize("state", ["queued", "running", "completed", "cancelled"])
def test_job_that_has_not_failed_is_not_tried_again(catalog, target, state):
    (record,) = add(catalog, job(target, "甲", state=state))
    with pytest.raises(JobStateError, match=state):
        catalog.jobs.retry(record.job_id)


def test_older_failure_is_forgotten_when_a_newer_file_took_its_place(catalog, target):
    old, new, other = add(catalog, job(target, "甲"), job(target, "甲"), job(target, "乙"))
    claim(catalog, target)
    for record in (old, other):
        catalog.jobs.fail(record.job_id, ERROR)
    claim(catalog, target)
    catalog.jobs.finish(new.job_id)
    assert {(one.job_id, one.state) for one in catalog.jobs.find()} == {
        (new.job_id, "completed"),
        (other.job_id, "failed"),
    }


def test_running_jobs_are_queued_again_when_their_process_has_ended(catalog, target):
    first, second = add(catalog, job(target, "甲"), job(target, "乙"))
    claim(catalog, target)
    catalog.jobs.cancel(second.job_id)
    assert catalog.jobs.requeue_running(now=time.time()) == 2
    assert catalog.jobs.get(first.job_id).state == "queued" and catalog.jobs.get(second.job_id).state == "cancelled"
    assert sources(claim(catalog, target)) == ["甲"]


def test_job_that_has_seen_many_processes_end_waits(catalog, target):
    add(catalog, job(target, "甲", state="running", attempts=8))
    now = time.time()
    catalog.jobs.requeue_running(now=now)
    assert catalog.jobs.waiting(now + 5) == [] and catalog.jobs.waiting(now + 301) == [target]


def test_discarded_source_has_nothing_under_way(catalog, target):
    failed, running, queued, other = add(
        catalog, job(target, "甲", state="failed"), job(target, "甲"), job(target, "甲"), job(target, "乙")
    )
    claim(catalog, target, limit=1)
    assert catalog.jobs.discard(target, ["upload:甲"]) == ["hash of 甲"]
    states = {one.job_id: (one.state, one.is_cancelled) for one in catalog.jobs.find()}
    assert states == {
        running.job_id: ("running", True),
        queued.job_id: ("cancelled", True),
        other.job_id: ("queued", False),
    }
    assert failed.job_id not in states


def test_failures_of_a_run_replace_those_before(catalog, target):
    def failure(name):
        return job(target, name, origin="sync", state="failed", error=ERROR)

    upload = job(target, "甲", state="failed")
    add(catalog, upload)
    catalog.jobs.replace_failed(target, [failure("甲"), failure("乙"), failure("丙")], [])
    catalog.jobs.replace_failed(target, [failure("甲")], ["upload:乙"])
    left = sorted((one.source, one.origin) for one in catalog.jobs.find())
    assert left == [("丙", "sync"), ("甲", "sync"), ("甲", "upload")]


def test_pages_of_the_list_join_without_gaps(catalog, target):
    records = add(catalog, *(job(target, str(i)) for i in range(7)))
    pages, after = [], None
    while page := catalog.jobs.find(limit=3, after=after):
        pages += page
        after = page[-1].job_id
    assert pages == list(reversed(records))
    assert catalog.jobs.find(after=records[2].job_id, oldest_first=True) == records[3:]
    with pytest.raises(JobNotFoundError):
        catalog.jobs.find(after="job_nothing")


def test_list_is_filtered_by_state_and_request(catalog, target):
    other = catalog.create_collection("别的", "none", 0).collection_id
    first, second, third = add(
        catalog, job(target, "甲", batch_id="b"), job(target, "乙", state="failed", batch_id="b"), job(other, "丙")
    )
    jobs = catalog.jobs
    assert jobs.find(states=["failed"]) == [second]
    assert jobs.find(batch_id="b", oldest_first=True) == [first, second]
    assert jobs.find(collection_id=other) == [third]
    assert jobs.count() == {"queued": 2, "failed": 1} and jobs.count(other) == {"queued": 1}


def test_jobs_go_with_their_collection(catalog, target):
    add(catalog, job(target, "甲"))
    catalog.remove_collection(target)
    assert catalog.jobs.find() == []


def test_ended_jobs_are_forgotten_by_age_and_number_but_failed_ones_stay(catalog, target):
    now = time.time()
    old, new, newest, failed = add(
        catalog,
        job(target, "旧", state="completed", finished_at=now - 100),
        job(target, "新", state="cancelled", finished_at=now),
        job(target, "最新", state="completed", finished_at=now),
        job(target, "坏", state="failed", finished_at=now - 10**6),
    )
    assert catalog.jobs.prune(max_age_s=50, max_count=10, now=now) == 1
    assert old not in catalog.jobs.find()
    assert catalog.jobs.prune(max_age_s=50, max_count=1, now=now) == 1
    assert catalog.jobs.find() == [failed, newest] and new not in catalog.jobs.find()
    assert catalog.jobs.prune(max_age_s=50, max_count=1, now=now) == 0


def test_originals_of_waiting_and_failed_uploads_are_wanted(catalog, target):
    for state in ("queued", "running", "completed", "failed", "cancelled"):
        add(catalog, job(target, state, state=state), job(target, state, state=state, origin="sync", content_hash="x"))
    assert catalog.wanted_hashes() == {"hash of queued", "hash of running", "hash of failed"}
    assert catalog.wanted_hashes(["hash of failed", "hash of cancelled"]) == {"hash of failed"}


def test_job_becomes_others_in_one_step_unless_it_was_cancelled(catalog, target):
    zipped, cancelled = add(catalog, job(target, "甲.zip"), job(target, "乙.zip"))
    claim(catalog, target)
    catalog.jobs.cancel(cancelled.job_id)
    assert catalog.jobs.add([job(target, "甲.zip/一")], instead_of=zipped.job_id)
    assert not catalog.jobs.add([job(target, "乙.zip/一")], instead_of=cancelled.job_id)
    assert [one.source for one in catalog.jobs.find()] == ["甲.zip/一", "乙.zip", "甲.zip"]
    assert catalog.jobs.get(zipped.job_id).state == "completed"


def test_changes_are_counted(catalog, target):
    before = catalog.jobs.changes.value
    (record,) = add(catalog, job(target, "甲"))
    catalog.jobs.cancel(record.job_id)
    assert catalog.jobs.changes.value == before + 2
    assert catalog.jobs.changes.wait_beyond(before, 0) == before + 2
