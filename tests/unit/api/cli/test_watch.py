import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import watchfiles
from watchfiles import Change

from api.cli import watch
from api.cli.watch import LONGEST_RETRY_S, RETRY_S, Patience, due, may_matter, places


@pytest.mark.parametrize(
    ("name", "matters"),
    [
        ("休假.md", True),
        ("子/报销.PDF", True),
        (".huoziignore", True),
        ("子/.huoziignore", True),
        (".休假.md.swp", False),
        ("~$通知.docx", False),
        ("~WRD0001.tmp", False),
        ("休假.md~", False),
        (".~lock.表.ods#", False),
        ("下载.pdf.crdownload", False),
        (".git/说明.md", False),
        ("图.xyz", False),
    ],
)
def test_change_matters_only_when_a_run_could_find_something_else(tmp_path: Path, name: str, matters: bool) -> None:
    root = tmp_path / ".隐藏的上级" / "文件"
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).touch()
    assert may_matter(Change.modified, str(root / name), [str(root)]) is matters


def test_folder_matters_when_it_came_or_may_have_gone(tmp_path: Path) -> None:
    (tmp_path / "第1.2版").mkdir()
    roots = [str(tmp_path)]
    assert may_matter(Change.added, str(tmp_path / "第1.2版"), roots)
    assert may_matter(Change.deleted, str(tmp_path / "第1.1版"), roots)
    assert not may_matter(Change.deleted, str(tmp_path / "写到一半.tmp"), roots)
    assert may_matter(Change.modified, str(tmp_path), roots)


def test_place_is_another_when_a_file_was_replaced(tmp_path: Path) -> None:
    path = str(tmp_path / "a.md")
    assert places([path]) == {}
    Path(path).write_text("一")
    first = places([path])
    (tmp_path / "b").write_text("二")
    os.replace(tmp_path / "b", path)
    assert places([path]) != first and list(first) == [path]


def test_patience_waits_longer_each_time_and_starts_anew_when_a_run_succeeds() -> None:
    now = [0.0]
    patience = Patience(lambda: now[0])
    waits = []
    assert not patience.is_over
    for _ in range(6):
        patience.failed()
        began = now[0]
        while not patience.is_over:
            now[0] += 1
        waits.append(now[0] - began)
    assert waits == [RETRY_S, 2 * RETRY_S, 4 * RETRY_S, 8 * RETRY_S, LONGEST_RETRY_S, LONGEST_RETRY_S]
    patience.succeeded()
    assert not patience.is_over
    patience.failed()
    now[0] += RETRY_S
    assert patience.is_over


def test_files_are_listed_again_and_again_when_the_system_gives_no_watches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool | None] = []

    def refuse_at_first(*_: str, force_polling: bool | None, **__: object) -> Iterator[set[object]]:
        asked.append(force_polling)
        if not force_polling:
            raise OSError("OS file watch limit reached")
        yield set()
        yield {1}

    monkeypatch.setattr(watchfiles, "watch", refuse_at_first)
    monkeypatch.setattr(watch, "TICK_S", 0.0)
    ticks = due([str(tmp_path)])
    assert [next(ticks), next(ticks)] == [True, True]
    assert asked == [None, True]
