"""Jobs over HTTP and on the command line, on real parts."""

import json

import httpx
import pytest

from api.app import create_app
from api.job_objects import told_job
from api.local_engine import LocalEngine
from api.settings import Settings
from api.wiring import build
from tests.unit.api.service import running

TEXT = "第一条 员工每年享有五天带薪年假。\n".encode()


@pytest.fixture
def settings(tmp_path):
    return Settings(data_dir=tmp_path / "data", embedder="none", port=0)


@pytest.fixture
def service(settings):
    with running(create_app(settings)) as url, httpx.Client(base_url=url, timeout=60) as http:
        http.post("/v1/vector_stores", json={"name": "制度"}).raise_for_status()
        yield http


def upload(http, *files):
    reply = http.post("/v1/vector_stores/制度/files", files=[("file", one) for one in files])
    assert reply.status_code == 202, reply.text
    return reply.json()


def events(http, address):
    with http.stream("GET", address) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = [line.removeprefix("data: ") for line in stream.iter_lines() if line.startswith("data: ")]
    assert lines.pop() == "[DONE]"
    return [json.loads(line) for line in lines]


def test_batch_is_followed_until_all_of_it_has_ended(service):
    batch = upload(service, ("甲.txt", TEXT), ("坏.pdf", b"%PDF-1.4 x"))["batch_id"]
    told = events(service, f"/v1/jobs/events?batch={batch}")
    last = {job["source"]: job for job in told}
    assert {source: job["state"] for source, job in last.items()} == {"甲.txt": "completed", "坏.pdf": "failed"}
    assert last["甲.txt"]["counts"] == {"bytes": len(TEXT), "chunks": 1, "embedded": 0, "indexed": 1}
    assert last["坏.pdf"]["error"]["code"] == "broken_file" and "损坏" in last["坏.pdf"]["error"]["message"]
    assert events(service, f"/v1/jobs/{last['甲.txt']['id']}/events") == [last["甲.txt"]]


def test_job_is_shown_listed_and_filtered(service):
    batch = upload(service, ("甲.txt", TEXT), ("坏.pdf", b"%PDF-1.4 x"))["batch_id"]
    events(service, f"/v1/jobs/events?batch={batch}")
    page = service.get("/v1/jobs", params={"collection": "制度", "limit": 1}).json()
    assert page["has_more"] and page["counts"] == {"completed": 1, "failed": 1}
    (first,) = page["data"]
    assert service.get(f"/v1/jobs/{first['id']}").json() == first and first["collection"] == "制度"
    (second,) = service.get("/v1/jobs", params={"after": first["id"]}).json()["data"]
    (failed,) = service.get("/v1/jobs", params={"state": "failed", "batch": batch}).json()["data"]
    assert {first["id"], second["id"]} >= {failed["id"]} and failed["source"] == "坏.pdf"


def test_failed_job_is_tried_again_and_an_ended_one_stays_when_it_is_cancelled(service):
    batch = upload(service, ("甲.txt", TEXT), ("坏.pdf", b"%PDF-1.4 x"))["batch_id"]
    ended = {job["source"]: job for job in events(service, f"/v1/jobs/events?batch={batch}")}
    again = service.post(f"/v1/jobs/{ended['坏.pdf']['id']}/retry")
    assert again.status_code == 200 and again.json()["state"] in ("queued", "running", "failed")
    assert events(service, f"/v1/jobs/{ended['坏.pdf']['id']}/events")[-1]["state"] == "failed"
    refused = service.post(f"/v1/jobs/{ended['甲.txt']['id']}/retry")
    assert refused.status_code == 409 and refused.json()["error"]["code"] == "job_state"
    assert service.post(f"/v1/jobs/{ended['甲.txt']['id']}/cancel").json() == ended["甲.txt"]


@pytest.mark.parametrize("address", ["/v1/jobs/job_x", "/v1/jobs/job_x/events", "/v1/jobs/events?batch=batch_x"])
def test_unknown_job_is_not_found(service, address):
    reply = service.get(address)
    assert reply.status_code == 404 and reply.json()["error"]["code"] == "job_not_found"


def test_file_that_a_folder_could_not_give_is_listed_until_it_is_taken_in(settings, tmp_path):
    docs = tmp_path / "文档"
    docs.mkdir()
    (docs / "坏.pdf").write_bytes(b"%PDF-1.4 x")
    (docs / "好.txt").write_bytes(TEXT)
    with LocalEngine(build(settings, purpose="test")) as engine:
        engine.ingest([str(docs)], "制度")
        (job,) = engine.list_jobs("制度", [], 10)
        assert (job["source"], job["origin"], job["state"]) == ("文档/坏.pdf", "sync", "failed")
        assert "damaged" in told_job(job, "en")["error"]["message"]
        engine.ingest([str(docs)], "制度")
        assert len(engine.list_jobs(None, ["failed"], 10)) == 1
        (docs / "坏.pdf").unlink()
        engine.ingest([str(tmp_path / "文档" / "好.txt")], "制度")  # says nothing of the other
        assert len(engine.list_jobs(None, ["failed"], 10)) == 1
        engine.ingest([str(docs)], "制度")
        assert engine.list_jobs(None, [], 10) == []


def test_failed_file_of_a_folder_is_read_again_where_it_lies(settings, tmp_path):
    docs = tmp_path / "文档"
    docs.mkdir()
    (docs / "空.txt").write_bytes(b"")
    with LocalEngine(build(settings, purpose="test")) as engine:
        engine.ingest([str(docs)], "制度")
        (job,) = engine.list_jobs(None, [], 10)
        assert engine.retry_job(job["id"])["state"] == "failed"
        (docs / "空.txt").write_bytes(TEXT)
        assert engine.retry_job(job["id"])["state"] == "completed"
        (document,) = engine.list_documents("制度")
        assert document["source"] == "文档/空.txt"
        assert engine.ingest([str(docs)], "制度").skipped == 1
        assert engine.check(repair=False)["healthy"]
