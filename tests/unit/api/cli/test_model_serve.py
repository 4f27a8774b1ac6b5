"""`huozi model serve|generate|convert|download`: what they print and refuse. The engines are small scripts."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import pytest

from api.cli import run
from tests.processes import free_port
from tests.unit.assistant.serving import tiny_checkpoint
from tests.unit.assistant.serving.tiny_checkpoint import write_gguf

SERVER = f"""#!{sys.executable}
import http.server, json, sys
port = int(sys.argv[sys.argv.index("--port") + 1])
class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args): pass
    def do_GET(self):
        self.send_response(200); self.end_headers(); print("asked", flush=True)
http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""
DEAD = f"#!{sys.executable}\nimport sys; sys.exit('error: failed to open GGUF file')\n"


@pytest.fixture
def gguf(tmp_path: Path) -> str:
    return str(write_gguf(tmp_path / "模型" / "huozi3-q4_0.gguf"))


def engine(folder: Path, program: str) -> str:
    path = folder / "llama" / "llama-server"
    path.parent.mkdir(exist_ok=True)
    path.write_text(program, "utf-8")
    path.chmod(0o755)
    return str(path.parent)


def stop_once_ready(log: Path) -> None:
    """End this process's command a second after its engine was asked whether it is ready, which it then is."""
    while not log.exists() or "asked" not in log.read_text():
        time.sleep(0.05)
    time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)


def huozi(*words: str) -> int:
    return run(["--lang", "en", "model", *words])


def test_the_settings_are_printed_and_a_signal_ends_it_when_a_model_is_served(
    tmp_path: Path, gguf: str, capfd: pytest.CaptureFixture[str]
):
    port = free_port()
    stopper = threading.Thread(target=stop_once_ready, args=[tmp_path / "data" / "logs" / f"model-{port}.log"])
    stopper.start()
    words = ["--source", gguf, "--env", engine(tmp_path, SERVER), "--port", str(port), "--window", "4096"]
    code = huozi("serve", "huozi3-gguf", *words)

    told = capfd.readouterr()
    assert code == 0
    assert told.out == (
        f"HUOZI_LLM__BASE_URL=http://127.0.0.1:{port}/v1\n"
        "HUOZI_LLM__PROFILE=huozi3-gguf\nHUOZI_LLM__WINDOW_TOKENS=4096\n"
    )
    assert "Starting llama.cpp, log: " in told.err and "The model server was stopped" in told.err
    assert (tmp_path / "data" / "logs" / f"model-{port}.log").read_text() == "asked\n"


def test_the_log_and_the_way_out_are_shown_when_the_engine_dies(
    tmp_path: Path, gguf: str, capfd: pytest.CaptureFixture[str]
):
    assert huozi("serve", "--source", gguf, "--env", engine(tmp_path, DEAD), "--port", str(free_port())) == 1

    told = capfd.readouterr().err
    assert "Error: llama.cpp ended with exit code 1 before it was ready." in told
    assert "error: failed to open GGUF file" in told and "huozi model download" in told


def test_the_command_is_shown_and_nothing_started_when_it_is_a_dry_run(
    tmp_path: Path, gguf: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HUOZI_LLM__API_KEY", "秘密")
    words = ["--host", "0.0.0.0", "--window", "2048", "--dry-run", "--", "--mlock"]
    assert huozi("serve", "--source", gguf, "--env", engine(tmp_path, DEAD), *words) == 0

    told = capsys.readouterr().out
    assert f"--model {gguf}" in told.replace("'", "") and "--ctx-size 2048" in told
    assert told.rstrip().endswith("--mlock")
    assert "LLAMA_API_KEY=... " in told and "秘密" not in told


@pytest.mark.parametrize("format_name", ["q2_k", "q4_0"])
def test_nothing_is_downloaded_when_it_is_a_dry_run(
    tmp_path: Path, format_name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody answers there
    words = ["--format", format_name, "--env", engine(tmp_path, DEAD), "--models-dir", str(tmp_path / "models")]
    assert huozi("serve", "huozi3-gguf", *words, "--port", str(free_port()), "--dry-run") == 0

    place = tmp_path / "models" / "HIT-SCIR--huozi3-gguf" / f"huozi3-{format_name}.gguf"
    assert f"--model {place}" in capsys.readouterr().out
    assert not place.parent.exists()


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--engine", "sglang"], 2, "There is no engine 'sglang'; there are vllm, transformers, llama.cpp, ollama"),
        (["huozi4"], 1, "There is no profile 'huozi4'"),
        (["--format", "q9"], 1, "huozi3.5 has no format 'q9'; it has bf16, awq, q4_0, q2_k."),
        (["--source", "/无"], 1, "'/无' is not there."),
        (["--source", "modelscop"], 1, "'modelscop' is not there. Give a folder with config.json"),
        (["--host", "0.0.0.0"], 1, "Listening on '0.0.0.0' opens the model to the network, and no API key is set."),
        (["--engine", "ollama", "--host", "::"], 1, "ollama knows no API key, so it must not listen on '::'."),
        (["--window", "9"], 2, "--window"),
        (["--port", "70000"], 2, "--port"),
        (["--env", "/无"], 2, "--env"),
    ],
)
def test_it_is_refused_with_a_reason_when_it_cannot_be_served(
    words: list[str], code: int, told: str, capsys: pytest.CaptureFixture[str]
):
    assert huozi("serve", *words) == code

    assert told in capsys.readouterr().err


