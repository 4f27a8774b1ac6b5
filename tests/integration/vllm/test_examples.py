"""The examples end well on a real vLLM, too; what a random model says in them means nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.example_process import ingest_samples, run_example

MOST = {"HUOZI_LLM__MAX_TOKENS": "200"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ingest_samples(tmp_path_factory.mktemp("examples"))


def test_chain_prints_an_answer_when_a_real_model_is_asked(data: Path, vllm: Any):
    assert run_example("lcel_chain.py", data=data, base_url=vllm.base_url, **MOST).strip()


def test_agent_ends_with_an_answer_when_a_real_model_is_asked(data: Path, vllm: Any):
    asked, *_, answered = run_example("agent.py", data=data, base_url=vllm.base_url, **MOST).splitlines()

    assert asked.startswith("问：")
    assert answered.startswith("答：")


def test_structured_fits_its_class_when_a_real_model_is_held_to_the_schema(data: Path, vllm: Any):
    facts = json.loads(run_example("structured.py", data=data, base_url=vllm.base_url, **MOST))

    assert {name: type(value) for name, value in facts.items()} == {
        "flight_hours": int,
        "local_transport_yuan": float,
        "days_to_submit": int,
        "when_late": str,
    }
