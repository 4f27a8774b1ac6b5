from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from retrieval.data_folder import DataFolder
from retrieval.owner import LOCK_FILE, OWNER_FILE
from retrieval.settings import RetrievalSettings
from tests.integration.cli_process import HUOZI, huozi, start
from tests.processes import free_port

HANDBOOK = "员工手册\n\n第一条 员工每年享有五天带薪年假。\n\n第二条 试用期员工没有年假。\n"
TRAVEL = "差旅办法\n\n第一条 出差住宿标准为每晚三百元。𠮷野家😀除外。\n"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "文件"
    folder.mkdir()
    (folder / "员工手册.txt").write_text(HANDBOOK, "utf-8")
    (folder / "差旅办法.txt").write_bytes(TRAVEL.encode("gb18030"))
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def test_documents_answer_with_their_source_when_they_are_ingested(files: Path, data: Path) -> None:
    ingested = huozi("ingest", str(files), "-c", "制度", "--json", data=data)
    asked = huozi("ask", "员工每年有几天带薪年假", "-c", "制度", "--json", data=data)

    assert ingested.returncode == asked.returncode == 0, ingested.stderr + asked.stderr
    report = json.loads(ingested.stdout)
    assert (report["added"], report["failed"]) == (2, [])
    answer = json.loads(asked.stdout)
    assert not answer["refused"]
    citation = answer["citations"][0]
    assert "五天带薪年假" in citation["quote"]
    assert citation["source"].endswith("员工手册.txt")
    text = huozi("documents", "show", citation["document_id"], "--text", data=data).stdout
    assert text[citation["start"] : citation["end"]] == citation["quote"]


def test_nothing_is_ingested_again_when_nothing_changed(files: Path, data: Path) -> None:
    huozi("ingest", str(files), data=data)
    (files / "员工手册.txt").write_text(HANDBOOK + "第三条 病假另计。\n", "utf-8")
    (files / "差旅办法.txt").unlink()

    again = json.loads(huozi("ingest", str(files), "--delete-missing", "--json", data=data).stdout)
    once_more = json.loads(huozi("ingest", str(files), "--json", data=data).stdout)

    assert [again[key] for key in ("added", "updated", "skipped", "deleted")] == [0, 1, 0, 1]
    assert [once_more[key] for key in ("added", "updated", "skipped", "deleted")] == [0, 0, 1, 0]


def test_ingest_ends_with_1_and_the_rest_done_when_one_file_is_bad(files: Path, data: Path) -> None:
    (files / "空.txt").write_bytes(b"")

    done = huozi("ingest", str(files), "--json", data=data)

    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert report["added"] == 2
    assert [(one["source"], one["code"]) for one in report["failed"]] == [("文件/空.txt", "empty_file")]


def test_every_bad_setting_is_told_before_anything_is_done_when_a_command_starts(data: Path) -> None:
    done = huozi("--lang", "en", "collections", "list", data=data, HUOZI_PORT="x", HUOZI_EMBEDDER="y", HUOZI_HOTS="z")

    assert done.returncode == 2
    assert "3 settings cannot be used" in done.stderr
    assert not data.exists()


def test_an_unknown_collection_ends_with_1_when_it_is_searched(data: Path) -> None:
    done = huozi("search", "年假", "-c", "财务", data=data)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("错误：没有名为 '财务' 的集合。")
    assert "Traceback" not in done.stderr


def test_a_foreign_owner_is_named_when_it_is_no_service(data: Path) -> None:
    with DataFolder.open(RetrievalSettings(data_dir=data, embedder="none"), purpose="test"):
        done = huozi("collections", "list", data=data)

    assert (done.returncode, done.stdout) == (1, "")
    assert f"进程 {os.getpid()}（huozi test" in done.stderr
    assert "请等它结束，或把 HUOZI_DATA_DIR 设为另一个目录。" in done.stderr


