"""Commands beside a running service: they reach it through its token."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from retrieval.owner import OWNER_FILE, read_owner
from tests.integration.cli_process import huozi, service
from tests.processes import ServerProcess

HANDBOOK = "员工手册\n\n第一条 员工每年享有五天带薪年假。𠮷😀\n\n第二条 试用期员工没有年假。\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("owner")
    (folder / "文件").mkdir()
    (folder / "文件" / "员工手册.txt").write_text(HANDBOOK, "utf-8")
    return folder


@pytest.fixture(scope="module")
def data(place: Path) -> Path:
    return place / "data"


@pytest.fixture(scope="module")
def running(place: Path, data: Path) -> Iterator[ServerProcess]:
    with service(data, "--ingest", str(place / "文件")) as server:
        yield server


def test_the_service_tells_its_address_and_nothing_else_when_it_is_up(running: ServerProcess) -> None:
    lines = running.log.read_text("utf-8").splitlines()

    assert f"服务已启动：{running.url}" in lines
    assert len(lines) <= 5


def test_a_question_is_answered_by_the_service_when_it_owns_the_folder(running: ServerProcess, data: Path) -> None:
    done = huozi("ask", "员工每年有几天带薪年假", data=data)

    assert done.returncode == 0, done.stderr
    assert "五天带薪年假" in done.stdout
    assert "[1] 《员工手册》" in done.stderr


def test_search_finds_the_same_when_the_service_does_it(running: ServerProcess, data: Path) -> None:
    found = json.loads(huozi("search", "试用期", "年假", "-k", "2", "--json", data=data).stdout)

    assert found["question"] == "试用期 年假"
    assert "试用期员工没有年假" in found["hits"][0]["text"]


def test_a_collection_lives_its_life_when_the_service_does_it(running: ServerProcess, data: Path, place: Path) -> None:
    name = "人事/制度".replace("/", "·")
    assert huozi("collections", "create", name, data=data).returncode == 0
    twice = huozi("collections", "create", name, data=data)
    relative = huozi("ingest", "文件", "-c", name, "--json", data=data)
    listed = json.loads(huozi("documents", "list", "-c", name, "--json", data=data).stdout)
    source = listed["documents"][0]["source"]
    shown = huozi("documents", "show", source, "-c", name, "--text", data=data)
    assert huozi("documents", "delete", source, "-c", name, data=data).returncode == 0
    assert huozi("collections", "delete", name, data=data).returncode == 0
    gone = huozi("collections", "show", name, data=data)

    assert (twice.returncode, twice.stderr) == (1, f"错误：集合 {name!r} 已存在。\n")
    assert json.loads(relative.stdout)["added"] == 1, relative.stderr
    assert "𠮷😀" in shown.stdout
    assert gone.returncode == 1


def test_a_failed_file_is_told_by_the_client_when_the_service_ingests(
    running: ServerProcess, data: Path, place: Path
) -> None:
    empty = place / "空.txt"
    empty.write_bytes(b"")

    done = huozi("--lang", "en", "ingest", str(empty), "--json", data=data)

    assert done.returncode == 1
    assert json.loads(done.stdout)["failed"][0]["code"] == "empty_file"
    assert done.stderr.startswith("Failed: 空.txt: ")


def test_keys_open_the_api_but_not_the_owners_door_when_the_service_runs(running: ServerProcess, data: Path) -> None:
    made = json.loads(huozi("keys", "create", "测试", "--json", data=data).stdout)
    try:
        headers = {"authorization": f"Bearer {made['secret']}"}
        with httpx.Client(base_url=running.url, trust_env=False) as client:
            assert client.get("/v1/models").status_code == 401
            assert client.get("/v1/models", headers=headers).status_code == 200
            refused = client.post("/owner/list_keys", json={}, headers=headers)
        assert refused.status_code == 401
        # The command line needs no key: it can read the data folder.
        assert huozi("keys", "list", data=data).returncode == 0
    finally:
        huozi("keys", "revoke", made["id"], data=data)


def test_the_owners_door_stays_shut_when_the_token_is_missing_or_wrong(running: ServerProcess) -> None:
    with httpx.Client(base_url=running.url, trust_env=False) as client:
        bare = client.post("/owner/list_keys", json={})
        wrong = client.post("/owner/list_keys", json={}, headers={"authorization": "Bearer 猜".encode()})

    assert (bare.status_code, wrong.status_code) == (401, 401)


def test_the_owner_refuses_what_is_no_command_when_asked(running: ServerProcess, data: Path) -> None:
    owner = read_owner(data)
    assert owner is not None
    with httpx.Client(base_url=running.url, trust_env=False) as client:
        reply = client.post("/owner/__exit__", json={}, headers={"authorization": f"Bearer {owner.token}"})

    assert reply.status_code == 400


def test_the_owners_word_is_for_its_user_alone_when_the_service_runs(running: ServerProcess, data: Path) -> None:
    assert (data / OWNER_FILE).stat().st_mode & 0o777 == 0o600


def test_a_second_service_is_told_where_the_first_is_when_it_starts(running: ServerProcess, data: Path) -> None:
    same_port = huozi("serve", "--port", running.url.rpartition(":")[2], data=data)
    other_port = huozi("serve", "--port", "0", data=data)

    assert same_port.returncode == other_port.returncode == 1
    assert same_port.stderr.startswith(f"错误：服务已在运行：{running.url}（进程 {running.process.pid}）。")
    assert f"进程 {running.process.pid}（huozi serve" in other_port.stderr


def test_doctor_agrees_when_the_service_does_it(running: ServerProcess, data: Path) -> None:
    done = huozi("doctor", data=data)

    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("一切正常：")


def test_the_folder_is_free_again_when_the_service_is_told_to_stop(tmp_path: Path) -> None:
    with service(tmp_path / "data") as server:
        server.process.send_signal(signal.SIGTERM)
        code = server.process.wait(30)

    assert code == 0
    assert not (tmp_path / "data" / OWNER_FILE).exists()
    assert server.log.read_text("utf-8").endswith("服务已停止\n")


def test_commands_work_when_the_service_was_killed(tmp_path: Path) -> None:
    with service(tmp_path / "data") as server:
        server.kill()
        done = huozi("collections", "list", "--json", data=tmp_path / "data")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"collections": []}