def test_a_taken_port_is_told_before_anything_is_downloaded(capsys: pytest.CaptureFixture[str]):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert huozi("serve", "--port", str(port)) == 1

    assert f"Error: Port {port} on '127.0.0.1' is in use." in capsys.readouterr().err


def test_what_works_without_a_gpu_is_told_when_vllm_needs_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    env = tmp_path / "env"
    (env / "lib" / "python3.12" / "site-packages" / "vllm-0.32.0.dist-info").mkdir(parents=True)
    source = str(tiny_checkpoint.write(tmp_path / "m"))
    assert huozi("serve", "--source", source, "--env", str(env), "--port", str(free_port())) == 1

    assert "Error: vllm needs a GPU, and this machine shows none." in capsys.readouterr().err


def test_a_folder_is_checked_when_it_is_the_source_of_a_download(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = tiny_checkpoint.write(tmp_path / "m")
    assert huozi("download", "--source", str(folder)) == 0
    assert capsys.readouterr().out == f"{folder}\n"

    (folder / "tokenizer.json").unlink()
    assert huozi("download", "--source", str(folder)) == 1
    assert "has no tokenizer" in capsys.readouterr().err


def test_ollama_is_told_of_the_model_when_one_runs_already(
    tmp_path: Path, gguf: str, capfd: pytest.CaptureFixture[str]
):
    program = Path(engine(tmp_path, "")) / "ollama"
    program.write_text(
        f"#!{sys.executable}\nimport os, sys\nprint(sys.argv[1:], os.environ['OLLAMA_HOST'],"
        f" file=open({str(tmp_path / 'asked')!r}, 'a'))\nassert sys.argv[1] == 'create'\n"
    )
    program.chmod(0o755)
    from tests.scripted_ollama import OllamaServer

    with OllamaServer() as server:
        words = ["--engine", "ollama", "--port", str(server.port), "--env", str(program.parent)]
        assert huozi("serve", "huozi3-gguf", "--source", gguf, *words) == 0

    modelfile = tmp_path / "data" / "serving" / str(server.port) / "Modelfile"
    assert (tmp_path / "asked").read_text() == (
        f"['create', 'huozi', '-f', {str(modelfile)!r}] 127.0.0.1:{server.port}\n"
    )
    assert f"HUOZI_LLM__BASE_URL=http://127.0.0.1:{server.port}/v1\n" in capfd.readouterr().out
    assert modelfile.read_text("utf-8").startswith(f"FROM {gguf}\n")


def test_the_awq_job_is_written_and_the_command_shown_when_it_is_a_dry_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = tiny_checkpoint.write(tmp_path / "m")
    texts = tmp_path / "t.jsonl"
    texts.write_text('{"prompt": "年假？"}\n' * 16, "utf-8")
    words = ["--to", "awq", "--source", str(folder), "--texts", str(texts)]
    assert huozi("convert", *words, "--dry-run") == 0

    program, script, job = capsys.readouterr().out.split()
    told = json.loads(Path(job).read_text("utf-8"))
    assert program == sys.executable and Path(script).name == "awq.py"
    assert told["output"] == str(tmp_path / "data" / "models" / "huozi3.5-awq")
    assert len(Path(told["texts"]).read_text("utf-8").splitlines()) == 16
    assert (Path(told["model"]) / "model.safetensors").exists()

    assert huozi("convert", *words) == 1
    assert "awq needs a GPU, and this machine shows none. Quantise on a machine with one" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--to", "awq"], 2, "--to awq needs --texts FILE"),
        (["--to", "gguf", "--quant", "q99"], 1, "llama.cpp has no quantisation 'q99'."),
        (["--to", "onnx"], 2, "--to"),
        (["huozi-7b-sft", "--to", "awq", "--texts", "t"], 1, "The AWQ recipe is for Mixtral; huozi-7b-sft is bloom."),
    ],
)
def test_a_conversion_is_refused_with_a_reason_when_it_cannot_be(
    words: list[str], code: int, told: str, capsys: pytest.CaptureFixture[str]
):
    assert huozi("convert", *words) == code

    assert told in capsys.readouterr().err


def test_a_file_is_kept_when_a_conversion_would_write_over_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = tiny_checkpoint.write(tmp_path / "m")
    target = write_gguf(tmp_path / "h.gguf")
    assert huozi("convert", "--to", "gguf", "--source", str(folder), "--output", str(target)) == 1

    assert f"{str(target)!r} is there already. Remove it, or give another --output." in capsys.readouterr().err
    assert target.read_bytes().startswith(b"GGUF")


def test_the_batch_is_read_before_a_model_is_loaded(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "in.jsonl").write_text('{"id": 1}\n')
    assert huozi("generate", "--input", str(tmp_path / "in.jsonl")) == 1

    assert "line 1: needs either messages or prompt" in capsys.readouterr().err
