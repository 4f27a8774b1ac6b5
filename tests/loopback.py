"""The base of all servers that tests run in their own process: a real socket on a free loopback port.

    with LoopbackServer(HandlerClass) as server:
        httpx.get(f"{server.root_url}/health")

What it answers is up to the handler; `JsonHandler` has what most of them need.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


class LoopbackServer:
    """Answers while it is entered.

    Args:
        handler: What answers, a new instance for each connection.

    Attributes:
        stopping: Set when the server ends, for handlers that wait.
    """

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self.stopping = threading.Event()
        self._handler = handler
        self._server: _QuietServer | None = None

    @property
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""
        assert self._server is not None, "the server is not running"
        return int(self._server.server_address[1])

    @property
    def root_url(self) -> str:
        """Where it answers, without a path."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        """Where it answers, with `/v1`."""
        return f"{self.root_url}/v1"

    def __enter__(self) -> Self:
        server = self._server = _QuietServer(("127.0.0.1", 0), self._handler)
        self._thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)


class JsonHandler(BaseHTTPRequestHandler):
    """Reads and writes JSON, whole or as an event stream."""

    protocol_version = "HTTP/1.1"
    # A stream is many small writes; each shall leave at once.
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the test output clean."""

    def read_json(self) -> Any:
        """Return the request's body."""
        return json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def reply(self, status: int, body: Any, headers: Mapping[str, str] = {}) -> None:
        """Answer with one JSON value."""
        self.reply_bytes(status, json.dumps(body, ensure_ascii=False).encode(), "application/json", headers)

    def reply_bytes(self, status: int, data: bytes, kind: str, headers: Mapping[str, str] = {}) -> None:
        """Answer with a whole body of this content type, or to HEAD with its length."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def begin_stream(self) -> None:
        """Begin an event stream."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def event(self, data: dict[str, Any]) -> None:
        """Send one event."""
        self.chunk(f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode())

    def end_stream(self) -> None:
        """End the stream as OpenAI does."""
        self.chunk(b"data: [DONE]\n\n")
        self.chunk(b"")

    def chunk(self, data: bytes) -> None:
        """Send bytes of the stream as they are."""
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def stay_silent(self, seconds: float, stopping: threading.Event) -> None:
        """Wait, but notice a client that goes away.

        Raises:
            OSError: If it does.
        """
        until = time.monotonic() + seconds
        while time.monotonic() < until and not stopping.is_set():
            self.connection.settimeout(min(0.02, seconds))
            try:
                if self.connection.recv(1) == b"":
                    raise ConnectionResetError
            except TimeoutError:
                continue
            finally:
                self.connection.settimeout(None)


class _QuietServer(ThreadingHTTPServer):
    """A threaded server that leaves the test output clean."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that reset their connection; that is what some tests do."""
