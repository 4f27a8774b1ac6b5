import json
from pathlib import Path

import pytest

from api.cli import run
from ingest import Ingestor
from tests.stores import open_folder


def refuse(*_: object) -> None:
    pytest.fail("a dry run opened the data folder")


@pytest.fixture
def docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HUOZI_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("HUOZI_EMBEDDER", "none")
    folder = tmp_path / "文件"
    folder.mkdir()
    (folder / "𠮷.txt").write_text("第一条 须登记。", "utf-8")
    return folder


def test_nothing_is_opened_or_created_when_a_run_is_only_tried(
    docs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--lang", "en", "ingest", str(docs), "--dry-run"], refuse) == 0
    assert capsys.readouterr().out == (
        "add  文件/𠮷.txt (1 chunks)\n"
        "  1. 第一条 须登记。 [8 characters]\n"
        "Would be 1 added, 0 updated, 0 unchanged, 0 moved, 0 deleted, 0 failed; 1 chunks. Nothing was stored.\n"
    )
    assert not (tmp_path / "data").exists()


def test_chunks_are_shown_by_what_they_stand_under(docs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "".join(f"镜头{n},{n * 5}\n" for n in range(900))
    (docs / "价格.csv").write_text(f"品名,单价\n{rows}", "utf-8")
    (docs / "问答.md").write_text(
        "# 常见问题\n\n## 年假几天？\n\n五天。" + "须提前申请，由直属上级批准。" * 10, "utf-8"
    )
    assert run(["ingest", str(docs), "--dry-run"], refuse) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "新增  文件/价格.csv（" in lines[0]
    assert lines[1].startswith("  1. 品名 | 单价 品名: 镜头0 | 单价: 0 ")
    assert lines[21].startswith("  另有 ") and lines[21].endswith(" 个片段（--json 显示全部）")
    assert lines[23].startswith("  1. 常见问题 > 年假几天？ > 常见问题 年假几天？ 五天。须提前") and "… [" in lines[23]


def test_same_errors_are_told_as_by_the_run(docs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_folder(tmp_path / "data", embedder="fake") as folder:
        Ingestor(folder).ingest([docs])
        Ingestor(folder).ingest([docs], "别的")
    assert run(["ingest", str(docs), "--dry-run"], refuse) == 1
    assert "由向量模型 'fake'（32 维）建成" in capsys.readouterr().err
    assert run(["ingest", str(docs), "--dry-run", "-c", "新的"], refuse) == 0
    assert run(["ingest", str(docs), "--dry-run", "-c", "斜/杠"], refuse) == 1


def test_emptied_folder_is_refused_unless_it_may_be_empty(
    docs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_folder(tmp_path / "data", embedder="none") as folder:
        Ingestor(folder).ingest([docs])
    (docs / "𠮷.txt").unlink()
    words = ["ingest", str(docs), "--dry-run", "--delete-missing", "--json"]
    assert run(words, refuse) == 1
    assert "请检查磁盘是否已挂载" in capsys.readouterr().err
    assert run([*words, "--allow-empty"], refuse) == 0
    assert json.loads(capsys.readouterr().out)["files"] == [{"source": "文件/𠮷.txt", "outcome": "delete"}]


def test_damaged_catalog_is_told(docs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "catalog.db").write_bytes(b"no database" * 1000)
    assert run(["ingest", str(docs), "--dry-run"], refuse) == 1
    assert "无法读取目录库" in capsys.readouterr().err


def test_watch_cannot_be_tried(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["ingest", "x", "--watch", "--dry-run"], refuse) == 2
    assert "--watch 和 --dry-run 不能同时使用" in capsys.readouterr().err