def test_a_dead_owners_word_is_ignored_when_its_lock_is_gone(data: Path) -> None:
    data.mkdir()
    owner = {"pid": 2**22 + 1, "host": "gone", "purpose": "serve", "started": 0.0, "token": "t"}
    (data / OWNER_FILE).write_text(json.dumps({**owner, "url": "http://127.0.0.1:9"}), "utf-8")
    (data / LOCK_FILE).touch()

    done = huozi("collections", "list", "--json", data=data)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"collections": []}


def test_documents_are_whole_when_ingestion_is_stopped_by_ctrl_c(tmp_path: Path, data: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(400):
        lines = [f"第{n}条 编号{number}的第{n}项规定，金额为{number * n}元。" for n in range(1, 40)]
        (folder / f"{number}.txt").write_text("\n\n".join(lines), "utf-8")

    process = start("ingest", str(folder), data=data)
    deadline = time.monotonic() + 60
    while not list(data.glob("originals/**/*")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)

    assert process.returncode == 130, told
    assert "Traceback" not in told
    checked = json.loads(huozi("doctor", "--json", data=data).stdout)
    # An original that no document uses is put there before its document: nobody sees it.
    assert {one["kind"] for one in checked["problems"]} <= {"original_unused"}
    n_before = checked["documents"]
    finished = json.loads(huozi("ingest", str(folder), "--json", data=data).stdout)
    assert n_before < 400
    assert (finished["added"], finished["skipped"]) == (400 - n_before, n_before)


def test_a_reader_may_leave_early_when_output_is_piped(files: Path, data: Path) -> None:
    huozi("ingest", str(files), data=data)

    process = start("search", "年假", data=data)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    told = process.stderr.read()
    process.stderr.close()

    assert (process.wait(60), told) == (0, "")


def test_help_loads_nothing_heavy_when_it_is_asked_for(tmp_path: Path) -> None:
    import subprocess
    import sys

    heavy = ["pydantic", "sqlalchemy", "numpy", "fastapi", "chromadb", "tantivy", "langchain_core", "httpx", "tqdm"]
    script = f"import sys; from api.cli import run; run(['--help']); print(*[m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, encoding="utf-8", cwd=tmp_path, timeout=60, check=True
    )

    assert done.stdout.splitlines()[-1] == ""


def test_a_port_in_use_is_told_with_another_when_serving(data: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = huozi("serve", "--port", str(port), data=data)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"错误：'127.0.0.1' 的端口 {port} 已被占用。"
        f"请换一个端口：HUOZI_PORT={port + 1}，或 `huozi serve --port {port + 1}`。\n"
    )


def test_listening_beyond_this_machine_is_refused_when_there_is_no_key(data: Path) -> None:
    done = huozi("--lang", "en", "serve", "--host", "0.0.0.0", "--port", str(free_port()), data=data)

    assert done.returncode == 1
    assert done.stderr.startswith("Error: Refusing to listen on '0.0.0.0' without an API key")


def test_an_address_of_another_machine_is_told_when_serving(data: Path) -> None:
    done = huozi("--lang", "en", "serve", "--host", "192.0.2.1", data=data)

    assert done.returncode == 1
    assert done.stderr.startswith("Error: Cannot listen on '192.0.2.1', port 8080: ")


def test_the_installed_command_is_ours_when_tests_run() -> None:
    assert Path(HUOZI).is_file()


def test_a_new_file_is_ingested_when_the_folder_is_watched(files: Path, data: Path) -> None:
    process = start("ingest", str(files), "--watch", data=data)
    assert process.stdout is not None and process.stderr is not None
    try:
        first = process.stdout.readline()
        while "监视" not in (line := process.stderr.readline()):
            assert line, "it ended"
        # Between two runs the folder is free for other commands.
        listed = huozi("documents", "list", "--json", data=data)
        (files / "新办法.txt").write_text("新办法\n\n第一条 加班可以调休。\n", "utf-8")
        second = process.stdout.readline()
    finally:
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)

    assert first.startswith("新增 2，")
    assert listed.returncode == 0, listed.stderr
    assert second.startswith("新增 1，更新 0，未变 2，")
    assert (process.returncode, "Traceback" in told) == (130, False)
