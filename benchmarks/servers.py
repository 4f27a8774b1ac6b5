"""The servers that `first_token` compares, each in a process of its own: a fake model, a bare proxy, our service.

python -m benchmarks.servers model|proxy|service --port PORT ...
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI, Request
from starlette.background import BackgroundTask
from starlette.responses import StreamingResponse

from tests.processes import ServerProcess, free_port

FIRST_TOKEN = "答案在此"
_MORE_TOKENS = ("，", "依据", "资料", "[1]", "。") * 3

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def start(kind: str, folder: Path, *arguments: str, **environment: str) -> ServerProcess:
    """Return one of the servers, to be used with `with`."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.servers", kind, "--port", str(port), *arguments]
    return ServerProcess(command, port=port, health="/healthz", log=folder / f"{kind}-{port}.log", env=environment)


def model_app(delay_s: float, tokens: int = 0, pace_s: float = 0.0) -> Any:
    """Return a model server without a model: plain ASGI, so that it costs little.

    Args:
        delay_s: Time before the first token.
        tokens: Tokens after the first one; 0: a short answer, sent at once.
        pace_s: Time between tokens.
    """
    base = {"id": "chatcmpl-fake", "object": "chat.completion.chunk", "created": 1, "model": "huozi"}

    def event(delta: dict[str, str], reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return f"data: {json.dumps({**base, 'choices': [choice]}, ensure_ascii=False)}\n\n".encode()

    first = event({"role": "assistant", "content": ""}) + event({"content": FIRST_TOKEN})
    said = [_MORE_TOKENS[number % len(_MORE_TOKENS)] for number in range(tokens)] or _MORE_TOKENS
    more = [event({"content": token}) for token in said]
    usage = {"prompt_tokens": 1000, "completion_tokens": 1 + len(more), "total_tokens": 1001 + len(more)}
    counted = f"data: {json.dumps({**base, 'choices': [], 'usage': usage})}\n\n".encode()
    last = event({}, "stop") + counted + b"data: [DONE]\n\n"
    headers = [(b"content-type", b"text/event-stream; charset=utf-8")]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while scope["type"] == "http" and (await receive()).get("more_body"):
            pass
        if scope["path"] != "/v1/chat/completions":
            # It counts no tokens, as many servers do not.
            status = 200 if scope["path"] == "/healthz" else 404
            await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})
            return
        if delay_s:
            await asyncio.sleep(delay_s)
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for body in (first, *more):
            await send({"type": "http.response.body", "body": body, "more_body": True})
            if tokens:
                await asyncio.sleep(pace_s)
        await send({"type": "http.response.body", "body": last})

    return app


def proxy_app(upstream: str) -> Any:
    """Return the peer: the shortest streaming proxy that one writes with FastAPI and httpx."""
    client = httpx.AsyncClient(base_url=upstream, timeout=60, limits=httpx.Limits(max_keepalive_connections=100))

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await client.aclose()

    app = FastAPI(lifespan=lifespan)

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/v1/chat/completions")
    async def forward(request: Request) -> StreamingResponse:
        sent = client.build_request(
            "POST",
            "/v1/chat/completions",
            content=await request.body(),
            headers={"content-type": request.headers["content-type"]},
        )
        reply = await client.send(sent, stream=True)
        return StreamingResponse(
            reply.aiter_raw(),
            status_code=reply.status_code,
            media_type=reply.headers["content-type"],
            background=BackgroundTask(reply.aclose),
        )

    return app


def service_app() -> Any:
    """Return our service as the environment configures it, with the constant-time embedder known to it."""
    from api.app import create_app
    from api.settings import load_settings
    from benchmarks.embedder import register

    register()
    return create_app(load_settings())


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(prog="benchmarks.servers", description=__doc__)
    parser.add_argument("kind", choices=["model", "proxy", "service"])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", default="")
    parser.add_argument("--delay-s", type=float, default=0.0)
    parser.add_argument("--tokens", type=int, default=0)
    parser.add_argument("--pace-s", type=float, default=0.0)
    options = parser.parse_args()
    apps: dict[str, Callable[[], Any]] = {
        "model": lambda: model_app(options.delay_s, options.tokens, options.pace_s),
        "proxy": lambda: proxy_app(options.upstream),
        "service": service_app,
    }
    uvicorn.run(
        apps[options.kind](),
        host="127.0.0.1",
        port=options.port,
        log_level="warning",
        access_log=False,
        timeout_keep_alive=60,  # longer than a pause between rounds, or a proxy meets a connection just closed
        ws="none",
        lifespan="off" if options.kind == "model" else "on",
    )


if __name__ == "__main__":
    main()
