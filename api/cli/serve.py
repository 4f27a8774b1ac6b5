"""`huozi serve`: the HTTP service with its web page."""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import click

from api.cli.framework import command
from api.cli.language import Say
from api.cli.output import IngestMeter, note
from api.cli.session import Session, session_of
from retrieval.errors import HuoziError, Message

if TYPE_CHECKING:
    from api.settings import Settings
    from api.wiring import Built

GRACE_S = 5
"""Seconds that answers in progress may take once the service is told to stop."""


class ListenError(HuoziError):
    """The service cannot listen where it should."""

    code = "cannot_listen"


def build(say: Say) -> click.Command:
    """Return the command."""
    return command(
        "serve",
        say,
        run,
        click.Option(
            ["--host"], metavar=say("地址", "HOST"), help=say("监听地址，默认 127.0.0.1", "address to listen on")
        ),
        click.Option(["--port"], metavar=say("端口", "PORT"), help=say("监听端口，默认 8080", "port to listen on")),
        click.Option(
            ["--ingest", "paths"],
            multiple=True,
            metavar=say("路径", "PATH"),
            help=say(
                "启动前先导入到 default 集合，未改动的文件会跳过；可多次",
                "bring this into the collection `default` first, unchanged files are skipped; may be repeated",
            ),
        ),
        help=say(
            "启动 HTTP 服务和网页。\n\n用 Ctrl-C 停止。监听本机以外的地址前须先用 `huozi keys create` 新建密钥。",
            "Run the HTTP service with its web page.\n\nCtrl-C stops it. To listen beyond this machine, create a key "
            "with `huozi keys create` first.",
        ),
    )


def run(ctx: click.Context, host: str | None, port: str | None, paths: tuple[str, ...]) -> None:
    """Serve until told to stop."""
    session = session_of(ctx)
    given = {"HUOZI_HOST": host, "HUOZI_PORT": port}
    settings = session.settings({name: value for name, value in given.items() if value is not None})
    signal.signal(signal.SIGTERM, _stop)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    with listen(settings) as listener:
        url = address(settings.host, listener)
        from api.auth.binding import check_binding
        from api.wiring import build

        try:
            with build(settings, purpose="serve", url=loopback_address(settings.host, listener)) as built:
                check_binding(settings.host, built.folder.catalog.keys.any())
                if paths:
                    ingest(built, paths, session)
                serve(settings, built, listener, session, url)
        except (KeyboardInterrupt, SystemExit):
            # To be told to stop is how a service ends; nothing failed.
            pass
        note(session.say("服务已停止", "The service has stopped"))


def serve(settings: Settings, built: Built, listener: socket.socket, session: Session, url: str) -> None:
    """Run the server on an open socket."""
    import uvicorn

    from api.app import create_app
    from api.wiring import settle

    app = create_app(settings, folder=built.folder, assistant=built.assistant)
    settle()

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                announce(settings, built, session.say, url)
                if settings.llm.base_url is not None:
                    # The service answers meanwhile, and also where the model server comes up later.
                    threading.Thread(target=check_model_server, args=(settings, session.say), daemon=True).start()

    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="on",
        ws="none",
        timeout_graceful_shutdown=GRACE_S,
        server_header=False,
    )
    asyncio.run(Server(config).serve(sockets=[listener]))


def ingest(built: Built, paths: Sequence[str], session: Session) -> None:
    """Bring paths in before serving; silent where nothing changed."""
    from api.cli.ingest import show_failures, summary

    meter = IngestMeter(session.say)
    try:
        report = built.ingestor.ingest(paths, progress=meter)
    finally:
        meter.close()
    show_failures(report, session)
    if report.added or report.updated or report.failed:
        note(summary(report, session.say))


