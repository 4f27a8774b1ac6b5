"""Who may begin beside whom, on a real queue."""

import time

import pytest

from ingest.jobs.turns import Turns
from retrieval.catalog import Catalog
from retrieval.catalog.job_record import JobRecord, new_job_id
from retrieval.errors import Message, VectorStoreError


@pytest.fixture
def catalog(tmp_path):
    catalog = Catalog(tmp_path / "catalog.db")
    yield catalog
    catalog.close()


@pytest.fixture
def ids(catalog):
    return {name: catalog.create_collection(name, "none", 0).collection_id for name in ("甲", "乙", "丙")}


def job(collection_id, source):
    return JobRecord(new_job_id(), collection_id, None, "upload", source, source, "file-x", "0" * 64, 3)


def turns(catalog, most=3):
    return Turns(catalog.jobs, most=most, now=time.time)


def test_collections_are_worked_on_side_by_side_but_each_once(catalog, ids):
    catalog.jobs.add([job(ids["甲"], "1"), job(ids["乙"], "1")])
    queue = turns(catalog)
    first = queue.take()
    catalog.jobs.add([job(first.collection_id, "2")])
    second = queue.take()
    assert {first.collection_id, second.collection_id} == {ids["甲"], ids["乙"]}
    assert queue.take() is None
    for record in first.records:
        catalog.jobs.finish(record.job_id)
    queue.end(first)
    assert [one.source for one in queue.take().records] == ["2"]


def test_what_waits_behind_a_slow_file_may_begin_but_leaves_one_turn_to_others(catalog, ids):
    records = [job(ids["甲"], str(number)) for number in range(3)]
    catalog.jobs.add(records)
    queue = turns(catalog)
    slow = queue.take()
    assert len(slow.records) == 3 and queue.take() is None
    slow.wait_for_one([one.job_id for one in records[1:]])
    beside = queue.take()
    assert [one.source for one in beside.records] == ["1", "2"]
    assert {one.attempts for one in beside.records} == {1}
    beside.wait_for_one([records[2].job_id])
    assert queue.take() is None
    catalog.jobs.add([job(ids["乙"], "急")])
    assert [one.source for one in queue.take().records] == ["急"]


def test_newer_file_of_a_slow_ones_source_waits(catalog, ids):
    catalog.jobs.add([job(ids["甲"], "1")])
    queue = turns(catalog)
    slow = queue.take()
    catalog.jobs.add([job(ids["甲"], "1")])
    slow.wait_for_one([])
    assert queue.take() is None


def test_running_job_that_nobody_holds_is_queued_again(catalog, ids):
    catalog.jobs.add([job(ids["甲"], "1")])
    queue = turns(catalog)
    lost = queue.take()
    assert queue.take() is None and catalog.jobs.get(lost.records[0].job_id).state == "running"
    queue.end(lost)
    assert queue.take().records[0].job_id == lost.records[0].job_id


def test_pause_is_longer_with_each_outage_and_ends_when_a_turn_goes_well(catalog, ids):
    queue = Turns(catalog.jobs, most=2, now=lambda: 1000.0)
    pauses = []
    for _ in range(8):
        queue.failed(VectorStoreError(Message("Chroma is gone.", "Chroma 没有应答。")))
        pauses.append(queue.pause_s())
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    waiting = queue.shown(job(ids["甲"], "1"))
    assert (waiting.error["code"], waiting.not_before) == ("vector_store_error", 1060.0)
    queue.went_well()
    assert queue.pause_s() == 0 and queue.shown(job(ids["甲"], "1")).error is None


def test_others_wait_a_moment_when_the_reason_is_one_jobs_own(catalog, ids):
    queue = Turns(catalog.jobs, most=2, now=lambda: 1000.0)
    for _ in range(8):
        queue.failed(RuntimeError("no such token"))
        assert queue.pause_s() == 1
    assert queue.shown(job(ids["甲"], "1")).error is None
