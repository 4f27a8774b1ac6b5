"""`/v1/jobs`: files on their way into collections, and what failed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import StreamingResponse

from api.job_objects import Json, collection_names, job_object, told_job
from api.parts import Parts
from api.sse import DONE, encode_event, to_json
from ingest.jobs.control import cancel_job, retry_job
from retrieval.catalog.job_record import JobRecord, State
from retrieval.errors import JobNotFoundError, Message

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

LOOK_EVERY_S = 0.1
"""How soon an event stream sees a change."""
BEAT_S = 15.0
"""A stream without news says so often that it is alive: proxies close silent ones."""
BEAT = b": waiting\n\n"


@router.get("", summary="List jobs")
def list_jobs(
    request: Request,
    collection: str | None = None,
    state: Annotated[list[State] | None, Query()] = None,
    batch: str | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    after: str | None = None,
) -> Json:
    """List jobs, newest first, a page at a time: of a collection, a request, in some states."""
    parts: Parts = request.app.state.parts
    catalog = parts.folder.catalog
    collection_id = None if collection is None else catalog.get_collection(collection).collection_id
    found = catalog.jobs.find(
        collection_id=collection_id, states=state or (), batch_id=batch, limit=limit + 1, after=after
    )
    data = _shown(request, found[:limit])
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": len(found) > limit,
        "counts": catalog.jobs.count(collection_id),
    }


@router.get("/events", summary="Follow the jobs of a request")
async def follow_batch(request: Request, batch: str) -> StreamingResponse:
    """Stream each job of a request as it changes, until all have ended."""
    jobs = request.app.state.parts.folder.catalog.jobs

    def find() -> list[JobRecord]:
        return jobs.find(batch_id=batch, oldest_first=True)  # type: ignore[no-any-return]

    if not await asyncio.to_thread(find):
        raise no_batch(batch)
    return _stream(request, find)


@router.get("/{job_id}", summary="Get one job")
def get_job(request: Request, job_id: str) -> Json:
    """Return a job with true counts: a running one as it is at this moment."""
    return _shown(request, [request.app.state.parts.folder.catalog.jobs.get(job_id)])[0]


@router.get("/{job_id}/events", summary="Follow one job")
async def follow_job(request: Request, job_id: str) -> StreamingResponse:
    """Stream a job as it changes, until it has ended."""
    jobs = request.app.state.parts.folder.catalog.jobs
    await asyncio.to_thread(jobs.get, job_id)

    def find() -> list[JobRecord]:
        try:
            return [jobs.get(job_id)]
        except JobNotFoundError:
            return []  # Its collection was deleted meanwhile.

    return _stream(request, find)


@router.post("/{job_id}/cancel", summary="Cancel a job")
def cancel(request: Request, job_id: str) -> Json:
    """End a job; one that has ended stays as it is."""
    return _shown(request, [cancel_job(request.app.state.parts.folder, job_id)])[0]


@router.post("/{job_id}/retry", summary="Try a failed job again")
def retry(request: Request, job_id: str) -> Json:
    """Queue a failed job again."""
    return _shown(request, [retry_job(request.app.state.parts.folder, job_id)])[0]


def no_batch(batch_id: str) -> JobNotFoundError:
    """Return the error for a request that left no jobs."""
    shown = batch_id[:80]
    return JobNotFoundError(Message(f"There are no jobs of batch {shown!r}.", f"没有批次 {shown!r} 的任务。"))


def _shown(request: Request, records: list[JobRecord]) -> list[dict[str, Any]]:
    parts: Parts = request.app.state.parts
    language = request.app.state.settings.language
    names = collection_names(parts.folder.catalog, records)
    live = [record if parts.jobs is None else parts.jobs.shown(record) for record in records]
    return [told_job(job_object(record, names), language) for record in live]


def _stream(request: Request, find: Callable[[], list[JobRecord]]) -> StreamingResponse:
    headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}
    return StreamingResponse(_events(request, find), media_type="text/event-stream", headers=headers)


async def _events(request: Request, find: Callable[[], list[JobRecord]]) -> AsyncIterator[bytes]:
    """Yield each job once, then whenever it has changed; the end mark when all have ended."""
    told: dict[str, str] = {}
    while True:
        seen = _n_changes(request)
        records = await asyncio.to_thread(find)
        for job in await asyncio.to_thread(_shown, request, records):
            if told.get(job["id"]) != (as_json := to_json(job)):
                told[job["id"]] = as_json
                yield encode_event(job)
        if all(record.is_ended for record in records):
            yield DONE
            return
        waited = 0.0
        while _n_changes(request) == seen:
            await asyncio.sleep(LOOK_EVERY_S)
            waited += LOOK_EVERY_S
            if waited >= BEAT_S:
                waited = 0.0
                yield BEAT


def _n_changes(request: Request) -> int:
    parts: Parts = request.app.state.parts
    return parts.folder.catalog.jobs.changes.value if parts.jobs is None else parts.jobs.n_changes
