"""The numbers of a conversation's sources over HTTP, and after the service was started again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.integration.cli_process import HUOZI, environment, huozi
from tests.processes import ServerProcess, free_port
from tests.unit.assistant.sources.citing_server import CitingServer

LEAVE = "工作满十年的员工，每年享受十天带薪年休假。"
TRAVEL = "出差住宿费每晚不超过四百元，凭发票报销。"


@contextmanager
def service(data: Path, model: CitingServer) -> Iterator[str]:
    port = free_port()
    env = environment(data, HUOZI_LLM__BASE_URL=model.base_url)
    command = [HUOZI, "serve", "--port", str(port)]
    with ServerProcess(command, port=port, health="/healthz", log=data.parent / "serve.log", env=env) as server:
        yield server.url


def ask(url: str, messages: list[dict[str, str]], question: str) -> dict[str, Any]:
    """Ask with the whole conversation, and keep what was said as clients do."""
    messages.append({"role": "user", "content": question})
    body = {"model": "huozi-rag", "messages": messages}
    reply: dict[str, Any] = httpx.post(f"{url}/v1/chat/completions", json=body, timeout=60).json()
    messages.append({"role": "assistant", "content": reply["choices"][0]["message"]["content"].strip()})
    return reply


def test_numbers_last_as_long_as_the_service_that_gave_them(tmp_path: Path) -> None:
    files, data, messages = tmp_path / "制度", tmp_path / "data", list[dict[str, str]]()
    files.mkdir()
    (files / "休假.md").write_text(f"# 休假制度\n\n{LEAVE}", "utf-8")
    (files / "差旅.md").write_text(f"# 差旅制度\n\n{TRAVEL}", "utf-8")
    assert huozi("ingest", str(files), data=data).returncode == 0

    with CitingServer() as model:
        with service(data, model) as url:
            model.says = LEAVE
            first = ask(url, messages, "工作满十年享受几天年休假？")
            model.says = TRAVEL
            second = ask(url, messages, "出差住宿费每晚不超过多少元？")
            model.says = LEAVE
            third = ask(url, messages, "工作满十年的员工，年休假带薪吗？")
            kept = model.sent()
        with service(data, model) as url:
            model.says = TRAVEL
            fourth = ask(url, messages, "出差住宿费凭什么报销？")
            started_again = model.sent()

    numbers = [reply["citations"][0]["index"] for reply in (first, second, third, fourth)]
    assert numbers[0] == numbers[2] != numbers[1]
    assert kept[2] == f"{LEAVE}[{numbers[0]}]" and kept[4] == f"{TRAVEL}[{numbers[1]}]"
    assert [started_again[at] for at in (2, 4, 6)] == [LEAVE, TRAVEL, LEAVE]
    assert fourth["choices"][0]["message"]["content"].endswith(f"[{numbers[3]}]")
