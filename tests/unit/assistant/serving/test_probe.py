from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

import prompts
from assistant.serving.probe import aprobe, aserver_window, probe
from assistant.serving.server_report import ServerReport
from assistant.settings import LlmSettings
from tests.servers import free_url
from tests.template_server import TemplateServer

OURS = prompts.chat_template_path("huozi")
PUBLISHED = (
    "{% for m in messages %}{{ '<|beginofutterance|>' + m['role'] + '\\n' + m['content'] + '<|endofutterance|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|beginofutterance|>助手\\n' }}{% endif %}"
)
UNPROTECTED = PUBLISHED.replace("m['role']", "{'system': '系统', 'user': '用户'}[m['role']]")
CHATML = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"


@pytest.fixture
def template(tmp_path: Path) -> Callable[[str], Path]:
    def write(source: str) -> Path:
        path = tmp_path / "server.jinja"
        path.write_text(source, "utf-8")
        return path

    return write


def said(report: ServerReport, language: str = "en") -> list[str]:
    """Each problem in words, as they are shown."""
    return [getattr(text, language) for problem in report.problems for text in (problem.message, problem.hint)]


def test_nothing_is_wrong_when_the_server_runs_our_template() -> None:
    with TemplateServer(OURS) as server:
        report = probe(LlmSettings(base_url=server.base_url))

    assert report == ServerReport(server.base_url, True, ("huozi",), 32_768, "ours", ())
    assert report.status == "ok"


async def test_both_shells_report_the_same_when_they_ask_the_same_server(
    template: Callable[[str], Path],
) -> None:
    with TemplateServer(template(PUBLISHED), window=4_096) as server:
        settings = LlmSettings(base_url=server.base_url)
        async with httpx.AsyncClient() as client:
            assert await aprobe(settings, client) == probe(settings)
        assert await aserver_window(settings) == 4_096


def test_the_next_step_is_said_when_the_server_is_down() -> None:
    url = free_url()

    report = probe(LlmSettings(base_url=url))

    assert (report.status, report.is_reachable, report.problems[0].code) == ("failed", False, "model_server_down")
    assert said(report) == [
        f"The model server at {url!r} does not answer.",
        "Check that the model server runs and that HUOZI_LLM__BASE_URL is its address;"
        " unset HUOZI_LLM__BASE_URL to answer with quoted sentences and no model.",
    ]
    assert said(report, "zh")[0] == f"模型服务 {url!r} 没有应答。"


def test_the_served_names_are_listed_when_the_model_is_another(template: Callable[[str], Path]) -> None:
    with TemplateServer(OURS, models=("huozi3.5", "其他")) as server:
        report = probe(LlmSettings(base_url=server.base_url))

    assert report.status == "failed"
    assert said(report) == [
        f"The model server at {server.base_url!r} does not serve 'huozi'; it serves 'huozi3.5', '其他'.",
        "Set HUOZI_LLM__MODEL to one of them, or start vLLM with --served-model-name huozi.",
    ]
    assert said(report, "zh") == [
        f"模型服务 {server.base_url!r} 没有模型 'huozi'，它提供的是：'huozi3.5', '其他'。",
        "请把 HUOZI_LLM__MODEL 设为其中之一，或用 --served-model-name huozi 启动 vLLM。",
    ]


@pytest.mark.parametrize(
    ("engine", "listed", "wanted"),
    [
        ("other", "huozi:latest", "huozi"),
        ("llamacpp", "tiny.gguf", "huozi"),
        ("other", "cached/model", "/models/huozi3.5"),
    ],
)
def test_the_model_counts_as_served_when_the_engine_lists_it_otherwise(engine: Any, listed: str, wanted: str) -> None:
    with TemplateServer(OURS, engine=engine, models=(listed,), window=None) as server:
        assert probe(LlmSettings(base_url=server.base_url, model=wanted)).problems == ()


def test_the_servers_window_counts_when_it_is_smaller() -> None:
    with TemplateServer(OURS, window=4_096) as server:
        report = probe(LlmSettings(base_url=server.base_url))

    assert (report.status, report.window_tokens) == ("warning", 4_096)
    assert said(report) == [
        f"The window of the model server at {server.base_url!r} is 4096 tokens, not 32768; 4096 are used.",
        "Start vLLM with --max-model-len 32768, or set HUOZI_LLM__WINDOW_TOKENS=4096.",
    ]
    assert said(report, "zh") == [
        f"模型服务 {server.base_url!r} 的窗口是 4096 个词元，不是 32768 个；按 4096 个使用。",
        "请用 --max-model-len 32768 启动 vLLM，或设 HUOZI_LLM__WINDOW_TOKENS=4096。",
    ]


