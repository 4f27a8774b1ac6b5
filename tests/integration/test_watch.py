"""`huozi ingest --watch` as a real process: editors' ways to save, bursts, folders that go, runs that fail, Ctrl-C."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from retrieval.data_folder import DataFolder
from tests import stores
from tests.integration.cli_process import DEADLINE_S, huozi, start

WATCHING = "正在监视改动"
pytestmark = pytest.mark.slow


class Watching:
    """A running watch and what it says."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.out: list[str] = []
        self.err: list[str] = []
        for stream, lines in ((process.stdout, self.out), (process.stderr, self.err)):
            threading.Thread(target=self._read, args=(stream, lines), daemon=True).start()

    def wait(self, is_so: Callable[[], bool]) -> None:
        """Wait until something holds."""
        end = time.monotonic() + DEADLINE_S
        while not is_so():
            assert self.process.poll() is None, self.err
            assert time.monotonic() < end, (self.out, self.err)
            time.sleep(0.05)

    def says(self, text: str) -> None:
        """Wait until a line holds a text."""
        self.wait(lambda: any(text in line for line in (*self.out, *self.err)))

    def stop(self) -> int:
        """Press Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(DEADLINE_S)

    @staticmethod
    def _read(stream: Iterator[str], lines: list[str]) -> None:
        for line in stream:
            lines.append(line.rstrip("\n"))


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "文件"
    folder.mkdir()
    (folder / "休假.md").write_text("# 休假\n\n年假五天。\n", "utf-8")
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@contextmanager
def watching(docs: Path, data: Path, *options: str) -> Iterator[Watching]:
    process = start("ingest", str(docs), "--watch", *options, data=data)
    one = Watching(process)
    try:
        one.says(WATCHING)
        # Its first tick looks at all again; what changes after it is a change of its own.
        time.sleep(2.0)
        yield one
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            stream.close()


def texts(data: Path) -> dict[str, str]:
    """Return each document's text by its source."""
    found = {}
    with DataFolder.open(stores.settings(data, embedder="none"), purpose="test") as folder:
        for one in folder.catalog.list_documents(folder.catalog.get_collection("default").collection_id):
            found[one.source] = folder.catalog.document_text(one.document_id).text
    return found


def test_a_change_is_taken_in_once_when_editors_save_in_their_ways(docs: Path, data: Path) -> None:
    with watching(docs, data, "--delete-missing") as watch:
        # vim: a swap file, a probe, the old one put aside, the new one written, the old one removed.
        (docs / ".休假.md.swp").write_bytes(b"b0VIM 8.2")
        (docs / "4913").touch()
        (docs / "4913").unlink()
        (docs / "休假.md").rename(docs / "休假.md~")
        (docs / "休假.md").write_text("# 休假\n\n年假十天。\n", "utf-8")
        (docs / "休假.md~").unlink()
        (docs / ".休假.md.swp").unlink()
        watch.wait(lambda: len(watch.out) == 2)
        # Others: written beside, then put in its place at once.
        (docs / "休假.md.tmp").write_text("# 休假\n\n年假十五天。\n", "utf-8")
        (docs / "休假.md.tmp").replace(docs / "休假.md")
        watch.wait(lambda: len(watch.out) == 3)
        # Word: a lock, a temporary file, two renames.
        (docs / "~$通知.txt").write_bytes(b"lock")
        (docs / "~WRD0001.tmp").write_text("通知：周五放假。", "utf-8")
        (docs / "~WRD0001.tmp").rename(docs / "通知.txt")
        watch.wait(lambda: len(watch.out) == 4)
        (docs / "~$通知.txt").unlink()
        time.sleep(2.0)
        assert watch.stop() == 130

    assert watch.out[0].startswith("新增 1，")
    assert [line[:10] for line in watch.out[1:]] == ["新增 0，更新 1，", "新增 0，更新 1，", "新增 1，更新 0，"]
    assert texts(data) == {"文件/休假.md": "休假\n年假十五天。", "文件/通知.txt": "通知：周五放假。"}


def test_a_file_that_fails_is_told_once_when_others_change(docs: Path, data: Path) -> None:
    (docs / "坏.pdf").write_bytes(b"%PDF-1.4 x")
    with watching(docs, data) as watch:
        for number in (1, 2):
            (docs / "休假.md").write_text(f"# 休假\n\n年假{number}天。\n", "utf-8")
            watch.wait(lambda number=number: len(watch.out) == 1 + number)
        assert watch.stop() == 130

    assert [line[:6] for line in watch.err if "坏.pdf" in line] == ["失败：文件/"]


def test_a_thousand_changes_are_one_run(docs: Path, data: Path) -> None:
    with watching(docs, data) as watch:
        for number in range(1000):
            (docs / f"第{number}条.txt").write_text(f"第{number}条规定。", "utf-8")
        watch.wait(lambda: len(watch.out) == 2)
        time.sleep(2.0)
        assert watch.stop() == 130
    assert watch.out[1].startswith("新增 1000，更新 0，未变 1，") and len(watch.out) == 2


