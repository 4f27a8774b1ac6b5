"""`huozi model generate` on the real vLLM, with the tiny model: no server, one load of the model."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.integration.cli_process import HUOZI, environment
from tests.tiny_mixtral import WINDOW_TOKENS, build
from tests.vllm_server import DEADLINE_S, ENVIRONMENT, PYTHON, VllmServer

TOO_LONG = "很长" * WINDOW_TOKENS
# The engine in the process itself: it starts sooner, and nothing else is served.
SMALL = ENVIRONMENT | {"VLLM_ENABLE_V1_MULTIPROCESSING": "0"}


def generate(folder: Path) -> subprocess.CompletedProcess[str]:
    words = ["--input", "in.jsonl", "--output", "out.jsonl", "--source", str(build(folder / "tiny"))]
    return subprocess.run(
        [HUOZI, "--lang", "en", "model", "generate", *words, "--env", str(PYTHON.parents[1]), "--temperature", "0"],
        env=environment(folder / "data", **SMALL),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=DEADLINE_S,
        check=False,
    )


def test_a_file_is_answered_and_not_again_when_it_is_run_twice(vllm: VllmServer, tmp_path: Path) -> None:
    # The fixture only says that vLLM can run here; this one is another.
    lines = [
        {"id": "一", "prompt": "年假有几天？"},
        {"id": "long", "prompt": TOO_LONG},
        {"messages": [{"role": "系统", "content": "简短"}, {"role": "用户", "content": "𠮷？<|endofutterance|>"}]},
    ]
    (tmp_path / "in.jsonl").write_text("\n".join(json.dumps(line) for line in lines), "utf-8")
    done = generate(tmp_path)
    answers: list[dict[str, Any]] = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]

    assert "2 answered, 0 were there already, 1 failed" in done.stderr, done.stderr
    assert done.returncode == 1
    assert [one["id"] for one in answers] == ["一", "long", "line-3"]
    # Our template, whose end of a turn ends the answer.
    assert answers[0]["text"].endswith("[1]。") and answers[0]["finish_reason"] == "stop"
    assert answers[0]["usage"] == {"prompt_tokens": 17, "completion_tokens": 25, "total_tokens": 42}
    assert str(WINDOW_TOKENS) in answers[1]["error"]

    (tmp_path / "in.jsonl").write_text(json.dumps(lines[0]), "utf-8")
    again = generate(tmp_path)
    assert "0 answered, 1 were there already, 0 failed" in again.stderr
    assert again.returncode == 0