def test_nothing_is_said_when_the_servers_window_is_larger_than_the_settings() -> None:
    with TemplateServer(OURS, window=65_536) as server:
        assert probe(LlmSettings(base_url=server.base_url)).status == "ok"


def test_no_answer_can_come_when_the_server_has_no_template() -> None:
    with TemplateServer(None) as server:
        report = probe(LlmSettings(base_url=server.base_url))

    assert (report.template, report.status, report.problems[0].code) == ("missing", "failed", "template_missing")
    assert said(report) == [
        f"The model server at {server.base_url!r} has no chat template.",
        f"Start it with `huozi model serve`, or vLLM with --chat-template {OURS}.",
    ]
    assert said(report, "zh") == [
        f"模型服务 {server.base_url!r} 没有对话模板。",
        f"请用 `huozi model serve` 启动，或给 vLLM 加上 --chat-template {OURS}。",
    ]


def test_the_published_template_is_recognised_when_it_writes_roles_as_they_come(
    template: Callable[[str], Path],
) -> None:
    with TemplateServer(template(PUBLISHED)) as server:
        report = probe(LlmSettings(base_url=server.base_url))

    assert (report.template, report.status) == ("published", "warning")
    assert said(report)[0] == (
        f"The model server at {server.base_url!r} runs the template published with the model: it passes the roles "
        "'system' and 'user' on, which the model never saw in training, and documents can forge turns."
    )


@pytest.mark.parametrize("source", [UNPROTECTED, CHATML])
def test_a_template_is_another_one_when_roles_agree_but_turns_can_be_forged(
    source: str, template: Callable[[str], Path]
) -> None:
    with TemplateServer(template(source)) as server:
        report = probe(LlmSettings(base_url=server.base_url))

    assert (report.template, report.status) == ("other", "warning")
    assert said(report)[0] == (
        f"The model server at {server.base_url!r} runs another chat template than 'huozi.jinja'."
    )


def test_the_profiles_own_template_is_wanted_when_it_is_not_huozis() -> None:
    profile = "llama3-chinese"
    with TemplateServer(OURS) as server:
        assert probe(LlmSettings(base_url=server.base_url, profile=profile)).template == "other"
    own = LlmSettings(profile=profile).model_profile.template_path
    with TemplateServer(own) as server:
        assert probe(LlmSettings(base_url=server.base_url, profile=profile)).template == "ours"


def test_the_texts_are_compared_when_the_server_is_llama_cpp(template: Callable[[str], Path]) -> None:
    found = []
    for path in (OURS, template(PUBLISHED)):
        with TemplateServer(path, engine="llamacpp") as server:
            found.append(probe(LlmSettings(base_url=server.base_url)).template)

    assert found == ["ours", "published"]


def test_the_template_is_unknown_and_no_problem_when_the_server_cannot_be_asked() -> None:
    with TemplateServer(OURS, engine="other") as server:
        report = probe(LlmSettings(base_url=server.base_url))

    assert (report.template, report.problems) == ("unknown", ())
    assert server.asked == ["/v1/models", "/tokenize", "/apply-template"]


def test_the_key_is_sent_and_the_refusal_told_when_the_server_wants_another() -> None:
    with TemplateServer(OURS, status=401) as server:
        report = probe(LlmSettings(base_url=server.base_url, api_key=SecretStr("geheim")))

    assert server.keys == ["Bearer geheim"]
    assert said(report) == [
        f"The model server at {server.base_url!r} refused the request with error 401: no list today.",
        "Set HUOZI_LLM__API_KEY to a key that it accepts.",
    ]


def test_the_path_is_to_blame_when_something_else_answers_there() -> None:
    with TemplateServer(OURS) as server:
        report = probe(LlmSettings(base_url=server.base_url + "/tokenize"))
        assert report.problems[0].code == "model_server_refused"
        server.models = {"models": []}  # type: ignore[assignment]
        report = probe(LlmSettings(base_url=server.base_url))

    assert said(report) == [
        f"What answers at {server.base_url!r} is no OpenAI-compatible server: its /models is no list of models.",
        "Set HUOZI_LLM__BASE_URL to the model server's path, usually ending in /v1.",
    ]
