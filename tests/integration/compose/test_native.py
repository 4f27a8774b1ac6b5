"""The three services of docker-compose.yml together, as processes of this machine."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import vllm_server
from tests.compose_file import read_services
from tests.integration.cli_process import HUOZI
from tests.integration.compose.native import Native, without_settings
from tests.vllm_server import VllmServer

ROOT = Path(__file__).parents[3]
SAMPLE = ROOT / "samples" / "差旅报销标准.md"
QUESTION = "出差住宿费的标准是多少？"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, vllm: VllmServer) -> Iterator[Native]:
    one = Native(tmp_path_factory.mktemp("compose"), profile="gpu", vllm=vllm.root_url)
    try:
        one.start_all()
        documents = one.folder / "documents"
        documents.mkdir()
        shutil.copy(SAMPLE, documents)
        command(one, "ingest", str(documents))
        yield one
    finally:
        one.close()


def command(stack: Native, *words: str) -> str:
    """Run `huozi` as `docker compose exec` does: beside the running service, on its data folder."""
    environment = {**os.environ, **without_settings(), **stack.environment(stack.app)}
    done = subprocess.run(
        [HUOZI, *words],
        env=environment,
        cwd=stack.folder,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def key_of(stack: Native) -> str:
    return (stack.data / "api-key").read_text("utf-8").strip()


def post(stack: Native, body: dict[str, Any], key: str | None = None) -> httpx.Response:
    headers = {"authorization": f"Bearer {key or key_of(stack)}"}
    return httpx.post(f"{stack.url}/v1/chat/completions", json=body, headers=headers, timeout=120)


def ask(stack: Native, model: str) -> dict[str, Any]:
    turns = [{"role": "user", "content": QUESTION}]
    reply = post(stack, {"model": model, "messages": turns, "max_tokens": 16})
    assert reply.status_code == 200, reply.text
    answer: dict[str, Any] = reply.json()
    return answer


def found(stack: Native) -> list[dict[str, Any]]:
    reply = httpx.post(
        f"{stack.url}/v1/vector_stores/default/search",
        json={"query": QUESTION},
        headers={"authorization": f"Bearer {key_of(stack)}"},
        timeout=60,
    )
    assert reply.status_code == 200, reply.text
    hits: list[dict[str, Any]] = reply.json()["data"]
    return hits


def was_written(answer: dict[str, Any]) -> bool:
    """Whether the model was sent sources and wrote something; its random words are in no document, so none is shown."""
    return bool(answer["usage"]["prompt_tokens"] > 100 and answer["usage"]["completion_tokens"] > 0)


def readiness(stack: Native) -> tuple[int, dict[str, Any]]:
    reply = httpx.get(f"{stack.url}/readyz", timeout=30)
    return reply.status_code, reply.json()["checks"]


def test_every_dependency_answers_when_the_health_checks_have_passed(stack: Native) -> None:
    status, checks = readiness(stack)

    assert status == 200
    assert {name: checks[name]["status"] for name in ("vectors", "model_server")} == {
        "vectors": "ok",
        "model_server": "ok",
    }


def test_the_model_answers_from_documents_when_a_key_is_shown(stack: Native) -> None:
    answer = ask(stack, "huozi-rag")

    assert was_written(answer)


def test_the_model_itself_answers_when_an_agent_asks_for_it(stack: Native) -> None:
    answer = ask(stack, "huozi")

    assert answer["model"] == "huozi"
    assert isinstance(answer["choices"][0]["message"]["content"], str)
    assert answer["usage"]["completion_tokens"] > 0


@pytest.mark.parametrize("key", ["hz-猜的", "hz-0123456789"])
def test_the_service_refuses_when_the_key_is_wrong(key: str, stack: Native) -> None:
    reply = httpx.get(f"{stack.url}/v1/models", headers={"authorization": f"Bearer {key}".encode()}, timeout=30)

    assert reply.status_code == 401


def test_the_first_key_is_its_owners_alone_when_the_service_has_started(stack: Native) -> None:
    place = stack.data / "api-key"

    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert str(place) in stack.log("app")
    assert key_of(stack) not in stack.log("app")


def test_the_vectors_lie_in_the_chroma_server_when_documents_were_brought_in(stack: Native) -> None:
    collections = httpx.get(
        f"{stack.urls['chroma']}/api/v2/tenants/default_tenant/databases/default_database/collections", timeout=30
    ).json()

    assert len(collections) == 1
    assert not (stack.data / "chroma").exists()


def test_nothing_is_lost_when_the_app_is_replaced(stack: Native) -> None:
    key, hits = key_of(stack), found(stack)

    stack.stop("app")
    assert not stack.is_healthy("app")
    stack.start("app")
    stack.wait_healthy("app")

    assert hits
    assert found(stack) == hits
    assert key_of(stack) == key
    assert len(json.loads(command(stack, "keys", "list", "--json"))["keys"]) == 1
    assert was_written(ask(stack, "huozi-rag"))


def test_the_app_says_so_and_recovers_when_chroma_is_gone_for_a_while(stack: Native) -> None:
    hits = found(stack)

    stack.stop("chroma")
    status, checks = readiness(stack)
    told = stack.check("app")
    stack.start("chroma")
    stack.wait_healthy("chroma")
    stack.wait_healthy("app")

    assert (status, checks["vectors"]["status"], checks["catalog"]["status"]) == (503, "failed", "ok")
    assert told.returncode == 1
    assert '"vectors"' in told.stderr
    assert found(stack) == hits


def test_the_vectors_are_made_again_when_chromas_volume_is_lost(stack: Native) -> None:
    hits = found(stack)

    stack.close()
    shutil.rmtree(stack.folder / "chroma")
    stack.start_all()

    assert found(stack) == hits


def test_the_cpu_profile_quotes_the_same_documents_when_it_takes_over_the_volumes(stack: Native) -> None:
    stack.close()
    without = Native(stack.folder, profile="cpu")
    try:
        without.start_all()
        answer = ask(without, "huozi-rag")
    finally:
        without.close()

    assert (answer["mode"], answer["refused"]) == ("extractive", False)
    assert [citation["title"] for citation in answer["citations"]]


def test_vllm_understands_every_argument_when_it_reads_the_files_command(vllm: VllmServer) -> None:
    program, verb, *arguments = read_services({"DEPLOY_GPUS": "4"}, profile="gpu")["vllm"].argv
    here = [word.replace("/prompts/", f"{ROOT}/prompts/") for word in arguments]
    done = subprocess.run(
        [vllm_server.PYTHON, Path(__file__).with_name("vllm_arguments.py"), *here],
        capture_output=True,
        encoding="utf-8",
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    understood = json.loads(done.stdout.splitlines()[-1])

    assert (program, verb) == ("vllm", "serve")
    assert understood["model_tag"] == "HIT-SCIR/huozi3.5"
    assert understood["served_model_name"] == ["huozi"]
    assert understood["tensor_parallel_size"] == 4
    assert (understood["host"], understood["port"]) == ("0.0.0.0", 8000)
    assert (understood["generation_config"], understood["gpu_memory_utilization"]) == ("/generation", 0.9)


def test_the_app_ends_and_says_why_when_chroma_is_not_there(tmp_path: Path) -> None:
    alone = Native(tmp_path, profile="cpu")
    try:
        alone.start("app-cpu")
        code = alone.running["app-cpu"].process.wait(timeout=120)
    finally:
        alone.close()

    # The restart policy tries again.
    assert code == 1
    assert f"Chroma（'{alone.urls['chroma']}'）出错" in alone.log("app-cpu")
    assert not (alone.data / "api-key").exists()
