"""docker-compose.yml: its form, what it promises about safety, and that it agrees with the rest of the project."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from api.settings import load_settings, variables
from assistant.serving.engines import ServeOptions, generation_config, vllm
from assistant.serving.installs import PythonInstall
from assistant.serving.profile import load_profile
from assistant.serving.weights import Weights
from tests import vllm_server
from tests.compose_file import COMPOSE_FILE, ROOT, Service, read_file, read_services

PROFILE = "huozi3.5"
PROFILES = {"gpu": {"vllm", "chroma", "app"}, "cpu": {"chroma", "app-cpu"}}
SERVICES = read_file()["services"]
OURS = sorted(name for name, raw in SERVICES.items() if "build" in raw)


def service(name: str) -> Service:
    return read_services(profile=SERVICES[name]["profiles"][0])[name]


def test_the_file_is_a_compose_file_when_checked_against_the_specification() -> None:
    command = Path(sys.executable).with_name("check-jsonschema")
    done = subprocess.run(
        [command, "--builtin-schema", "vendor.compose-spec", COMPOSE_FILE], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_has_its_services_when_it_is_chosen(profile: str) -> None:
    assert set(read_services(profile=profile)) == PROFILES[profile]


def test_no_service_of_the_cpu_profile_asks_for_a_gpu_when_it_is_chosen() -> None:
    found = [one for one in read_services(profile="cpu").values() if "deploy" in one.raw]

    assert not found


def test_vllm_reserves_as_many_gpus_as_it_spreads_over_when_a_number_is_set() -> None:
    vllm = read_services({"DEPLOY_GPUS": "4"}, profile="gpu")["vllm"]
    (device,) = vllm.raw["deploy"]["resources"]["reservations"]["devices"]

    assert device == {"driver": "nvidia", "count": "4", "capabilities": ["gpu"]}
    assert "--tensor-parallel-size=4" in vllm.argv
    assert vllm.raw["shm_size"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_held_tight_when_it_runs(name: str) -> None:
    raw = SERVICES[name]

    assert raw["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in raw["security_opt"]
    assert raw["restart"] == "unless-stopped"
    assert raw["logging"]["options"]["max-size"]
    assert raw["logging"]["options"]["max-file"]
    assert raw["init"] is True
    assert not {"privileged", "cap_add", "pid", "ipc", "network_mode"} & set(raw)


@pytest.mark.parametrize("name", OURS)
def test_a_service_of_our_image_can_change_nothing_but_its_data_when_it_runs(name: str) -> None:
    raw = SERVICES[name]

    assert raw["read_only"] is True
    assert raw["user"] == "10001:10001"
    assert [place.partition(":")[0] for place in raw["tmpfs"]] == ["/tmp"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_port_is_open_to_this_machine_alone_when_it_is_published(name: str) -> None:
    ports = SERVICES[name].get("ports", [])

    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert bool(ports) == name.startswith("app")


def test_nobody_but_the_service_reaches_chroma_when_all_run() -> None:
    file = read_file()
    beside = {name for name, raw in SERVICES.items() if "store" in raw["networks"]}

    assert SERVICES["chroma"]["networks"] == ["store"]
    assert file["networks"]["store"] == {"internal": True}
    assert beside == {"chroma", "app", "app-cpu"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_a_health_check_and_waits_for_healthy_ones_when_it_starts(name: str) -> None:
    raw = SERVICES[name]

    assert raw["healthcheck"]["test"][0] == "CMD"
    assert all(told["condition"] == "service_healthy" for told in raw.get("depends_on", {}).values())


def test_the_app_waits_for_all_others_when_a_profile_starts() -> None:
    waits = {profile: set(read_services(profile=profile)[app].depends_on) for profile, app in app_names().items()}

    assert waits == {"gpu": {"vllm", "chroma"}, "cpu": {"chroma"}}


@pytest.mark.parametrize("name", SERVICES)
def test_what_must_survive_lies_in_a_named_volume_when_a_container_is_replaced(name: str) -> None:
    named = {volume.partition(":")[0] for volume in SERVICES[name]["volumes"]} & set(read_file()["volumes"])

    assert named == {{"vllm": "models", "chroma": "chroma"}.get(name, "data")}


@pytest.mark.parametrize("name", SERVICES)
def test_a_mounted_folder_is_read_only_when_it_is_the_hosts(name: str) -> None:
    bound = [volume for volume in SERVICES[name]["volumes"] if volume.startswith(("./", "/"))]

    assert all(volume.endswith(":ro") for volume in bound)


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_has_an_exact_version_when_it_is_named(name: str) -> None:
    tag = SERVICES[name]["image"].partition(":")[2]

    assert re.fullmatch(r"v?\d+\.\d+\.\d+", tag)


def test_our_image_has_our_version_when_it_is_named() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")

    assert {SERVICES[name]["image"] for name in OURS} == {f"huozi-assistant:{version}"}
    assert f"ARG VERSION={version}\n" in dockerfile


def test_the_dockerfile_has_the_same_base_when_compose_names_none() -> None:
    base = SERVICES["app"]["build"]["args"]["BASE"]

    assert f"ARG BASE={base}\n" in (ROOT / "Dockerfile").read_text("utf-8")


def test_every_variable_is_explained_when_the_file_uses_it() -> None:
    used = set(re.findall(r"\$\{(\w+)", COMPOSE_FILE.read_text("utf-8")))
    explained = set(read_file()["x-variables"])

    assert used - explained <= set(variables())
    assert explained - used == {"COMPOSE_PROFILES"}


def test_a_variable_has_one_default_when_it_is_used_twice() -> None:
    defaults: dict[str, set[str]] = {}
    for name, default in re.findall(r"\$\{(\w+):-([^}]*)\}", COMPOSE_FILE.read_text("utf-8")):
        defaults.setdefault(name, set()).add(default)

    assert {name: given for name, given in defaults.items() if len(given) > 1} == {}


def test_no_variable_of_compose_looks_like_a_setting_when_both_share_a_file() -> None:
    assert not [name for name in read_file()["x-variables"] if name.startswith("HUOZI_")]


@pytest.mark.parametrize("app", ["app", "app-cpu"])
def test_the_app_takes_its_environment_when_it_starts(
    app: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in service(app).environment.items():
        monkeypatch.setenv(name, value)

    settings = load_settings({"HUOZI_EMBEDDER": "none"})

    assert (settings.host, settings.port, str(settings.data_dir)) == ("0.0.0.0", 8080, "/data")
    assert settings.chroma_url == "http://chroma:8000"
    assert settings.llm.base_url == (None if app == "app-cpu" else "http://vllm:8000/v1")


def test_the_model_is_served_under_the_name_that_the_app_asks_for_when_both_run() -> None:
    asked = service("app").environment["HUOZI_LLM__MODEL"]

    assert f"--served-model-name={asked}" in service("vllm").argv


def test_vllm_and_the_app_share_one_window_when_it_is_set() -> None:
    default = load_settings({"HUOZI_EMBEDDER": "none"}).llm.window_tokens
    shorter = read_services({"HUOZI_LLM__WINDOW_TOKENS": "8192"}, profile="gpu")["vllm"]

    assert f"--max-model-len={default}" in service("vllm").argv
    assert "--max-model-len=8192" in shorter.argv


def test_vllm_asks_for_the_key_that_the_app_sends_when_one_is_set() -> None:
    vllm = read_services({"HUOZI_LLM__API_KEY": "sk-内部"}, profile="gpu")["vllm"]

    assert vllm.environment["VLLM_API_KEY"] == "sk-内部"


def test_the_mounted_template_is_ours_when_vllm_reads_it() -> None:
    from prompts import chat_template_path

    assert "--chat-template=/prompts/huozi.jinja" in service("vllm").argv
    assert "./prompts:/prompts:ro" in service("vllm").raw["volumes"]
    assert chat_template_path("huozi") == ROOT / "prompts" / "huozi.jinja"


def test_the_mounted_sampling_and_stop_ids_are_the_profiles_when_vllm_reads_them() -> None:
    given = json.loads((ROOT / "docker" / "generation" / "generation_config.json").read_text("utf-8"))

    assert given == generation_config(load_profile(PROFILE), {})
    assert given["eos_token_id"] == [57001]
    assert "--generation-config=/generation" in service("vllm").argv
    assert "./docker/generation:/generation:ro" in service("vllm").raw["volumes"]


def test_the_model_is_the_profiles_when_none_is_named() -> None:
    sources = load_profile(PROFILE).sources

    assert service("vllm").argv[2] == sources.huggingface == sources.modelscope


def test_vllm_is_started_as_huozi_model_serve_starts_it_when_both_serve_the_same() -> None:
    weights = Weights(path=Path("MODEL"), form="safetensors", tokenizer=None, size_bytes=0)
    options = ServeOptions(host="0.0.0.0", api_key="sk-1", tensor_parallel=4)
    install = PythonInstall(python=Path("python3"), program=Path("vllm"), version="0.32.0")
    ours = vllm.command(load_profile(PROFILE), weights, options, install=install, generation=Path("/generation"))
    theirs = read_services({"DEPLOY_GPUS": "4", "DEPLOY_MODEL": "MODEL"}, profile="gpu")["vllm"]
    only_here = {"--gpu-memory-utilization": "0.90"}

    assert flags(theirs.argv) == flags(ours.argv) | only_here | {"--chat-template": "/prompts/huozi.jinja"}


def test_the_vllm_of_the_tests_has_the_files_arguments_when_it_stands_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vllm_server, "build", lambda folder: folder)
    # The one place that knows it; the server itself is not started here.
    command = vllm_server.VllmServer(tmp_path)._command()
    changed = flags(tuple(command[command.index("--") + 1 :]))

    # `huozi model serve`, whose flags are compared above; what the tests change of them is not in the file.
    assert command[1:4] == ["model", "serve", PROFILE]
    assert changed.keys().isdisjoint(flags(service("vllm").argv))


def flags(argv: tuple[str, ...]) -> dict[str, str]:
    """Return a command's flags with their values, both `--flag value` and `--flag=value`."""
    words = [part for word in argv for part in (word.split("=", 1) if word.startswith("--") else [word])]
    following = [*words[1:], "--"]
    return {
        word: "" if after.startswith("--") else after
        for word, after in zip(words, following, strict=True)
        if word.startswith("--")
    }


def app_names() -> dict[str, str]:
    return {profile: next(name for name in names if name.startswith("app")) for profile, names in PROFILES.items()}


def healthy_url(raw: dict[str, Any]) -> str:
    found = re.search(r"http://127\.0\.0\.1:\d+/[\w/]+", " ".join(raw["healthcheck"]["test"]))
    assert found is not None
    return found[0]


def test_each_health_check_asks_where_its_service_answers_when_compared() -> None:
    assert {name: healthy_url(raw) for name, raw in SERVICES.items()} == {
        "vllm": "http://127.0.0.1:8000/health",
        "chroma": "http://127.0.0.1:8000/api/v2/heartbeat",
        "app": "http://127.0.0.1:8080/readyz",
        "app-cpu": "http://127.0.0.1:8080/readyz",
    }