def announce(settings: Settings, built: Built, say: Say, url: str) -> None:
    """Say where the service is, what it answers with, and what to ask."""
    from api.examples import examples

    catalog = built.folder.catalog
    collections = catalog.list_collections()
    questions: list[str] = []
    for one in collections:
        questions += examples([document.source for document in catalog.list_documents(one.collection_id)])
    if settings.embedder == "none":
        note(say("仅用关键词检索", "Keyword retrieval alone") + why_no_vectors(say))
    if settings.llm.base_url is None:
        note(
            say(
                "未连接模型，回答摘自原文；设置 HUOZI_LLM__BASE_URL 可由模型作答",
                "No model is connected: answers are quoted. Set HUOZI_LLM__BASE_URL for written ones",
            )
        )
    else:
        note(say(f"模型服务：{settings.llm.shown_url}", f"Model server: {settings.llm.shown_url}"))
    note(say(f"服务已启动：{url}", f"Serving on {url}"))
    if questions:
        note(say(f"试着问：{questions[0]}", f"Try asking: {questions[0]}"))
    elif not collections:
        note(
            say("还没有文档；用 `huozi ingest 路径` 导入", "There are no documents yet; `huozi ingest PATH` adds some")
        )


def check_model_server(settings: Settings, say: Say) -> None:
    """Say what is wrong with the model server, if anything."""
    from api.cli.model_server import problem_lines
    from assistant.serving.probe import probe

    for line in problem_lines(probe(settings.llm), say):
        note(say("注意：", "Note: ") + line)


def why_no_vectors(say: Say) -> str:
    """Return why no embedder is at work, if the user did not choose so."""
    from retrieval.embedders import default_embedder

    if default_embedder() != "none":
        return ""
    return say("：此平台没有 e5 的安装包", ": e5 has no package for this platform")


def listen(settings: Settings) -> socket.socket:
    """Return a socket bound to the configured address.

    Raises:
        ListenError: If it is taken or not ours.
    """
    host, port = settings.host, settings.port
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as exc:
        raise _cannot_listen(host, port, exc) from exc
    try:
        if sys.platform != "win32":
            # A port whose last owner just ended is free.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
    except OSError as exc:
        listener.close()
        raise _running_already(settings) or _cannot_listen(host, port, exc) from exc
    return listener


def address(host: str, listener: socket.socket) -> str:
    """Return the service's address as people open it."""
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{listener.getsockname()[1]}"


def loopback_address(host: str, listener: socket.socket) -> str:
    """Return the address at which commands on this machine reach the service."""
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}
    return address(here.get(host, host), listener)


def _running_already(settings: Settings) -> ListenError | None:
    from retrieval.owner import read_owner

    owner = read_owner(settings.data_dir.expanduser().resolve())
    if owner is None or owner.url is None or not owner.url.endswith(f":{settings.port}"):
        return None
    return ListenError(
        Message(
            en=f"The service is running already at {owner.url} (process {owner.pid}).",
            zh=f"服务已在运行：{owner.url}（进程 {owner.pid}）。",
        ),
        hint=Message(
            en="Stop it first, or choose another port and data folder.",
            zh="请先停止它，或换用别的端口和数据目录。",
        ),
    )


def _cannot_listen(host: str, port: int, error: OSError) -> ListenError:
    if error.errno == errno.EADDRINUSE:
        return ListenError(
            Message(en=f"Port {port} on {host!r} is in use.", zh=f"{host!r} 的端口 {port} 已被占用。"),
            hint=Message(
                en=f"Choose another one: HUOZI_PORT={_next(port)}, or `huozi serve --port {_next(port)}`.",
                zh=f"请换一个端口：HUOZI_PORT={_next(port)}，或 `huozi serve --port {_next(port)}`。",
            ),
        )
    reason = error.strerror or str(error)
    return ListenError(
        Message(
            en=f"Cannot listen on {host!r}, port {port}: {reason}.", zh=f"无法监听 {host!r} 的端口 {port}：{reason}。"
        ),
        hint=Message(
            en="Set HUOZI_HOST to an address of this machine, and HUOZI_PORT to one you may use.",
            zh="请将 HUOZI_HOST 设为本机地址，HUOZI_PORT 设为可用端口。",
        ),
    )


def _next(port: int) -> int:
    return port + 1 if port < 65535 else 8080


def _stop(_signal: int, _frame: Any) -> NoReturn:
    raise SystemExit(0)
