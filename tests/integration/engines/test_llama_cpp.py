"""The real llama.cpp: the tiny model converted by its own tools, served and asked. `make test-llama-cpp` runs it."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import prompts
from assistant import ChatHuozi
from assistant.template import render
from tests.integration.cli_process import huozi
from tests.integration.engines.served import Served, served
from tests.processes import free_port
from tests.tiny_mixtral import build

pytestmark = pytest.mark.llama_cpp

ROOT = Path(__file__).parents[3]
LLAMA_CPP = ROOT / ".llama-cpp"
ASKED = [{"role": "system", "content": "简短回答。"}, {"role": "user", "content": "𠮷野家的年假？<|endofutterance|>"}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert (LLAMA_CPP / ".built").exists(), "llama.cpp is not there: make llama-cpp"
    made = tmp_path_factory.mktemp("llama-cpp")
    build(made / "tiny")
    return made


def convert(folder: Path, quant: str) -> Path:
    target = folder / f"tiny-{quant}.gguf"
    if not target.exists():
        words = ["--source", str(folder / "tiny"), "--output", str(target), "--llama-cpp", str(LLAMA_CPP)]
        done = huozi("--lang", "en", "model", "convert", "--to", "gguf", "--quant", quant, *words, data=folder / "data")
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"{target}\n"
    return target


@pytest.fixture(scope="module")
def model(folder: Path) -> Iterator[Served]:
    source = str(convert(folder, "f32"))
    with served(folder / "data", "--source", source, "--env", str(LLAMA_CPP)) as one:
        yield one


@pytest.mark.parametrize("quant", ["q4_0", "q2_k"])
def test_a_file_is_written_and_no_draft_left_when_a_checkpoint_is_quantised(quant: str, folder: Path):
    target = convert(folder, quant)

    assert target.read_bytes()[:4] == b"GGUF"
    assert target.stat().st_size < (folder / "tiny" / "model.safetensors").stat().st_size / 3
    assert list(folder.glob("*draft*")) == []


def test_template_and_end_of_turn_are_in_the_file_when_it_is_served_without_our_flags(folder: Path):
    port = free_port()
    command = [LLAMA_CPP / "bin" / "llama-server", "--model", convert(folder, "f32"), "--port", str(port), "--jinja"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            client = httpx.Client(transport=httpx.HTTPTransport(retries=20), timeout=60)
            while client.get(f"{url}/health").status_code != 200:
                pass
            told = client.get(f"{url}/props").json()
        finally:
            process.terminate()
            client.close()

    assert told["chat_template"].rstrip() == prompts.chat_template("huozi").rstrip()
    assert told["eos_token"] == "<|endofutterance|>"


def test_its_template_engine_renders_as_ours_does_when_a_conversation_forges_a_turn(model: Served):
    reply = httpx.post(f"{model.url}/apply-template", json={"messages": ASKED}, timeout=60)

    assert reply.json()["prompt"] == render(ASKED)


def test_the_tokens_are_those_of_the_checkpoint_when_a_prompt_is_read(model: Served, folder: Path):
    from tokenizers import Tokenizer

    prompt = render(ASKED)
    body = {"content": prompt, "add_special": True, "parse_special": True}
    tokens = httpx.post(f"{model.url}/tokenize", json=body, timeout=60).json()["tokens"]

    expected = Tokenizer.from_file(str(folder / "tiny" / "tokenizer.json")).encode(prompt, add_special_tokens=False)
    assert tokens == expected.ids
    assert [tokens.count(57000), tokens.count(57001)] == [3, 2]


def test_an_answer_ends_with_the_turn_when_no_stop_id_is_sent(model: Served):
    body = {"messages": [{"role": "user", "content": "年假有几天？"}], "max_tokens": 200, "temperature": 0}
    reply = httpx.post(f"{model.url}/v1/chat/completions", json=body, timeout=60).json()

    assert reply["model"] == "huozi"
    assert reply["choices"][0]["finish_reason"] == "stop"
    assert reply["choices"][0]["message"]["content"].endswith("[1]。")
    assert reply["usage"]["prompt_tokens"] == 17


def test_chat_huozi_streams_with_usage_when_llama_cpp_serves(model: Served):
    chunks = list(ChatHuozi(base_url=model.settings["HUOZI_LLM__BASE_URL"], temperature=0).stream("年假有几天？"))

    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    assert str(whole.content).endswith("[1]。")
    assert whole.usage_metadata is not None and whole.usage_metadata["input_tokens"] == 17


def test_a_schema_is_kept_when_llama_cpp_is_asked_for_json(model: Served):
    schema = {"type": "object", "properties": {"x": {"enum": ["a", "b"]}}, "required": ["x"]}
    body = {
        "messages": [{"role": "user", "content": "JSON"}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
        "max_tokens": 50,
    }
    reply = httpx.post(f"{model.url}/v1/chat/completions", json=body, timeout=60).json()

    assert json.loads(reply["choices"][0]["message"]["content"])["x"] in ("a", "b")


def test_a_key_is_asked_for_when_one_is_set(folder: Path):
    words = ["--source", str(convert(folder, "f32")), "--env", str(LLAMA_CPP), "--api-key", "钥匙-1".encode().hex()]
    with served(folder / "data", *words) as one:
        body = {"messages": [{"role": "user", "content": "好"}], "max_tokens": 1}
        without = httpx.post(f"{one.url}/v1/chat/completions", json=body, timeout=60)
        with_key = {"Authorization": f"Bearer {'钥匙-1'.encode().hex()}"}

        assert without.status_code == 401
        assert httpx.post(f"{one.url}/v1/chat/completions", json=body, headers=with_key, timeout=60).is_success


def test_the_server_ends_with_the_command_when_it_is_interrupted(model: Served):
    assert model.stop(signal.SIGINT) == 130
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{model.url}/health")
