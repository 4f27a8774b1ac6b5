from __future__ import annotations

import json

import pytest

from prompts import chat_template_path
from tests.servers import free_url
from tests.template_server import TemplateServer
from tests.unit.api.cli.fake_engine import FakeEngine, huozi

OURS = chat_template_path("huozi")


def test_doctor_says_that_the_model_server_is_well_when_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    with TemplateServer(OURS) as server:
        code = huozi("--set", f"llm.base_url={server.base_url}", "doctor")

    assert (code, capsys.readouterr().out) == (
        0,
        f"一切正常：2 个文档，9 个片段\n模型服务正常：{server.base_url}，窗口 32768 个词元\n",
    )


def test_doctor_ends_with_1_and_the_next_step_when_the_model_server_is_down(
    capsys: pytest.CaptureFixture[str],
) -> None:
    url = free_url()

    assert huozi("--set", f"llm.base_url={url}", "doctor") == 1
    assert capsys.readouterr().out == (
        "一切正常：2 个文档，9 个片段\n"
        f"模型服务 {url!r} 没有应答。请确认模型服务已启动、HUOZI_LLM__BASE_URL 是它的地址；"
        "不设 HUOZI_LLM__BASE_URL 则直接摘录原文作答，不用模型。\n"
    )


def test_doctor_warns_and_ends_with_0_when_the_window_is_small(capsys: pytest.CaptureFixture[str]) -> None:
    with TemplateServer(OURS, window=4_096) as server:
        code = huozi("--lang", "en", "--set", f"llm.base_url={server.base_url}", "doctor")

    assert (code, capsys.readouterr().out) == (
        0,
        "All agrees: 2 documents, 9 chunks\n"
        f"The window of the model server at {server.base_url!r} is 4096 tokens, not 32768; 4096 are used. "
        "Start vLLM with --max-model-len 32768, or set HUOZI_LLM__WINDOW_TOKENS=4096.\n",
    )


def test_doctors_object_holds_the_model_server_when_json_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    with TemplateServer(None) as server:
        code = huozi("--lang", "en", "--set", f"llm.base_url={server.base_url}", "doctor", "--json")

    found = json.loads(capsys.readouterr().out)
    assert (code, found["healthy"]) == (1, True)
    assert found["model_server"] == {
        "status": "failed",
        "url": server.base_url,
        "served": ["huozi"],
        "window_tokens": 32_768,
        "template": "missing",
        "problems": [
            {
                "code": "template_missing",
                "message": f"The model server at {server.base_url!r} has no chat template.",
                "hint": f"Start it with `huozi model serve`, or vLLM with --chat-template {OURS}.",
            }
        ],
    }


def test_doctor_asks_no_model_server_when_none_is_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert huozi("doctor", "--json", engine=FakeEngine()) == 0
    assert "model_server" not in json.loads(capsys.readouterr().out)
