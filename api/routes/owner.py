"""`POST /owner/COMMAND`: the command line talks to the process that owns the data folder.

Only who can read the owner's token in the data folder may call it; an API key does not open it. The reply is one JSON
object a line; see `api/remote_engine.py`.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Depends, Request
from pydantic import TypeAdapter
from starlette.responses import StreamingResponse

from api.auth.guard import is_owner
from api.engine import PLAIN_CALLS
from api.errors import AuthenticationError, RequestError, internal_error
from api.local_engine import LocalEngine
from api.objects import Json, error_object
from api.sse import to_bytes, to_json
from assistant.events import Turn
from ingest.report import IngestProgress, IngestReport
from retrieval.errors import HuoziError, Message

logger = logging.getLogger("huozi.api")

router = APIRouter(prefix="/owner", include_in_schema=False)

_TURNS = TypeAdapter(list[Turn])


def check_token(request: Request) -> None:
    """Refuse whoever does not hold the owner's token."""
    if not is_owner(request.headers, request.app.state.parts.owner_token):
        raise AuthenticationError(
            Message(en="Only the owner of the data folder may do this.", zh="只有数据目录的所有者可以执行该操作。")
        )


class Interrupted(Exception):
    """The caller of an ingestion hung up."""


@router.post("/{command}", dependencies=[Depends(check_token)])
async def run_command(command: str, request: Request) -> StreamingResponse:
    """Do what a command asks, and stream what comes of it."""
    arguments = await request.json()
    engine = engine_of(request)
    if command == "ingest":
        events = ingest(engine, arguments)
    elif command == "ask":
        events = ask(engine, arguments)
    elif command in PLAIN_CALLS:
        events = call(getattr(engine, command), arguments)
    else:
        raise RequestError(
            Message(en=f"There is no command {command!r}.", zh=f"没有命令 {command!r}。"),
            param="command",
        )
    return StreamingResponse(encode(events), media_type="application/x-ndjson")


def engine_of(request: Request) -> LocalEngine:
    """Return the engine on the service's own parts."""
    from api.wiring import Built, build_ingestor

    settings, parts = request.app.state.settings, request.app.state.parts
    ingestor = build_ingestor(settings, parts.folder)
    return LocalEngine(
        Built(
            parts.folder,
            parts.assistant,
            ingestor,
            settings.answer.max_question_chars,
            parts.assistant.traces,
            parts.jobs,
        ),
        has_runner=True,
    )


async def call(method: Callable[..., Any], arguments: Json) -> AsyncIterator[Json]:
    """Yield the result of one call."""
    yield {"result": await asyncio.to_thread(method, **arguments)}


async def ask(engine: LocalEngine, arguments: Json) -> AsyncIterator[Json]:
    """Yield an answer's events."""
    history = _TURNS.validate_python(arguments["history"])
    async with aclosing(
        engine.events(arguments["question"], history, arguments["collection"], arguments.get("trace", False))
    ) as events:
        async for event in events:
            yield {"event": event}
    yield {"result": None}


async def ingest(engine: LocalEngine, arguments: Json) -> AsyncIterator[Json]:
    """Yield an ingestion's progress and report; it stops at the next step when the caller leaves."""
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[Json | None] = asyncio.Queue()
    has_left = threading.Event()

    def tell(progress: IngestProgress) -> None:
        if has_left.is_set():
            raise Interrupted
        loop.call_soon_threadsafe(lines.put_nowait, {"event": asdict(progress)})

    def work() -> IngestReport | None:
        try:
            return engine.ingest(
                arguments["paths"],
                arguments["collection"],
                delete_missing=arguments["delete_missing"],
                allow_empty=arguments.get("allow_empty", False),
                ocr=arguments.get("ocr", False),
                progress=tell,
            )
        except Interrupted:
            return None
        finally:
            loop.call_soon_threadsafe(lines.put_nowait, None)

    running = asyncio.create_task(asyncio.to_thread(work))
    try:
        while (line := await lines.get()) is not None:
            yield line
        report = await running
        if report is not None:
            yield {"result": asdict(report)}
    finally:
        has_left.set()


async def encode(lines: AsyncIterator[Json]) -> AsyncIterator[bytes]:
    """Yield each object as a line; an error is the last one."""
    try:
        async for line in lines:
            yield to_bytes(to_json(line) + "\n")
    except HuoziError as error:
        yield to_bytes(to_json({"error": error_object(error)}) + "\n")
    except Exception:
        logger.exception("a command failed")
        yield to_bytes(to_json({"error": error_object(internal_error())}) + "\n")
