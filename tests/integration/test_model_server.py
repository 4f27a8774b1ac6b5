"""`huozi serve` beside a model server that is down, foreign or small: it starts at once and says so."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from prompts import chat_template_path
from tests.integration.cli_process import HUOZI, environment
from tests.processes import ServerProcess, free_port
from tests.servers import free_url
from tests.template_server import TemplateServer

PATIENCE_S = 20


@contextmanager
def service(folder: Path, base_url: str) -> Iterator[ServerProcess]:
    port = free_port()
    env = environment(folder / "data", HUOZI_LLM__BASE_URL=base_url)
    command = [HUOZI, "serve", "--port", str(port)]
    with ServerProcess(command, port=port, health="/healthz", log=folder / "serve.log", env=env) as server:
        yield server


def note_in(log: Path) -> str:
    """Return the line that warns; empty if none comes in time."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if notes := [line for line in log.read_text("utf-8").splitlines() if line.startswith("注意：")]:
            return notes[0]
        time.sleep(0.1)
    return ""


def test_serve_starts_and_warns_when_the_model_server_is_down(tmp_path: Path) -> None:
    url = free_url()
    with service(tmp_path, url) as server:
        assert note_in(server.log) == (
            f"注意：模型服务 {url!r} 没有应答。请确认模型服务已启动、HUOZI_LLM__BASE_URL 是它的地址；"
            "不设 HUOZI_LLM__BASE_URL 则直接摘录原文作答，不用模型。"
        )
        reply = httpx.get(f"{server.url}/readyz", timeout=30)
        assert (reply.status_code, reply.json()["checks"]["model_server"]) == (
            503,
            {"status": "failed", "code": "model_server_down"},
        )


def test_serve_names_the_template_to_start_with_when_the_server_has_none(tmp_path: Path) -> None:
    with TemplateServer(None) as model, service(tmp_path, model.base_url) as server:
        assert note_in(server.log) == (
            f"注意：模型服务 {model.base_url!r} 没有对话模板。请用 `huozi model serve` 启动，"
            f"或给 vLLM 加上 --chat-template {chat_template_path('huozi')}。"
        )
