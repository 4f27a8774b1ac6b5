"""The offline batch: its real child process, on a small package in vLLM's place."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from assistant.serving import batch
from assistant.serving.batch import BatchReport, run_batch
from assistant.serving.batch_file import BatchRequest
from assistant.serving.errors import EngineFailedError
from assistant.serving.installs import PythonInstall
from assistant.serving.profile import load_profile
from prompts import chat_template
from tests.unit.assistant.serving import fake_vllm

HUOZI = load_profile("huozi3.5")
INSTALL = PythonInstall(Path(sys.executable), None, "0.32.0", is_cpu=True)
USAGE = {"prompt_tokens": 2, "completion_tokens": 1, "total_tokens": 3}


class Batch:
    """A batch in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.package = fake_vllm.install(folder / "packages") / "vllm"
        self.output = folder / "出.jsonl"
        self.emitted = ""

    def run(self, *questions: str, output: bool = True) -> BatchReport:
        def emit(lines: str) -> None:
            self.emitted += lines

        return run_batch(
            [BatchRequest(one, [{"role": "user", "content": one}]) for one in questions],
            HUOZI,
            job={"engine": {"model": "/m"}, "template": chat_template("huozi")},
            chosen={},
            install=INSTALL,
            environment={**os.environ, "PYTHONPATH": str(self.package.parent)},
            folder=self.folder,
            output=self.output if output else None,
            emit=emit,
            progress=lambda done, total: None,
        )

    def results(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.output.read_text("utf-8").splitlines()]

    def asked(self) -> list[int]:
        path = self.package / "asked"
        return [int(line) for line in path.read_text().split()] if path.exists() else []


@pytest.fixture
def small(tmp_path: Path) -> Batch:
    return Batch(tmp_path)


def test_every_line_is_answered_in_order_when_a_batch_runs(small: Batch):
    assert small.run("甲", "𠮷🎉") == BatchReport(answered=2, kept=0, failed=0)

    assert small.results() == [
        {"id": "甲", "text": "答甲", "finish_reason": "stop", "usage": USAGE},
        {"id": "𠮷🎉", "text": "答𠮷🎉", "finish_reason": "stop", "usage": USAGE},
    ]


def test_answers_are_emitted_when_there_is_no_output_file(small: Batch):
    small.run("甲", output=False)

    assert json.loads(small.emitted)["text"] == "答甲"
    assert not small.output.exists()


def test_one_line_fails_alone_when_the_model_cannot_take_it(small: Batch):
    long = "长" * 21

    assert small.run("甲", long, "乙") == BatchReport(answered=2, kept=0, failed=1)
    assert small.results()[1] == {"id": long, "error": "maximum context length is 20 tokens."}
    assert [one.get("text") for one in small.results()] == ["答甲", None, "答乙"]


def test_only_what_is_open_is_asked_when_a_batch_goes_on(small: Batch, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(batch, "BATCH_SIZE", 2)
    with pytest.raises(EngineFailedError) as caught:
        small.run("1", "2", "3", "die")
    assert "vLLM ended with exit code 3." in caught.value.render("en")
    assert "已生成的结果保留着" in caught.value.render("zh")
    assert [one["id"] for one in small.results()] == ["1", "2"]

    # A line came in between and the deadly one is gone.
    assert small.run("1", "new", "2", "3") == BatchReport(answered=2, kept=2, failed=0)
    assert [one["id"] for one in small.results()] == ["1", "new", "2", "3"]
    assert small.asked() == [2, 2, 2]


def test_failures_are_asked_again_when_a_batch_goes_on(small: Batch):
    small.output.write_text('{"id": "甲", "error": "busy"}\n', "utf-8")

    assert small.run("甲") == BatchReport(answered=1, kept=0, failed=0)
    assert small.results()[0]["text"] == "答甲"


def test_no_model_is_loaded_when_all_is_answered(small: Batch):
    small.run("甲")
    (small.package / "broken").touch()

    assert small.run("甲") == BatchReport(answered=0, kept=1, failed=0)


def test_the_log_and_its_cause_are_shown_when_the_model_does_not_load(small: Batch):
    (small.package / "broken").touch()
    with pytest.raises(EngineFailedError) as caught:
        small.run("甲")

    assert "CUDA out of memory" in caught.value.render("en")
    assert "--tensor-parallel" in caught.value.render("en")
