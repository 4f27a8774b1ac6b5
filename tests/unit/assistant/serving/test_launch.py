"""Engines here are small Python programs: what is tested is how they are started, watched and ended."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from assistant.serving.engines import Command
from assistant.serving.errors import EngineFailedError, EngineMissingError, PortTakenError
from assistant.serving.failures import cause_of, tail
from assistant.serving.launch import Engine, Waiting, check_port, exit_code, signals_passed_to
from tests.processes import free_port

SERVER = """
import http.server, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("child", child.pid, flush=True)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('here', flush=True); time.sleep(600)"
)


def engine_of(program: str, log: Path, *, then: tuple[tuple[str, ...], ...] = ()) -> Engine:
    port = free_port()
    command = Command(
        engine="vllm",
        argv=(sys.executable, "-c", program, str(port)),
        ready_url=f"http://127.0.0.1:{port}/health",
        base_url=f"http://127.0.0.1:{port}/v1",
        then=then,
    )
    return Engine(command, environment=os.environ, log=log)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)


def test_children_end_too_when_an_engine_is_stopped(tmp_path: Path):
    with engine_of(SERVER, tmp_path / "日志" / "e.log") as engine:
        seen: list[Waiting] = []
        engine.wait_ready(deadline_s=60, progress=seen.append)
        child = int(engine.log_text.split()[1])
        assert psutil.pid_exists(child)

    assert engine.process.poll() is not None
    until(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)


def test_the_log_is_shown_with_its_cause_when_an_engine_ends_early(tmp_path: Path):
    program = "import sys; print('loading'); sys.exit('torch.OutOfMemoryError: CUDA out of memory.')"
    with engine_of(program, tmp_path / "e.log") as engine, pytest.raises(EngineFailedError) as caught:
        engine.wait_ready(deadline_s=60)

    assert caught.value.render("en").startswith(
        f"vllm ended with exit code 1 before it was ready. Last lines of {tmp_path / 'e.log'}:\n"
    )
    assert "CUDA out of memory." in caught.value.render("en")
    assert "显存不足：用 `huozi model plan` 查看需要多少" in caught.value.render("zh")


def test_lack_of_memory_is_supposed_when_the_system_kills_an_engine(tmp_path: Path):
    program = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    with engine_of(program, tmp_path / "e.log") as engine, pytest.raises(EngineFailedError) as caught:
        engine.wait_ready(deadline_s=60)

    assert "vllm ended by signal 9" in caught.value.render("en")
    assert "lack of main memory" in caught.value.render("en")


def test_it_is_stopped_and_said_when_an_engine_is_too_slow(tmp_path: Path):
    with engine_of("import time; time.sleep(600)", tmp_path / "e.log") as engine, pytest.raises(EngineFailedError) as c:
        engine.wait_ready(deadline_s=0.5)

    assert "vllm was not ready after 0.5 s and was stopped." in c.value.render("en")
    assert "--wait" in c.value.render("en")
    assert engine.process.poll() is not None


def test_what_an_engine_wants_done_runs_when_it_is_ready(tmp_path: Path):
    made = tmp_path / "made"
    step = (sys.executable, "-c", f"open({str(made)!r}, 'w').close()")
    with engine_of(SERVER, tmp_path / "e.log", then=(step,)) as engine:
        engine.wait_ready(deadline_s=60)
        assert made.exists()

    failing = (sys.executable, "-c", "raise SystemExit('no such file: model.gguf')")
    with engine_of(SERVER, tmp_path / "f.log", then=(failing,)) as engine, pytest.raises(EngineFailedError) as caught:
        engine.wait_ready(deadline_s=60)
    assert "failed with exit code 1:\nno such file: model.gguf" in caught.value.render("en")


def test_the_program_is_named_when_it_cannot_be_started(tmp_path: Path):
    command = Command(engine="ollama", argv=("/无/ollama", "serve"), ready_url="http://127.0.0.1:1", base_url="")
    with pytest.raises(EngineMissingError) as caught:
        Engine(command, environment={}, log=tmp_path / "e.log")

    assert "'/无/ollama' cannot be started: No such file or directory." in caught.value.render("en")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_a_signal_ends_the_engine_when_this_process_gets_it(number: signal.Signals, code: int, tmp_path: Path):
    with engine_of(SERVER, tmp_path / "e.log") as engine, signals_passed_to(engine) as received:
        engine.wait_ready(deadline_s=60)
        threading.Timer(0.1, os.kill, [os.getpid(), number]).start()

        assert exit_code(engine.wait(), received) == code


def test_a_second_signal_kills_when_the_engine_does_not_listen(tmp_path: Path):
    with engine_of(STUBBORN, tmp_path / "e.log") as engine, signals_passed_to(engine) as received:
        until(lambda: "here" in engine.log_text)
        signal.raise_signal(signal.SIGINT)
        assert engine.process.poll() is None
        signal.raise_signal(signal.SIGINT)

        assert (engine.wait(), received) == (-signal.SIGKILL, [signal.SIGINT, signal.SIGINT])


@pytest.mark.parametrize(
    ("code", "received", "told"),
    [(3, [], 3), (-9, [], 137), (0, [], 0), (1, [2], 130), (-15, [15], 0), (0, [15, 2], 130)],
)
def test_the_exit_code_says_who_ended_it_when_an_engine_has_ended(code: int, received: list[int], told: int):
    assert exit_code(code, received) == told


def test_the_next_port_is_proposed_when_one_is_taken():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortTakenError) as caught:
            check_port("127.0.0.1", port)

    assert caught.value.render("zh") == (
        f"'127.0.0.1' 的端口 {port} 已被占用。请停止占用它的程序，或换一个端口：--port {port + 1}。"
    )


def test_the_address_is_refused_when_it_is_not_this_machines():
    with pytest.raises(PortTakenError) as caught:
        check_port("203.0.113.7", 8000)

    assert "Cannot listen on '203.0.113.7', port 8000:" in caught.value.render("en")


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("RuntimeError: Failed to infer device type", "nvidia-smi"),
        ("ValueError: To serve at least one request ... larger than the available KV cache memory", "--window"),
        ("OSError: /m does not appear to have a file named config.json", "huozi model download"),
        ("api_server.py: error: unrecognized arguments: --foo", "after `--`"),
        ("OSError: [Errno 98] Address already in use", "--port"),
        ("ImportError: libcudart.so.13", "install it again"),
    ],
)
def test_a_known_failure_has_its_hint_when_the_log_shows_it(line: str, hint: str):
    found = cause_of(f"INFO start\n\x1b[31m{line}\x1b[0m\n")

    assert found is not None and hint in found.en


def test_an_unknown_failure_has_no_hint_when_the_log_shows_nothing_known():
    assert cause_of("segmentation fault") is None


def test_the_tail_has_no_colours_and_progress_bars_when_a_log_has():
    assert tail("a\n\n\x1b[32m1%\r2%\r\x1b[0m 中文 \n", 2) == "2%\n 中文"
