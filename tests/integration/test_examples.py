"""Every file of examples/ runs as a user runs it, on the samples, against a server that can think by rule."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.example_process import ROOT, ingest_samples, run_example
from tests.scripted_openai import ScriptedOpenAI


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ingest_samples(tmp_path_factory.mktemp("examples"))


@pytest.fixture
def server() -> Iterator[ScriptedOpenAI]:
    with ScriptedOpenAI() as server:
        yield server


def output(name: str, *words: str, data: Path, server: ScriptedOpenAI) -> str:
    return run_example(name, *words, data=data, base_url=server.base_url)


def test_chain_answers_from_the_documents_when_it_is_run(data: Path, server: ScriptedOpenAI):
    assert "预付款不超过合同金额的30%" in output("lcel_chain.py", data=data, server=server)


def test_chain_takes_another_question_when_one_is_given(data: Path, server: ScriptedOpenAI):
    printed = output("lcel_chain.py", "公司班车早上几点开，在哪里坐？", data=data, server=server)

    assert "早上7:40从嘉兴南站北广场发车" in printed
    assert "公司班车早上几点开" in server.requests[0]["messages"][-1]["content"]


def test_agent_searches_before_it_answers_when_it_is_run(data: Path, server: ScriptedOpenAI):
    asked, searched, found, answered = output("agent.py", data=data, server=server).splitlines()

    assert "雷达液位计保修多久？" in asked
    assert "search_documents {'query': '雷达液位计保修多久？'}" in searched
    assert "……" in found
    assert "雷达液位计保修18个月" in answered
    called, told = server.requests
    assert called["tools"][0]["function"]["name"] == "search_documents"
    assert [message["role"] for message in told["messages"]] == ["system", "user", "assistant", "tool"]


def test_structured_prints_the_facts_of_the_document_when_it_is_run(data: Path, server: ScriptedOpenAI):
    facts = json.loads(output("structured.py", data=data, server=server))

    assert (facts["flight_hours"], facts["local_transport_yuan"], facts["days_to_submit"]) == (6, 80, 10)
    assert "90%" in facts["when_late"]
    assert server.requests[0]["response_format"]["type"] == "json_schema"


def test_every_example_is_run_and_explained_when_there_is_one():
    here = Path(__file__).read_text("utf-8")
    told = (ROOT / "examples" / "README.md").read_text("utf-8")
    names = [path.name for path in (ROOT / "examples").glob("*.py")]

    assert names
    for name in names:
        assert f'output("{name}"' in here
        assert f"python examples/{name}" in told