def test_a_folder_that_vanishes_is_taken_up_again_when_it_comes_back(docs: Path, data: Path) -> None:
    with watching(docs, data, "--delete-missing") as watch:
        docs.rename(docs.with_name("别处"))
        time.sleep(2.5)
        docs.with_name("别处").rename(docs)
        (docs / "休假.md").write_text("# 休假\n\n年假二十天。\n", "utf-8")
        watch.wait(lambda: len(watch.out) == 2)
        # Another folder at its place is watched as well.
        docs.rename(docs.with_name("旧的"))
        docs.mkdir()
        (docs / "新.txt").write_text("新的规定。", "utf-8")
        watch.wait(lambda: len(watch.out) == 3)
        (docs / "又.txt").write_text("又一条规定。", "utf-8")
        watch.wait(lambda: len(watch.out) == 4)
        assert watch.stop() == 130
    assert [line[:10] for line in watch.out[1:]] == ["新增 0，更新 1，", "新增 1，更新 0，", "新增 1，更新 0，"]
    assert set(texts(data)) == {"文件/新.txt", "文件/又.txt"}


def test_an_emptied_folder_is_told_and_nothing_deleted_when_its_disk_seems_gone(docs: Path, data: Path) -> None:
    with watching(docs, data, "--delete-missing") as watch:
        (docs / "休假.md").rename(docs.with_name("休假.md"))
        watch.says("请检查磁盘是否已挂载")
        docs.with_name("休假.md").rename(docs / "休假.md")
        (docs / "报销.txt").write_text("十五日内报销。", "utf-8")
        watch.wait(lambda: len(watch.out) == 2)
        assert watch.stop() == 130
    assert watch.out[1].startswith("新增 1，更新 0，未变 1，删除 0，")


def test_a_run_that_fails_is_tried_again_when_the_cause_is_gone(docs: Path, data: Path) -> None:
    with watching(docs, data) as watch:
        with DataFolder.open(stores.settings(data, embedder="none"), purpose="a test"):
            (docs / "报销.txt").write_text("十五日内报销。", "utf-8")
            watch.says("会再试")
        # Nothing changes any more: it comes round by itself.
        watch.wait(lambda: len(watch.out) == 2)
        assert watch.stop() == 130
    assert watch.out[1].startswith("新增 1，") and len([line for line in watch.err if "会再试" in line]) == 1


def test_ctrl_c_leaves_nothing_half_done_when_it_comes_in_a_run(docs: Path, data: Path) -> None:
    for number in range(1500):
        (docs / f"第{number}条.txt").write_text(f"第{number}条规定。" * 40, "utf-8")
    process = start("ingest", str(docs), "--watch", data=data)
    try:
        while not (data / "keyword").exists():
            assert process.poll() is None
            time.sleep(0.02)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=DEADLINE_S)
    finally:
        process.kill()
        process.wait()
    checked = json.loads(huozi("doctor", "--json", data=data).stdout)
    again = json.loads(huozi("ingest", str(docs), "--json", data=data).stdout)

    assert (process.returncode, "已中断" in err) == (130, True), (out, err)
    assert checked["problems"] == []
    assert again["added"] + again["skipped"] == 1501 and again["failed"] == []


def test_a_dry_run_tells_all_and_touches_nothing_when_no_data_folder_is_there(docs: Path, data: Path) -> None:
    done = huozi("ingest", str(docs), "--dry-run", "--json", data=data)

    told = json.loads(done.stdout)
    assert (done.returncode, done.stderr, data.exists()) == (0, "", False)
    assert (told["added"], told["chunks"]) == (1, 1)
    assert told["files"] == [
        {
            "source": "文件/休假.md",
            "outcome": "add",
            "title": "休假",
            "media_type": "text/markdown",
            "chunks": [
                {
                    "start": 0,
                    "end": 8,
                    "page": None,
                    "heading": ["休假"],
                    "text": "休假\n年假五天。",
                    "markdown": None,
                }
            ],
            "warnings": [],
        }
    ]


def test_a_dry_run_tells_each_fate_when_another_process_has_the_folder(docs: Path, data: Path) -> None:
    for name in ("旧名.txt", "改.txt", "删.txt", "同.txt"):
        (docs / name).write_text(f"{name}的内容。", "utf-8")
    assert huozi("ingest", str(docs), data=data).returncode == 0
    (docs / "旧名.txt").rename(docs / "新名.txt")
    (docs / "改.txt").write_text("改过的内容。", "utf-8")
    (docs / "删.txt").unlink()
    (docs / "坏.pdf").write_bytes(b"%PDF-1.4 rubbish")
    before = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    told = json.loads(huozi("ingest", str(docs), "--dry-run", "--delete-missing", "--json", data=data).stdout)
    after = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    with DataFolder.open(stores.settings(data, embedder="none"), purpose="a test"):
        beside = huozi("ingest", str(docs), "--dry-run", "--delete-missing", data=data)

    assert after == before
    assert [told[key] for key in ("added", "updated", "skipped", "moved", "deleted")] == [0, 1, 2, 1, 1]
    assert [one["code"] for one in told["failed"]] == ["broken_file"]
    assert beside.returncode == 1
    assert sorted(beside.stdout.splitlines()[:-1]) == sorted(
        [
            "更新  文件/改.txt（1 个片段）",
            "  1. 改过的内容。 [6 字]",
            "移动  文件/旧名.txt -> 文件/新名.txt",
            "删除  文件/删.txt",
        ]
    )
    assert beside.stderr.startswith("会失败：文件/坏.pdf: ")
