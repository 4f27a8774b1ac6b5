"""`/v1/answers`: how answers came about."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.objects import answer_summary, trace_object
from api.parts import Parts
from api.sse import to_bytes, to_json
from api.traced_chunks import cited_chunks

router = APIRouter(prefix="/v1/answers", tags=["answers"])


@router.get("", summary="List answers")
def list_answers(
    request: Request, limit: Annotated[int, Query(ge=1, le=100)] = 20, after: str | None = None
) -> Response:
    """List the answers whose traces are kept, newest first, a page at a time."""
    parts: Parts = request.app.state.parts
    found = parts.kept_answers.list(limit + 1, after=after)
    data = [answer_summary(record.body) for record in found[:limit]]
    page = {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": len(found) > limit,
    }
    return _json(page)


@router.get("/{answer_id}", summary="See how an answer came about")
def get_answer(request: Request, answer_id: str) -> Response:
    """Return the trace of one answer, by the id of its completion."""
    parts: Parts = request.app.state.parts
    body = parts.kept_answers.get(answer_id).body
    return _json(trace_object(body, cited_chunks(parts.folder.catalog, body)))


def _json(value: dict[str, Any]) -> Response:
    """Return a reply; unlike FastAPI's own, it takes a question that has no UTF-8."""
    return Response(to_bytes(to_json(value)), media_type="application/json", headers={"cache-control": "no-store"})
