from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.cli_process import huozi

SUBJECTS = ("年假", "病假", "产假", "婚假", "丧假", "事假", "探亲假", "陪产假", "工伤假", "调休假")
AWAY = ("火星移民", "足球联赛", "乐器保养", "天文观测", "海洋捕捞", "宠物医疗", "戏曲流派", "登山装备")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    files = tmp_path / "文件"
    files.mkdir()
    for number, subject in enumerate(SUBJECTS, 3):
        text = f"员工每年享有{subject}{number}天，由部门主管批准。\n{subject}期间工资按{number}成发放。"
        (files / f"{subject}办法.txt").write_text(text, "utf-8")
    folder = tmp_path / "data"
    assert huozi("ingest", str(files), "-c", "制度", data=folder).returncode == 0
    return folder


def write_questions(folder: Path, *, n_asked: int = 5) -> Path:
    folder.mkdir(exist_ok=True)
    asked = ("有几天？", "由谁批准？", "期间工资怎么发放？", "每年享有几天？", "工资按几成发放？")[:n_asked]
    lines = [{"question": subject + end, "answerable": True} for subject in SUBJECTS for end in asked]
    lines += [{"question": f"{subject}由部门主管批准吗？", "answerable": False} for subject in AWAY]
    text = "\n".join(json.dumps({"query_id": str(n), **line}, ensure_ascii=False) for n, line in enumerate(lines))
    (folder / "queries.jsonl").write_text(text, "utf-8")
    return folder


def test_collection_refuses_by_its_own_questions_until_that_is_forgotten(tmp_path: Path, data: Path) -> None:
    asked = write_questions(tmp_path / "问题")
    calibrated = huozi("eval", str(asked), "-c", "制度", "--calibrate", "--json", data=data, HUOZI_LANG="en")
    assert calibrated.returncode == 0, calibrated.stderr
    report = json.loads(calibrated.stdout)
    assert report["questions"] == {"answerable": 50, "unanswerable": 8, "left_out": 0}
    assert report["kept"] == ("Kept with the collection '制度'" in calibrated.stderr)
    assert report["false_refusals"]["held_out"] <= 0.05 or not report["kept"]
    forgotten = [
        huozi("eval", str(asked), "-c", "制度", "--uncalibrate", data=data, HUOZI_LANG="en").stderr for _ in range(2)
    ]
    assert ("Forgot the calibration" in forgotten[0]) == report["kept"]
    assert "has no calibration" in forgotten[1]


def test_calibration_says_so_when_questions_are_too_few(tmp_path: Path, data: Path) -> None:
    asked = write_questions(tmp_path / "问题", n_asked=2)
    done = huozi("eval", str(asked), "-c", "制度", "--calibrate", data=data)
    assert done.returncode != 0
    assert "有答案的问题 20 个、没有答案的 8 个，不够校准" in done.stderr


def test_questions_are_asked_of_a_collection_that_is_there(tmp_path: Path, data: Path) -> None:
    asked = write_questions(tmp_path / "问题")
    done = huozi("eval", str(asked), "-c", "制度", "--limit", "6", "--json", data=data)
    assert json.loads(done.stdout)["metrics"]["questions"] == 6
    missing = huozi("eval", str(asked), "-c", "没有", "--limit", "6", "--json", data=data)
    assert missing.returncode != 0
