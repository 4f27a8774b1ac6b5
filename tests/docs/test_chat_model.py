"""docs/chat-model.md: its snippet runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.servers import FakeModelServer

PAGE = Path(__file__).parents[2] / "docs" / "chat-model.md"


def test_snippet_prints_the_answer_when_it_is_run(capsys: pytest.CaptureFixture[str]):
    [snippet] = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    with FakeModelServer(["年假", "有 5 天。𠮷"], role="助手") as server:
        assert "http://127.0.0.1:8000/v1" in snippet
        exec(snippet.replace("http://127.0.0.1:8000/v1", server.base_url), {})
    assert capsys.readouterr().out == "年假有 5 天。𠮷"
